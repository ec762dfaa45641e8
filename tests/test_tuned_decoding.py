"""A decoding that leaves something to be found on dev: the steps of the loop on the toy task."""

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
import pytest
import toy

from benchmarks.kills import contents
from nst_asr import config, results
from nst_asr import score as scoring
from nst_asr.corpus import Block, Labeled
from nst_asr.final import score_test
from nst_asr.loop import noisy_student
from nst_asr.oracle import train_oracle
from nst_asr.plan import Plan, expand
from nst_asr.recipe_results.over_seeds import over_seeds
from nst_asr.report import report
from nst_asr.run import Run, open_run
from nst_asr.score import Score, read_score
from nst_asr.store import StoreError
from nst_asr.task import Model


class Shifted(toy.ToyDecode):
    """Points are moved before they are named; `shift: null` is the model alone."""

    shift: float | Literal["tune"] | None = None

    @property
    def alone(self) -> "Shifted":
        return self.model_copy(update={"shift": None})

    @property
    def leaves_open(self) -> bool:
        return self.shift == "tune"


class ShiftedPlan(Plan[toy.ToyTrain, Shifted]):
    pass


@dataclass(frozen=True)
class ShiftedLabeler:
    model: Path
    plan: Shifted

    @property
    def fingerprint(self) -> str:
        return f"{Model(self.model).hash} {self.plan.shift}"

    def __call__(self, block: Block) -> pl.DataFrame:
        assert self.plan.shift != "tune"
        moved = block.rows.with_columns(pl.col("x") + (self.plan.shift or 0.0))
        return toy.ToyLabeler(self.model)(Block(block.index, moved))


class Task(toy.Toy):
    """The toy task with a shift that dev decides on; `tuned` counts how often it was asked."""

    tuned = 0

    def labeler(self, teachers: Sequence[Model], plan: Shifted) -> ShiftedLabeler:  # type: ignore[override]
        return ShiftedLabeler(teachers[0].path, plan)

    def score(self, model: Model, data: Labeled, plan: Shifted) -> Score:  # type: ignore[override]
        heard = ShiftedLabeler(model.path, plan)(Block(0, data.without_labels().rows))
        return scoring.score(data.rows.select("id", "group", "label"), heard.select("id", "label"))

    def tune(self, teachers: Sequence[Model], dev: Labeled, plan: Shifted) -> dict[str, Any]:  # type: ignore[override]
        assert dev.name == "dev"
        Task.tuned += 1
        shifts = np.round(np.arange(-1.0, 1.1, 0.25), 6).tolist()
        plans = [plan.model_copy(update={"shift": shift}) for shift in shifts]
        rates = [self.score(teachers[0], dev, each).rate for each in plans]
        best = int(np.argmin(rates))
        weights = {"weight": shifts[best], "neural_weight": 0.0, "bonus": 0.0}
        surface = {"weight": shifts, "neural_weight": [0.0], "bonus": [0.0], "rate": [[[rate]] for rate in rates]}
        return {
            **weights,
            "reason": "dev said so",
            "best": weights,
            "surface": surface,
            "rate_decoded": rates[best],
            "plan": plans[best].model_dump(mode="json"),
        }


def plan(shift: object = "tune", **changes: object) -> ShiftedPlan:
    content = config.merge(
        {
            "recipe": "toy",
            "label": {"shift": shift},
            "teacher": {"fit": {"updates": 5, "batch": 6.0, "warmup": 0}, "noise": {"jitter": 0.1}},
            "generation": {"mix": {"pseudo_share": 0.5}, "student": {"fit": {"batch": 12.0}}},
            "generations": 2,
            "block": 64,
        },
        changes,
    )
    return config.parse(ShiftedPlan, expand(content))


def opened(folder: Path, how: ShiftedPlan) -> Run:
    parts, test, _ = toy.corpus()
    data = {"labeled": parts.labeled, "unlabeled": parts.unlabeled, "dev": parts.dev, "test": test}
    return open_run(folder, how, data)


def run_all(folder: Path, how: ShiftedPlan | None = None) -> Path:
    parts, test, truth = toy.corpus()
    how, task = how or plan(), Task()
    run = opened(folder, how)
    noisy_student(task, parts, how, run)
    train_oracle(task, parts, truth, how, run)
    score_test(task, test, how, run)
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_all(tmp_path_factory.mktemp("finished"))


