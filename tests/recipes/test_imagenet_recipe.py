"""The ImageNet recipe: its plans against the paper's settings, its data, published weights, and all of its stages."""

import os
import subprocess
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from nst_asr.given import read_plan
from nst_asr.store import read_json
from nst_asr.vision import efficientnet
from nst_asr.vision.manifests import read_manifest
from nst_asr.vision.model import load
from nst_asr.vision.plan import VisionPlan
from recipes.imagenet import data
from tests.vision import pictures
from tools import import_weights

RECIPE = Path(__file__).parents[2] / "recipes" / "imagenet"
CONFS = sorted((RECIPE / "conf").glob("*.yaml"))
NETS = [f"b{size}" for size in range(8)]
L2 = [
    "allow_smaller=true",
    "teacher.model.name=efficientnet_l2",
    "teacher.resolution=475",
    "teacher.crop=0.936",
    "teacher.noise.rand_augment={ops: 2, magnitude: 27.0}",
    "teacher.noise.dropout=0.5",
]  # what run.sh says to a plan


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [str(RECIPE / "run.sh"), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def plan_of(name: str, *settings: str) -> VisionPlan:
    return read_plan(VisionPlan, RECIPE / "conf" / f"{name}.yaml", settings)


@pytest.mark.parametrize("path", CONFS, ids=lambda path: path.stem)
def test_every_plan_can_be_read_and_its_head_says_what_it_is(path: Path) -> None:
    plan = read_plan(VisionPlan, path)
    assert plan.recipe == "imagenet"
    assert plan.generations
    head = path.read_text().split("\n\n")[0]
    assert all(word in head for word in ("Command:", "Hardware:", "Expected:"))


@pytest.mark.parametrize("name", NETS)
def test_nets_see_images_as_the_published_ones_do_and_their_students_are_the_papers(name: str) -> None:
    plan, size = plan_of(name), int(name[1:])
    student, published = plan.generations[0].student, efficientnet.published(f"efficientnet_{name}")
    for each in (plan.teacher, student):
        assert each.model.name == f"efficientnet_{name}"
        assert (each.resolution, each.crop) == (published.resolution, published.crop)
    magnitude = {2: 6, 3: 12, 4: 15, 5: 18, 6: 24, 7: 27}.get(size)
    augment = student.noise.rand_augment
    assert (augment and (augment.ops, augment.magnitude)) == (magnitude and (2, magnitude))
    assert (student.noise.dropout, student.noise.survival) == (0.5, 0.8)


@pytest.mark.parametrize("name", [*NETS, "b7-l2"])
def test_batches_and_epochs_are_the_papers(name: str) -> None:
    for generation in plan_of(name).generations:
        fit, mix = generation.student.fit, generation.mix
        assert mix.ratio is not None
        assert fit.batch == 2048 * (1 + mix.ratio)
        epoch = 1_271_167 / 2048
        epochs = 700 if name in NETS[:5] else 350
        assert fit.updates == pytest.approx(epochs * epoch, rel=1e-3)
        assert fit.decay_every == pytest.approx(2.4 * epochs / 350 * epoch, rel=1e-3)
        assert fit.warmup == pytest.approx(5 * epoch, rel=1e-3)
        assert (fit.optimizer, fit.peak_rate, fit.decay_rate, fit.ema) == ("rmsprop", 0.128, 0.97, 0.9999)
    ratios = [generation.mix.ratio for generation in plan_of("b7-l2").generations]
    assert ratios == [14, 14, 28]


@pytest.mark.parametrize("name", NETS)
def test_l2_in_the_teachers_place_changes_nothing_of_the_student(name: str) -> None:
    own, other = plan_of(name), plan_of(name, *L2)
    assert other.teacher.model.name == "efficientnet_l2"
    assert other.generations == own.generations


def test_sets_of_a_single_folder_are_apart_and_the_pools_truth_is_known(tmp_path: Path) -> None:
    source = pictures.class_folders(tmp_path / "in", 40)
    assert data.main([str(tmp_path / "out"), "--train", str(source), "--dev", "0.1"]) == 0
    sets = {
        name: read_manifest(tmp_path / "out" / f"{name}.parquet", labeled=name in ("labeled", "dev", "test"))
        for name in ("labeled", "unlabeled", "dev", "test", "few")
    }
    assert {name: len(rows) for name, rows in sets.items()} == {
        "labeled": 12,
        "unlabeled": 72,
        "dev": 12,
        "test": 24,
        "few": 72,
    }
    sets.pop("few")
    assert not any(set(one["id"]) & set(other["id"]) for one, other in combinations(sets.values(), 2))
    truth = pl.read_csv(tmp_path / "out" / "unlabeled.truth.tsv", separator="\t")
    assert truth["id"].to_list() == sets["unlabeled"]["id"].to_list()
    # a stretch of rows holds several classes: class folders are shuffled
    assert truth["label"][:12].n_unique() == 3
    assert all(len(digest) == 32 for digest in sets["unlabeled"]["digest"])


def test_train_val_and_a_pool_in_shards_lose_what_is_held_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = pictures.class_folders(tmp_path / "train", 20)
    val = pictures.class_folders(tmp_path / "val", 4, first=100)
    # two images of val are in train too, and the pool has all of val
    for number in (100, 101):
        pictures.write(train / "red" / f"copy{number}.png", pictures.image("red", number))
    pictures.shard(tmp_path / "pool" / "a.tar", 4, first=100, kind="")
    pictures.shard(tmp_path / "pool" / "b.tar", 30, first=200, kind="")
    words = ["--train", str(train), "--val", str(val), "--pool", str(tmp_path / "pool"), "--dev", "6"]
    assert data.main([str(tmp_path / "out"), *words]) == 0
    assert "2 training images are left out" in capsys.readouterr().out
    labeled, pool = (pl.read_parquet(tmp_path / "out" / f"{name}.parquet") for name in ("labeled", "unlabeled"))
    assert (len(labeled), len(pool)) == (54, 90)
    assert pool["id"].to_list() == [f"pool/b/{label}{n:04d}" for n in range(200, 230) for label in pictures.CLASSES]
    assert not (tmp_path / "out" / "unlabeled.truth.tsv").exists()
    assert data.main([str(tmp_path / "out"), *words]) == 0
    assert "the manifests are there" in capsys.readouterr().out
    assert data.main([str(tmp_path / "out"), *words[:-1], "9"]) == 1
    assert "made with dev = 6, now 9" in capsys.readouterr().err


def test_dev_is_a_fiftieth_unless_more_is_asked_for(tmp_path: Path) -> None:
    source = str(pictures.class_folders(tmp_path / "in", 50))
    asked = data.Sources(train=source, val=None, pool=None, dev=None, test=0.2, labeled=0.1, seed=0)
    assert len(data.draw(asked)["dev"]) == 3


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    net = timm.create_model("tf_efficientnet_b0", num_classes=3).eval()
    path = tmp_path_factory.mktemp("weights") / "b0.safetensors"
    save_file(net.state_dict(), path)
    return path


def test_published_weights_become_a_model_folder_with_classes_in_order(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "names.txt").write_text("red fox\nant\nbee\n")
    out = tmp_path / "exp" / "gen0" / "student"
    words = [str(weights), "--net", "efficientnet_b0", "--classes", str(tmp_path / "names.txt")]
    assert import_weights.main([*words, "--out", str(out), "--resolution", "32", "--crop", "1.0"]) == 0
    assert "3 classes from ant to red_fox, 32 pixels, crop 1" in capsys.readouterr().out
    made = load(out)
    assert made.classes == ("ant", "bee", "red_fox")
    image = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), np.uint8)
    net = timm.create_model("tf_efficientnet_b0", num_classes=3, checkpoint_path=str(weights)).eval()
    with torch.inference_mode():
        theirs = net(made.normalise(torch.from_numpy(image)))
    torch.testing.assert_close(made.logits(image), theirs[:, [1, 2, 0]], rtol=1e-3, atol=1e-4)
    assert read_json(out / "model.json")["lineage"]["published"] == "b0.safetensors"
    assert import_weights.main([*words, "--out", str(out)]) == 1
    assert "is there already" in capsys.readouterr().err


