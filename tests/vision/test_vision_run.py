"""The whole loop on images of three colours: from manifests to report, killed, in two parts, with bad input."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from nst_asr import cli, results
from nst_asr.corpus import Labeled
from nst_asr.key import Key
from nst_asr.mix import mix
from nst_asr.store import StoreError, read_json
from nst_asr.task import Model
from nst_asr.vision import training
from nst_asr.vision.manifests import write_rows
from nst_asr.vision.model import load
from nst_asr.vision.plan import LabelPlan, VisionTrain
from nst_asr.vision.task import Vision
from tests.vision import pictures

PLAN = """
task: vision
recipe: pictures
pixels: {mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25]}
label: {}
teacher:
  model: {name: convnet5, width: 0.25}
  resolution: 16
  noise: {crop: pad, pad: 1, rand_augment: {ops: 1, magnitude: 5.0}}
  fit: {updates: 12, batch: 12, optimizer: sgd, momentum: 0.9, peak_rate: 0.1, weight_decay: 0.0001, warmup: 2,
        checkpoint_every: 4, threads: 1}
generation:
  label: {soft: 3}
  filter: {confidence: 0.34}
  balance: {by: classes}
  mix: {ratio: 2.0}
  student: {fit: {batch: 18}, loss: {pseudo: ratio}}
generations:
  - {}
  - student: {model: {name: convnet6}}