def test_what_was_found_on_dev_is_a_step_with_its_plot(finished: Path) -> None:
    for name in ("gen0/fusion", "gen1/0-fusion", "gen1/5-fusion", "gen2/0-fusion", "gen2/5-fusion", "oracle/fusion"):
        assert json.loads((finished / f"{name}.json").read_text())["plan"]["shift"] != "tune"
        assert (finished / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_scores_with_and_without_lie_side_by_side(finished: Path) -> None:
    found = json.loads((finished / "gen0/fusion.json").read_text())
    with_it, alone = (read_score(finished / "gen0" / name).rate for name in ("score-lm.json", "score.json"))
    assert with_it == found["rate_decoded"]
    assert with_it <= alone
    for place in ("gen0", "gen1", "gen2", "oracle"):
        assert (finished / place / "test-lm.json").exists()
        assert (finished / place / "test.json").exists()


def test_a_teacher_labels_with_what_was_found_when_it_was_scored(finished: Path, tmp_path: Path) -> None:
    Task.tuned = 0
    run_all(tmp_path)
    decisions = [json.loads((finished / f"gen{n}/6-teacher.json").read_text())["teacher"] for n in (1, 2)]
    assert decisions == [1, 2]
    assert Task.tuned == 4  # of three models and the oracle, each once
    first, again = ((finished / f"gen1/{name}").read_text() for name in ("5-fusion.json", "../gen2/0-fusion.json"))
    assert first == again


def test_results_show_both(finished: Path) -> None:
    found = results.collect(finished)
    entry = found["generations"][2]
    assert entry["with_lm"]["dev"]["rate"] == read_score(finished / "gen2/5-score-lm.json").rate
    assert entry["with_lm"]["test"]["rate"] == read_score(finished / "gen2/test-lm.json").rate
    assert set(entry["with_lm"]["weights"]) == {"weight", "neural_weight", "bonus"}
    assert "test WER with LM" in results.table(found)
    assert "test WER with LM" in over_seeds([found], "Toy")
    page = re.sub(r"<[^>]*>", "", report(finished).read_text())
    assert "dev said so. Dev chose these weights" in page


def test_a_crash_at_any_rename_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename, steps = os.replace, 0

    def counting(old: Path, new: Path) -> None:
        nonlocal steps
        steps += "fusion" in str(new)
        rename(old, new)

    monkeypatch.setattr(os, "replace", counting)
    expected = contents(run_all(tmp_path / "whole", plan(generations=1)))
    for fatal in range(1, steps + 1):
        calls = 0

        def dying(old: Path, new: Path, fatal: int = fatal) -> None:
            nonlocal calls
            calls += "fusion" in str(new)
            if calls == fatal and "fusion" in str(new):
                raise KeyboardInterrupt
            rename(old, new)

        monkeypatch.setattr(os, "replace", dying)
        with pytest.raises(KeyboardInterrupt):
            run_all(tmp_path / str(fatal), plan(generations=1))
        monkeypatch.setattr(os, "replace", rename)
        assert contents(run_all(tmp_path / str(fatal), plan(generations=1))) == expected


def test_the_test_set_is_not_scored_with_weights_that_dev_has_not_found(tmp_path: Path) -> None:
    parts, test, _ = toy.corpus()
    how, task = plan(), Task()
    run = opened(tmp_path, how)
    noisy_student(task, parts, how, run)
    (tmp_path / "gen2/5-fusion.json").unlink()
    with pytest.raises(StoreError, match=r"5-fusion\.json: missing; let the run score this model on dev first"):
        score_test(task, test, how, run)


def test_a_plan_that_leaves_nothing_open_writes_no_weights(tmp_path: Path) -> None:
    run_all(tmp_path, plan(shift=0.5))
    assert not list(tmp_path.rglob("*fusion*"))
    assert (tmp_path / "gen1/5-score-lm.json").exists()
    assert results.collect(tmp_path)["generations"][1]["with_lm"]["weights"] is None


def test_the_model_alone_decides_who_teaches_next(finished: Path) -> None:
    """Students are compared by what they hear themselves, not by what a language model mends."""
    found = results.collect(finished)["generations"][1]
    rates = [read_score(finished / name).rate for name in ("gen0/score.json", "gen1/5-score.json")]
    assert found["comparison"]["difference"] == pytest.approx(rates[1] - rates[0])


def test_weights_of_another_teacher_are_refused(finished: Path, tmp_path: Path) -> None:
    parts, _, _ = toy.corpus()
    how = plan()
    run = opened(tmp_path, how)
    noisy_student(Task(), parts, how.model_copy(update={"generations": ()}), run)
    content = json.loads((tmp_path / "gen0/fusion.json").read_text())
    content["asked"]["labeler"] = "another"
    (tmp_path / "gen0/fusion.json").write_text(json.dumps(content))
    with pytest.raises(StoreError, match="found with another teacher, dev set, decoding or language model"):
        noisy_student(Task(), parts, how, run)
