"""The recipe of scikit-learn's digits: its plan, its sets, and all of its stages with a few updates each."""

import os
import subprocess
from pathlib import Path

import polars as pl
import pytest

from nst_asr.given import read_plan
from nst_asr.store import read_json
from nst_asr.vision.plan import VisionPlan

RECIPE = Path(__file__).parents[2] / "recipes" / "digits_images"
PLAN = RECIPE / "conf" / "digits.yaml"
FEW = [
    "teacher.fit.updates=30",
    "generation.student.fit.updates=30",
    "generations=[{filter: {}}, {filter: {}}, {filter: {}}]",
    "generation.student.fit.batch=64",
]


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [str(RECIPE / "run.sh"), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def ids(folder: Path, name: str) -> set[str]:
    return set(pl.read_csv(folder / f"{name}.tsv", separator="\t", infer_schema=False)["id"])


def test_the_plan_can_be_read_and_mirrors_no_digit() -> None:
    plan = read_plan(VisionPlan, PLAN)
    trained = [plan.teacher, *(generation.student for generation in plan.generations)]
    assert len(plan.generations) == 3
    assert {each.noise.flip for each in trained} == {0.0}
    assert {each.model for each in trained} == {plan.teacher.model}


def test_fifty_images_are_labeled_and_no_set_has_those_of_another(tmp_path: Path) -> None:
    done = run("--stop-stage", "0", "--exp", tmp_path / "exp", "--data", tmp_path / "data", "--seed", "1")
    assert done.returncode == 0, done.stderr
    sets = {name: ids(tmp_path / "data", name) for name in ("labeled", "dev", "test", "unlabeled")}
    assert {name: len(found) for name, found in sets.items()} == {
        "labeled": 50,
        "dev": 200,
        "test": 500,
        "unlabeled": 1047,
    }
    assert len(set.union(*sets.values())) == 1797
    labeled = pl.read_csv(tmp_path / "data" / "labeled.tsv", separator="\t", infer_schema=False)
    assert labeled["label"].value_counts()["count"].to_list() == [5] * 10


@pytest.mark.slow
def test_all_stages_run_and_may_be_given_again(tmp_path: Path) -> None:
    words: list[str | Path] = ["--exp", tmp_path / "exp", *FEW]
    first = run(*words)
    assert first.returncode == 0, first.stderr
    results = read_json(tmp_path / "exp" / "results.json")
    assert [entry["test"]["words"] for entry in results["generations"]] == [500] * 4
    assert results["oracle"]["test"]["rate"] < 0.9
    assert results["generations"][1]["label_error"]
    assert (tmp_path / "exp" / "report.html").exists()
    assert (tmp_path / "digits-images-data-0" / "labeled.tsv").exists()
    again = run(*words, "--stage", "2", "--stop-stage", "2")
    assert again.returncode == 0, again.stderr
    assert "updates in" not in again.stderr


def test_what_run_sh_cannot_follow_is_said() -> None:
    done = run("--stage", "9")
    assert done.returncode == 2
    assert "run.sh: --stage 9 --stop-stage 5: stages are 0 to 5" in done.stderr