block: 32
"""


def write_sets(folder: Path) -> list[str]:
    """Manifests of the four sets, as the arguments of `nst-asr run`."""
    (folder / "plan.yaml").write_text(PLAN)
    sizes = {"labeled": (4, 0), "unlabeled": (40, 100), "dev": (8, 200), "test": (8, 300)}
    words = ["run", str(folder / "plan.yaml")]
    for name, (each, first) in sizes.items():
        rows = pictures.rows(folder / "images", each, first=first)
        if name == "unlabeled":
            rows.select("id", text="label").write_csv(folder / "truth.tsv", separator="\t")
            rows = rows.drop("label")
        write_rows(folder / f"{name}.tsv", rows)
        words += [f"--{name}", str(folder / f"{name}.tsv")]
    return [*words, "--truth", str(folder / "truth.tsv"), "--device", "cpu"]


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return write_sets(tmp_path_factory.mktemp("sets"))


@pytest.fixture(scope="module")
def done(words: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    exp = tmp_path_factory.mktemp("run") / "exp"
    assert cli.main([*words, "--exp", str(exp)]) == 0
    return exp


def test_a_run_goes_from_manifests_to_table_and_report(done: Path, words: list[str]) -> None:
    truth = words[words.index("--truth") + 1]
    assert cli.main(["results", str(done), "--truth", truth]) == 0
    found = read_json(done / "results.json")
    assert [entry["labels"] for entry in found["generations"]] == [0, 120, 120]
    assert found["terms"]["error"] == "top-1 error"
    assert found["recovery_rate"]["on"] == "test"
    assert all(0 <= entry["label_error"]["after"]["rate"] <= 1 for entry in found["generations"][1:])
    assert "images labeled" in results.table(found)
    assert cli.main(["report", str(done), "--truth", truth]) == 0
    assert load(done / "gen2/4-student").architecture.name == "convnet6"


def test_soft_labels_lie_in_the_table_and_balanced_classes_have_equal_numbers(done: Path) -> None:
    labels = pl.read_parquet(sorted((done / "gen1/1-labels").glob("*.parquet")))
    assert labels["soft_prob"].list.len().unique().to_list() == [3]
    copies = pl.read_parquet(done / "gen1/3-copies.parquet")["copies"]
    used = labels.with_columns(copies).group_by("label").agg(pl.col("copies").sum())["copies"]
    assert used.n_unique() == 1


def test_given_again_a_run_does_nothing_and_killed_it_comes_out_the_same(
    words: list[str], done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (done / "gen2/4-student/HASH").read_text()
    assert cli.main([*words, "--exp", str(done)]) == 0
    assert (done / "gen2/4-student/HASH").read_text() == before
    fit, calls = training.fit, []

    def dies(*arguments: object) -> dict[str, torch.Tensor]:
        calls.append(arguments)
        objective = arguments[0]
        load_piece = type(objective).load  # type: ignore[attr-defined]

        def load_until(self: object, step: int, rank: int = 0, world: int = 1) -> object:
            if step == 7:
                raise KeyboardInterrupt
            return load_piece(self, step, rank, world)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(objective), "load", load_until)
            return fit(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(training, "fit", dies)
    for _ in range(3):  # in the teacher, and again at the same update of what is resumed
        assert cli.main([*words, "--exp", str(tmp_path / "exp")]) == 130
    monkeypatch.setattr(training, "fit", fit)
    assert cli.main([*words, "--exp", str(tmp_path / "exp")]) == 0
    assert len(calls) == 3
    for name in ("gen0/student", "gen1/4-student", "gen2/4-student", "oracle/student"):
        assert (tmp_path / "exp" / name / "HASH").read_text() == (done / name / "HASH").read_text()


def train(folder: Path, out: Path, **changes: object) -> Path:
    rows = pictures.rows(folder, 8)
    settings = {
        "model": {"name": "resnet6", "width": 0.25},
        "resolution": 16,
        "noise": {"dropout": 0.2, "survival": 0.8, "crop": "pad", "pad": 1},
        "fit": {"updates": 8, "batch": 12.0, "warmup": 0, "checkpoint_every": 3, "threads": 1, "ema": 0.9},
        "fine_tune": {
            "fit": {"updates": 6, "batch": 12.0, "warmup": 0, "checkpoint_every": 2, "threads": 1},
            "resolution": 20,
        },
    }
    plan = VisionTrain.model_validate(settings | changes)
    Vision(pictures.CLASSES).train(mix(Labeled(rows)), plan, init=None, out=out, key=Key(3))
    return out


def test_fine_tuning_changes_the_last_layers_alone_and_the_resolution(tmp_path: Path) -> None:
    first = load(train(tmp_path / "images", tmp_path / "first", fine_tune=None))
    tuned = load(train(tmp_path / "images", tmp_path / "tuned"))
    assert (first.resolution, tuned.resolution) == (16, 20)
    before, after = first.net.state_dict(), tuned.net.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    frozen = {name for name in before if name.startswith(("stem.", "stages.0.", "stages.1."))}
    assert changed
    assert not changed & frozen  # statistics of batch normalisation included
    assert any(name.startswith("stages.2") for name in changed)
    assert sorted(path.name for path in (tmp_path / "tuned").iterdir() if path.is_file()) == [
        "HASH",
        "model.json",
        "weights.safetensors",
    ]


@pytest.mark.parametrize(("part", "step"), [(0, 5), (1, 1), (1, 5)])
def test_killed_in_either_training_it_comes_out_the_same(
    part: int, step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(tmp_path / "images", tmp_path / "whole")
    fit = training.fit
    parts: list[int] = []

    def dies(objective: training.ImageObjective, *rest: object) -> dict[str, torch.Tensor]:
        parts.append(len(parts))
        if parts[-1] != part:
            return fit(objective, *rest)  # type: ignore[arg-type]
        load_piece = training.ImageObjective.load

        def load_until(self: training.ImageObjective, at: int, rank: int = 0, world: int = 1) -> object:
            if at == step:
                raise KeyboardInterrupt
            return load_piece(self, at, rank, world)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(training.ImageObjective, "load", load_until)
            return fit(objective, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(training, "fit", dies)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "images", tmp_path / "killed")
    monkeypatch.setattr(training, "fit", fit)
    again = train(tmp_path / "images", tmp_path / "killed")
    assert (again / "HASH").read_text() == (whole / "HASH").read_text()


def test_without_noise_one_finished_model_is_found_again_and_cleaned_up(tmp_path: Path) -> None:
    out = train(tmp_path / "images", tmp_path / "out")
    (out / "checkpoint-0000003.pt").write_bytes(b"left over")
    digest = (out / "HASH").read_text()
    assert (train(tmp_path / "images", out) / "HASH").read_text() == digest
    assert not list(out.glob("checkpoint-*"))


def test_a_warm_start_begins_with_the_teachers_weights_and_refuses_another_net(tmp_path: Path) -> None:
    teacher = train(tmp_path / "images", tmp_path / "teacher", fine_tune=None)
    rows = Labeled(pictures.rows(tmp_path / "images", 8))
    still = {"updates": 1, "batch": 12.0, "warmup": 0, "peak_rate": 1e-12, "weight_decay": 0.0}
    settings = {"model": {"name": "resnet6", "width": 0.25}, "resolution": 16, "fit": still}
    plan = VisionTrain.model_validate(settings)
    Vision(pictures.CLASSES).train(mix(rows), plan, init=teacher, out=tmp_path / "out", key=Key(4))
    one, other = (load(path).net.state_dict() for path in (teacher, tmp_path / "out"))
    learnt = [name for name, _ in load(teacher).net.named_parameters()]
    assert all(torch.allclose(one[name], other[name], atol=1e-6) for name in learnt)
    bigger = VisionTrain.model_validate(settings | {"model": {"name": "resnet9", "width": 0.25}})
    with pytest.raises(StoreError, match="a warm start needs the plan's net resnet9"):
        Vision(pictures.CLASSES).train(mix(rows), bigger, init=teacher, out=tmp_path / "no", key=Key(4))


def test_fine_tuning_alone_begins_with_the_teachers_weights_and_leaves_the_first_layers_as_they_are(
    tmp_path: Path,
) -> None:
    teacher = train(tmp_path / "images", tmp_path / "teacher", fine_tune=None)
    fit = {"updates": 4, "batch": 12.0, "warmup": 0, "threads": 1}
    plan = VisionTrain.model_validate(
        {"model": {"name": "resnet6", "width": 0.25}, "resolution": 16, "fit": fit, "first": "none"}
        | {"fine_tune": {"fit": fit, "resolution": 20}}
    )
    rows = Labeled(pictures.rows(tmp_path / "images", 8))
    Vision(pictures.CLASSES).train(mix(rows), plan, init=teacher, out=tmp_path / "out", key=Key(4))
    before, after = (load(path).net.state_dict() for path in (teacher, tmp_path / "out"))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert not any(name.startswith(("stem.", "stages.0.", "stages.1.")) for name in changed)


def test_a_teacher_that_lacks_classes_of_the_data_is_refused_with_their_names(tmp_path: Path) -> None:
    model = Model(train(tmp_path / "images", tmp_path / "teacher", fine_tune=None))
    with pytest.raises(StoreError, match=r"knows 3 classes, the labeled data has 4; it lacks mauve"):
        Vision(("blue", "green", "mauve", "red")).labeler([model], LabelPlan())
    with pytest.raises(StoreError, match="it also knows red"):
        Vision(("blue", "green")).labeler([model], LabelPlan())
    assert Vision(pictures.CLASSES).labeler([model], LabelPlan()).fingerprint


def test_the_model_is_scored_as_the_pool_is_labeled(done: Path, words: list[str]) -> None:
    model, dev = Model(done / "gen1/4-student"), pl.read_csv(words[words.index("--dev") + 1], separator="\t")
    folder = Path(words[1]).parent
    images = np.stack([pictures.image(*(name.split("-")[0], int(name.split("-")[1]))) for name in dev["id"]])
    classifier = load(model.path)
    answers = [classifier.classes[place] for place in classifier.probabilities(images).argmax(1)]
    wrong = sum(answer != truth for answer, truth in zip(answers, dev["label"], strict=True))
    assert json.loads((done / "gen1/5-score.json").read_text())["errors"] == wrong
    assert folder.is_dir()


def test_classify_goes_on_after_a_bad_file_and_says_so(
    done: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = pictures.write(tmp_path / "a.png", pictures.image("red", 1)), tmp_path / "b.png"
    bad.write_text("no image")
    assert cli.main(["classify", str(done / "gen1/4-student"), str(bad), str(good), "--device", "cpu"]) == 1
    said = capsys.readouterr()
    assert "b.png: not an image" in said.err
    path, confidence, label = said.out.strip().split("\t")
    assert path == str(good)
    assert label in pictures.CLASSES
    assert 1 / 3 <= float(confidence) <= 1
    words = ["classify", str(done / "gen1/4-student"), str(good), "--json", "--top", "2", "--device", "cpu"]
    assert cli.main(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["top"][0][0] == found["label"]
    assert len(found["top"]) == 2


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ("truncated", "1 of 12 images cannot be used"),
        ("copied", r"images of unlabeled have the very pixels of images of test"),
        ("classes", r"1 classes of dev are not in labeled: mauve"),
        ("truth", r"has the class 'mauve', which is none of the 3"),
        ("batch", r"generation 1, labeled: a batch has room for 0.5 images"),
        ("stage", r"--only tokenizer: images have none"),
    ],
)
def test_bad_data_stops_the_run_or_is_left_out_with_its_reason(
    spoil: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = write_sets(tmp_path)
    table = {name: pl.read_csv(tmp_path / f"{name}.tsv", separator="\t") for name in ("labeled", "unlabeled", "dev")}
    settings = {"truncated": ["max_bad_share=0.2"], "batch": ["generation.student.fit.batch=1.5"]}.get(spoil, [])
    stage = "tokenizer" if spoil == "stage" else "teacher"
    if spoil == "truncated":
        first = Path(tmp_path / "images/blue/0000.png")
        first.write_bytes(first.read_bytes()[:40])
    elif spoil == "copied":
        shutil.copy(tmp_path / "images/red/0300.png", tmp_path / "images/blue/0100.png")
    elif spoil == "truth":
        text = (tmp_path / "truth.tsv").read_text()
        (tmp_path / "truth.tsv").write_text(text.replace("\tred", "\tmauve"))
    elif spoil == "classes":
        renamed = pl.when(pl.col("label") == "red").then(pl.lit("mauve")).otherwise("label")
        table["dev"].with_columns(label=renamed).write_csv(tmp_path / "dev.tsv", separator="\t")
    status = cli.main([*words, "--exp", str(tmp_path / "exp"), "--only", stage, *settings])
    said = capsys.readouterr().err
    assert status == (0 if spoil == "truncated" else 1)
    assert re.search(message, said)
    if spoil == "truncated":
        (bad,) = read_json(tmp_path / "exp/corpus/labeled.bad.json")
        assert bad["id"] == "blue-0000"