def test_classes_of_a_manifest_are_those_of_its_images(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = pictures.class_folders(tmp_path / "in", 1)
    words = [str(weights), "--net", "efficientnet_b0", "--classes"]
    assert import_weights.main([*words, str(folder), "--out", str(tmp_path / "model")]) == 0
    made = load(tmp_path / "model")
    assert (made.classes, made.resolution, made.crop) == (("blue", "green", "red"), 224, 0.875)
    (tmp_path / "two.txt").write_text("ant\nbee\n")
    assert import_weights.main([*words, str(tmp_path / "two.txt"), "--out", str(tmp_path / "other")]) == 1
    assert "its classifier has 3 classes, 2 names were given" in capsys.readouterr().err
    assert import_weights.main([str(weights), "--net", "resnet5", "--classes", "x", "--out", str(tmp_path / "y")]) == 1
    assert "unknown net" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "stage 0 needs the images"),
        (["--config", "conf/none.yaml"], "no such file"),
        (["--train", "x", "--nets", "b9"], "there is no conf/b9.yaml"),
        (["--train", "x", "--processes", "none"], "not a number of processes"),
    ],
)
def test_what_run_sh_cannot_follow_is_said(words: list[str], message: str) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert message in done.stderr


def test_a_stage_before_its_time_says_what_is_missing(tmp_path: Path) -> None:
    done = run("--config", "conf/smoke.yaml", "--exp", tmp_path / "exp", "--stage", "4", "--stop-stage", "4")
    assert done.returncode == 1
    assert "has no student yet; do stages 1 and 2, or give --l2 WEIGHTS" in done.stderr


@pytest.mark.slow
def test_smoke_goes_through_every_stage_on_any_folder(tmp_path: Path) -> None:
    folder = pictures.class_folders(tmp_path / "in", 60)
    (folder / "red" / "notes.txt").write_text("no image")
    Image.new("L", (40, 20), 99).save(folder / "red" / "grey.png")  # of another size, and grey
    few = [
        "teacher.fit.updates=20",
        "teacher.fit.warmup=2",
        "generation.filter.confidence=0.0",
        "seed=1",
    ]
    done = run("--config", "conf/smoke.yaml", "--train", folder, "--exp", tmp_path / "exp", *few)
    assert done.returncode == 0, done.stderr
    runs = {path.parent.name: read_json(path) for path in (tmp_path / "exp").glob("*/results.json")}
    assert {name: len(found["generations"]) for name, found in runs.items()} == {
        "chain": 4,
        "tiny": 2,
        "tiny-from-l2": 2,
        "fixres": 2,
    }
    assert load(tmp_path / "exp/fixres/gen1/4-student").resolution == 20
    assert "## cifar-p" in done.stdout
    assert "| tiny-from-l2 |" in (tmp_path / "exp" / "results.md").read_text()
