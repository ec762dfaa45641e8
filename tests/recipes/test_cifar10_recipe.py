"""The CIFAR-10 recipe on tiny images: its data, its jobs as plans, stages in a row, its tables and its variants."""

import math
import os
import subprocess
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from nst_asr.rows import ManifestError
from nst_asr.store import StoreError, read_json, write_json
from nst_asr.vision.manifests import read_manifest
from recipes.cifar10 import data, study, tables
from recipes.cifar10.ablations import WHOLE
from recipes.cifar10.jobs import DEEP, LABELS, SMALL, baseline, chain_name
from recipes.cifar10.label_equivalent import describe, label_equivalent
from tests.vision import pictures

RECIPE = Path(__file__).parents[2] / "recipes" / "cifar10"
CLASSES = ("ant", "bee", "cat", "dog")
CONFS = sorted((RECIPE / "conf").glob("*.yaml"))
SMALL_CONF = RECIPE / "conf" / "small.yaml"
TINY = {"updates": 4, "warmup": 1, "batch": 16.0, "checkpoint_every": 500}
SETTINGS = (
    *(f"{whose}.fit.{name}={value}" for whose in ("teacher", "generation.student") for name, value in TINY.items()),
    "generation.filter.confidence=0.0",
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hundred images of four classes: noise over a colour that says which."""
    return write_images(tmp_path_factory.mktemp("images") / "train", 50, 0)


@pytest.fixture(scope="module")
def manifests(folders: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("manifests")
    data.make(folders, out, 0, None)
    return out


def write_images(folder: Path, each: int, seed: int) -> Path:
    draw = np.random.default_rng(seed)
    for number, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for place in range(each):
            pixels = draw.integers(0, 100, (32, 32, 3)) + np.array([number * 50, 150 - number * 50, 50])
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{place:04d}.png")
    return folder


def ids(folder: Path, name: str) -> set[str]:
    return set(pl.read_csv(folder / f"{name}.tsv", separator="\t")["id"])


def a_study(tmp_path: Path, manifests: Path, conf: Path = SMALL_CONF, settings: tuple[str, ...] = ()) -> study.Study:
    return study.Study(tmp_path / "exp" / "seed-0", manifests, conf, 0, settings)


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "CIFAR10"} | {"OMP_NUM_THREADS": "1"}
    command = [str(RECIPE / "run.sh"), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_sets_have_the_stated_shares_and_labeled_ones_lie_within_each_other(manifests: Path) -> None:
    counts = {name: len(ids(manifests, name)) for name in ("test", "dev", "unlabeled-all", "unlabeled-1of4")}
    assert counts == {"test": 20, "dev": 8, "unlabeled-all": 152, "unlabeled-1of4": 38}
    labeled = [ids(manifests, f"labeled-{name}") for name in data.LABELED]
    assert [len(found) for found in labeled] == [4, 8, 20, 40, 80, 172]
    assert all(small < large for small, large in pairwise(labeled))
    assert not labeled[-1] & (ids(manifests, "test") | ids(manifests, "dev"))
    assert labeled[-1] == ids(manifests, "labeled-5000") | ids(manifests, "unlabeled-all")
    assert ids(manifests, "unlabeled-1of16") < ids(manifests, "unlabeled-1of4") < ids(manifests, "unlabeled-all")


def test_every_set_has_the_classes_in_equal_parts(manifests: Path) -> None:
    for name, each in (("test", 5), ("dev", 2), ("labeled-1000", 1), ("labeled-5000", 5), ("labeled-all", 43)):
        rows = read_manifest(manifests / f"{name}.tsv", labeled=True)
        assert Counter(rows["label"]) == dict.fromkeys(CLASSES, each)


def test_the_pools_truth_is_in_a_file_of_its_own(manifests: Path) -> None:
    assert "label" not in pl.read_csv(manifests / "unlabeled-all.tsv", separator="\t").columns
    truth = pl.read_csv(manifests / "unlabeled.truth.tsv", separator="\t")
    assert truth.columns == ["id", "label"]
    assert set(truth["id"]) == ids(manifests, "unlabeled-all")


def test_another_seed_draws_other_sets(folders: Path, manifests: Path, tmp_path: Path) -> None:
    data.make(folders, tmp_path, 1, None)
    assert ids(tmp_path, "test") != ids(manifests, "test")
    with pytest.raises(StoreError, match="made with seed = 1, now 0"):
        data.make(folders, tmp_path, 0, None)


def test_the_lack_of_test_images_is_said_aloud(
    folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data.make(folders, tmp_path / "a", 0, None)
    assert "WARNING: the 10,000 test images" in capsys.readouterr().out
    data.make(folders, tmp_path / "b", 0, write_images(tmp_path / "more", 3, 1))
    assert "WARNING" not in capsys.readouterr().out
    assert len(ids(tmp_path / "b", "test")) == 12
    assert len(ids(tmp_path / "b", "labeled-all")) == 192


def test_training_images_with_the_pixels_of_test_images_are_left_out(folders: Path, tmp_path: Path) -> None:
    more = write_images(tmp_path / "more", 3, 1)
    (more / "ant" / "0000.png").write_bytes((folders / "ant" / "0007.png").read_bytes())
    train, test = data.read(folders, more)
    assert test is not None
    assert (len(train), len(test)) == (199, 12)
    assert "ant/0007" not in train["id"]
    with pytest.raises(ManifestError, match="no image is left to train on"):
        data.read(folders, folders)


def test_the_binary_version_brings_its_test_images(tmp_path: Path) -> None:
    folder = pictures.cifar(tmp_path / "bin", each=40)
    train, test = data.read(folder, None)
    assert test is not None
    assert (len(train), len(test)) == (200, 40)
    again, other = data.read(folder, folder)
    assert other is not None
    assert (len(again), len(other)) == (200, 40)


def test_a_tar_of_class_folders_is_read_where_it_lies(tmp_path: Path) -> None:
    members = {
        f"train/{label}/{number:04d}.png": pictures.encoded(pictures.image(label, number, 8))
        for label in pictures.CLASSES
        for number in range(3)
    }
    train, _ = data.read(pictures.tar(tmp_path / "train.tar", members), None)
    assert set(train["label"]) == set(pictures.CLASSES)
    assert all(".tar@" in path for path in train["path"])


def test_a_source_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="nowhere"):
        data.read(tmp_path / "nowhere", None)


@pytest.mark.parametrize("conf", CONFS, ids=lambda path: path.stem)
def test_every_job_of_every_stage_is_a_plan_that_can_be_followed(conf: Path, tmp_path: Path) -> None:
    found = a_study(tmp_path, tmp_path, conf)
    jobs = [job for stage in study.STAGES for job in found.jobs(stage)]
    plans = {job.name: found.decides(job) for job in jobs}
    assert all(plans[job.name] == found.decides(job) for job in jobs)  # one name is one run
    for job in jobs:
        if job.teacher in plans and job.pool != "none":
            shared = plans[job.teacher]["plan"] | {"generations": 0}
            assert shared == plans[job.name]["plan"] | {"generations": 0}, job.name


def test_the_baseline_is_the_last_student_without_a_pool(tmp_path: Path) -> None:
    found = a_study(tmp_path, tmp_path)
    jobs = {job.name: job for stage in study.STAGES for job in found.jobs(stage)}
    for nets in (SMALL, DEEP):
        student = found.plan(jobs[chain_name(nets, "soft")]).generations[-1].student
        assert found.plan(jobs[baseline(nets[-1])]).teacher == student


def test_ablations_change_what_they_say_and_nothing_else(tmp_path: Path) -> None:
    found = a_study(tmp_path, tmp_path)
    jobs = {job.name: job for job in found.jobs(6)}
    whole = found.plan(jobs[WHOLE])
    for name, job in jobs.items():
        plan = found.plan(job)
        if name.startswith("ablation-"):
            assert name == WHOLE or plan != whole or job.pool != "all" or job.variant, name
            student = plan.generations[0].student
            updates = student.fit.updates + (student.fine_tune.fit.updates if student.fine_tune else 0)
            assert updates == whole.generations[0].student.fit.updates
    silent = found.plan(jobs["ablation-no-noise"]).generations[0].student
    assert not any(silent.noise.components().values())
    assert found.plan(jobs["ablation-no-dropout"]).generations[0].student.noise.dropout == 0
    assert {job.variant for job in jobs.values() if job.variant} == {("noised_teacher.py",)}
    between = found.plan(jobs["ablation-only-0.5-to-0.8-hard"]).generations[0].filter
    assert (between.confidence, between.confidence_below) == (0.5, 0.8)
    assert found.plan(jobs["ablation-only-0.95-to-1-soft"]).generations[0].filter.confidence_below is None


def test_settings_for_all_runs_reach_every_job(tmp_path: Path) -> None:
    found = a_study(tmp_path, tmp_path, settings=SETTINGS)
    for stage in study.STAGES:
        for job in found.jobs(stage):
            plan = found.plan(job)
            assert plan.teacher.fit.updates == 4
            assert all(turn.student.fit.batch == 16 for turn in plan.generations)


def test_a_name_that_no_stage_knows_is_refused_with_those_there_are(tmp_path: Path) -> None:
    found = a_study(tmp_path, tmp_path)
    assert [job.name for job in study.chosen(found, 3, "*-hard")] == ["teacher-convnet5", "chain-resnet9-hard"]
    assert study.chosen(found, 2, "chain-resnet9-hard") == []
    with pytest.raises(study.ConfigError, match=r"--only nobody: .*chain-resnet9-soft"):
        study.chosen(found, 2, "nobody")


def test_a_failed_run_names_its_log_and_the_others_go_on(
    manifests: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = a_study(tmp_path, manifests)
    monkeypatch.setattr(
        study.Study, "command", lambda self, job: ["sh", "-c", f"echo {job.name}; [ {job.name} != teacher-convnet5 ]"]
    )
    failures = study.do(found.jobs(3), found, 2)
    assert [(failure.job.name, failure.last_line) for failure in failures] == [("teacher-convnet5", "teacher-convnet5")]
    assert failures[0].log == found.folder / "teacher-convnet5" / "output.log"
    assert all((found.folder / chain_name(SMALL, labels) / "done.json").exists() for labels in LABELS)


def test_a_teacher_is_taken_over_where_the_plans_for_it_are_equal_and_only_there(
    manifests: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = "mkdir -p {0}/gen0 {0}/corpus; [ -e {0}/gen0/by ] || echo {1} > {0}/gen0/by; touch {0}/corpus/dev.parquet"
    monkeypatch.setattr(
        study.Study, "command", lambda self, job: ["sh", "-c", make.format(self.folder / job.name, job.name)]
    )
    found = a_study(tmp_path, manifests)
    jobs = found.jobs(3)
    assert not study.do(jobs, found, 2)
    assert {(found.folder / job.name / "gen0" / "by").read_text() for job in jobs} == {"teacher-convnet5\n"}
    done = read_json(found.folder / "teacher-convnet5" / "done.json")
    del done["plan"]["cache_mb"]  # as of a version that did not know the key
    write_json(found.folder / "teacher-convnet5" / "done.json", done)
    one = next(job for job in found.jobs(6) if job.name == WHOLE)
    other = replace(one, name="other", settings=(*one.settings, "teacher.fit.peak_rate=0.01"))
    assert not study.do([one, other], found, 1)
    assert (found.folder / WHOLE / "gen0" / "by").read_text() == "teacher-convnet5\n"
    assert (found.folder / "other" / "gen0" / "by").read_text() == "other\n"


def test_the_label_equivalent_lies_on_the_line_in_the_logarithm() -> None:
    points = [(1000, 0.5), (10000, 0.7), (20000, 0.8)]
    labels, bound = label_equivalent(points, 0.6)
    assert (labels, bound) == (pytest.approx(math.sqrt(1000 * 10000)), "")
    assert label_equivalent(points, 0.8) == (pytest.approx(20000), "")
    assert label_equivalent(points, 0.5) == (1000, "")
    assert label_equivalent(points, 0.9) == (20000, ">")
    assert label_equivalent(points, 0.4) == (1000, "<")
    assert describe(3162.3, "") == "3,200"
    assert describe(20000, ">") == "more than 20,000"
    assert describe(1000, "<") == "fewer than 1,000"


def test_where_more_labels_were_worse_the_fewest_that_suffice_count() -> None:
    assert label_equivalent([(10, 0.5), (100, 0.7), (1000, 0.6), (10000, 0.8)], 0.7)[0] == pytest.approx(100)


def write_run(exp: Path, seed: int, name: str, accuracies: dict[str, float], labeled: int = 20) -> None:
    folder = exp / f"seed-{seed}" / name
    write_json(folder / "run.json", {})
    write_json(folder / "corpus.json", {"labeled": {"rows": labeled}})
    for place, accuracy in accuracies.items():
        write_json(folder / place, {"rate": 1 - accuracy})


def test_tables_give_means_with_least_and_greatest_and_differences_seed_by_seed(tmp_path: Path) -> None:
    for seed, more in ((0, 0.0), (1, 0.1)):
        write_run(tmp_path, seed, "augment-convnet5-none", {"gen0/score.json": 0.5 + more})
        write_run(tmp_path, seed, "augment-convnet5-2x10", {"gen0/score.json": 0.6 + more})
        write_run(tmp_path, seed, "baseline-convnet5-noised", {"gen0/test.json": 0.5 + more})
        write_run(tmp_path, seed, "baseline-convnet5-silent", {"gen0/test.json": 0.3})
        write_run(tmp_path, seed, WHOLE, {"gen1/test.json": 0.6 + more})
        write_run(tmp_path, seed, "ablation-no-noise", {"gen1/test.json": 0.5 + more})
    text = tables.tables(tmp_path)
    assert "Seeds 0, 1." in text
    assert "| convnet5 | 1 | - | - | - | 55.00 (50.00 to 60.00) | 2x10 |" in text
    assert "| convnet5 | 2 | - | 65.00 (60.00 to 70.00) | - | 55.00 (50.00 to 60.00) | 2x10 |" in text
    assert "| convnet5 | 30.00 (30.00 to 30.00) | 55.00 (50.00 to 60.00) | +25.00 (+20.00 to +30.00) |" in text
    assert "| whole | 65.00 (60.00 to 70.00) | - |" in text
    assert "| no-noise | 55.00 (50.00 to 60.00) | -10.00 (-10.00 to -10.00) |" in text


def test_a_chain_is_worth_labels_by_the_curve_of_its_own_seed(tmp_path: Path) -> None:
    last = f"gen{len(SMALL) - 1}/test.json"
    for seed, accuracy in ((0, 0.6), (1, 0.9)):
        write_run(tmp_path, seed, "labels-resnet9-1000", {"gen0/test.json": 0.5}, 1000)
        write_run(tmp_path, seed, baseline("resnet9"), {"gen0/test.json": 0.7}, 10000)
        write_run(tmp_path, seed, chain_name(SMALL, "hard"), {last: accuracy})
    text = tables.label_table(tables.Found(tmp_path))
    assert "| 1,000 | 50.00 (50.00 to 50.00) |" in text
    assert "The chain on hard labels is worth, by seed: 3,200; more than 10,000 labels" in text
    assert "soft" not in text


def test_robustness_is_told_by_run(tmp_path: Path) -> None:
    def scored(mce: float) -> dict[str, float]:
        return {"clean_error": 0.2, "top1": 0.6, "mce": mce, "flip": 0.05, "mfr": mce}

    names = (baseline("resnet9"), *(chain_name(SMALL, labels) for labels in LABELS))
    models = {f"x/seed-0/{name}/gen0/student": scored(100.0 - 10 * place) for place, name in enumerate(names)}
    write_json(tmp_path / "seed-0" / "robustness.json", {"cifar-c": models, "cifar-p": models})
    text = tables.tables(tmp_path)
    assert "| baseline-resnet9-noised | 20.00 | 40.00 | 100.0 | 5.00 | 100.0 |" in text
    assert "| chain-resnet9-hard | 20.00 | 40.00 | 80.0 | 5.00 | 80.0 |" in text


def test_a_folder_without_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no run of this recipe"):
        tables.tables(tmp_path)


@pytest.mark.parametrize(
    "words", [["--stop-stage", "0"], ["--stage", "8", "--jobs", "0"], ["--stage", "9"], ["--corrupted", "some"]]
)
def test_what_run_sh_cannot_follow_is_said(words: list[str]) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert "run.sh: " in done.stderr


@pytest.mark.slow
def test_stages_in_a_row_give_tables_and_nothing_is_done_twice(folders: Path, tmp_path: Path) -> None:
    words = ["--data", folders, "--exp", tmp_path / "exp", "--jobs", "2", *SETTINGS]
    for stages in (["0", "--stop-stage", "0"], ["2", "--stop-stage", "2", "--only", "baseline-resnet9-*"]):
        done = run(*words, "--stage", *stages)
        assert done.returncode == 0, done.stderr + done.stdout
    done = run(*words, "--stage", "3", "--stop-stage", "3")
    assert done.returncode == 0, done.stderr + done.stdout
    runs = tmp_path / "exp" / "seed-0"
    teacher = read_json(runs / "teacher-convnet5" / "gen0" / "score.json")
    for labels in LABELS:
        chain = runs / chain_name(SMALL, labels)
        assert read_json(chain / "gen0" / "score.json") == teacher
        assert "train gen0" not in (chain / "run.log").read_text()
        assert (chain / "gen3" / "test.json").exists()
    again = run(*words, "--stage", "3", "--stop-stage", "3")
    assert again.stdout.count("is done") == 3
    last = run(*words, "--stage", "8")
    assert last.returncode == 0, last.stderr
    text = (tmp_path / "exp" / "results.md").read_text()
    assert "## Noisy student, convnet5 to resnet9" in text
    assert "| true | oracle | resnet9 |" in text
    assert text.count("Recovery rate") == 2


@pytest.mark.slow
def test_variants_of_the_ablations_run(manifests: Path, tmp_path: Path) -> None:
    found = a_study(tmp_path, manifests, settings=SETTINGS)
    jobs = {job.name: job for job in found.jobs(6)}
    noised, one_bin, fine_tuned = (
        jobs[f"ablation-{name}"] for name in ("teacher-noised", "only-0-to-0.5-soft", "pre-training")
    )
    assert not study.do([jobs["teacher-convnet5"], noised, fine_tuned], found, 2)
    clean, under_noise = (confidences(found.folder / job.name) for job in (fine_tuned, noised))
    assert under_noise.null_count() == 0
    assert (clean != under_noise).sum() > 0.9 * len(clean)
    limit = sorted(clean)[len(clean) // 2]
    bounded = (*one_bin.settings, f"generation.filter.confidence_below={limit}")
    assert not study.do([replace(one_bin, settings=bounded)], found, 1)
    below = (clean < limit).to_list()
    assert 0 < sum(below) < len(below)
    verdicts = pl.read_parquet(found.folder / one_bin.name / "gen1" / "2-verdicts.parquet")["verdict"]
    assert (verdicts == "kept").to_list() == below


def confidences(folder: Path) -> pl.Series:
    return pl.read_parquet(folder / "gen1" / "1-labels")["confidence"]
