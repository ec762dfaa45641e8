"""The whole loop on the toy task: what it writes, what it must never do, and that a crash leaves no trace."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import polars as pl
import pytest
import toy

from benchmarks.kills import contents
from nst_asr import filter as filtering
from nst_asr.corpus import Block, Corpus, Unlabeled
from nst_asr.final import score_test
from nst_asr.loop import noisy_student
from nst_asr.oracle import train_oracle
from nst_asr.run import open_run
from nst_asr.score import read_score
from nst_asr.store import StoreError
from nst_asr.task import Model


def run_all(folder: Path, plan: toy.ToyPlan | None = None, task: toy.Toy | None = None) -> Path:
    parts, test, truth = toy.corpus()
    plan, task = plan or toy.plan(), task or toy.Toy()
    data = {"labeled": parts.labeled, "unlabeled": parts.unlabeled, "dev": parts.dev, "test": test}
    run = open_run(folder, plan, data)
    noisy_student(task, parts, plan, run)
    train_oracle(task, parts, truth, plan, run)
    score_test(task, test, plan, run)
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_all(tmp_path_factory.mktemp("finished"))


def test_every_step_is_a_file(finished: Path) -> None:
    names = {
        *("0-heard", "0-gauge.json", "0-risk.json", "1-labels", "2-verdicts.parquet", "2-waterfall.json"),
        *("3-copies.parquet", "3-balance.json", "3-tokens.parquet", "3-alarms.json", "4-student", "5-score.json"),
        *("5-score.parquet", "6-teacher.json", "noise.json", "test.json", "test.parquet"),
    }
    assert set(os.listdir(finished / "gen2")) == names
    scores = {"score.json", "score.parquet", "test.json", "test.parquet"}
    assert set(os.listdir(finished / "oracle")) == {"student"} | scores


def test_self_training_helps_here(finished: Path) -> None:
    rates = [read_score(finished / name).rate for name in ("gen0/test.json", "gen2/test.json")]
    assert rates[1] <= rates[0]


def test_the_same_plan_gives_the_same_files(finished: Path, tmp_path: Path) -> None:
    assert contents(run_all(tmp_path)) == contents(finished)


def test_another_seed_gives_other_models(finished: Path, tmp_path: Path) -> None:
    other = contents(run_all(tmp_path, toy.plan(seed=1)))
    assert other["gen1/4-student/means.json"] != contents(finished)["gen1/4-student/means.json"]


def test_a_finished_run_is_not_done_again(finished: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("gen*/*")}

    class Idle(toy.Toy):
        def train(self, *_: object, **__: object) -> Model:  # type: ignore[override]
            raise AssertionError("trained again")

    run_all(finished, task=Idle())
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("gen*/*")} == before


def test_a_crash_at_any_rename_leaves_no_trace(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The n-th rename of the run dies, for every n; the next start gives the files of a run never stopped."""
    rename, expected = os.replace, contents(finished)
    for fatal in range(1, 200):
        calls = 0

        def dying(old: Path, new: Path, fatal: int = fatal) -> None:
            nonlocal calls
            calls += 1
            if calls == fatal:
                raise KeyboardInterrupt
            rename(old, new)

        folder = tmp_path / str(fatal)
        monkeypatch.setattr(os, "replace", dying)
        try:
            run_all(folder)
            assert fatal > 40
            return
        except KeyboardInterrupt:
            monkeypatch.setattr(os, "replace", rename)
            assert contents(run_all(folder)) == expected


@pytest.mark.slow
def test_kill_9_at_random_moments_leaves_no_trace(finished: Path, tmp_path: Path) -> None:
    program = [sys.executable, "-c", f"import sys, test_loop; test_loop.run_all(test_loop.Path({str(tmp_path)!r}))"]
    kills = 0
    for wait in [0.1 + 0.06 * n for n in range(50)]:
        process = subprocess.Popen(program, env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))})
        try:
            assert process.wait(wait) == 0
            break
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
    assert kills > 0
    assert contents(run_all(tmp_path)) == contents(finished)


def test_another_plan_in_the_same_folder_is_refused_with_the_keys(finished: Path) -> None:
    with pytest.raises(StoreError, match=r"made with another plan.*\n  seed: 0 -> 5 "):
        run_all(finished, toy.plan(seed=5))


def test_more_workers_are_no_other_plan(finished: Path) -> None:
    run_all(finished, toy.plan(workers=2))


def test_other_data_in_the_same_folder_are_refused(finished: Path) -> None:
    parts, _, _ = toy.corpus(seed=9)
    with pytest.raises(StoreError, match=r"made with other data: .* `labeled` have changed"):
        open_run(finished, toy.plan(), {"labeled": parts.labeled})


def test_no_truth_and_no_test_set_can_reach_the_loop() -> None:
    assert {field.name for field in fields(Corpus)} == {"labeled", "unlabeled", "dev"}
    assert "label" not in toy.corpus()[0].unlabeled.rows.columns


def test_the_labeler_sees_dev_and_pool_without_labels(tmp_path: Path) -> None:
    seen: list[Sequence[str]] = []

    @dataclass(frozen=True)
    class Watching(toy.ToyLabeler):
        def __call__(self, block: Block) -> pl.DataFrame:
            seen.append(block.rows.columns)
            return super().__call__(block)

    class Task(toy.Toy):
        def labeler(self, teachers: Sequence[Model], plan: toy.ToyDecode) -> toy.ToyLabeler:
            return Watching(teachers[0].path)

    run_all(tmp_path, task=Task())
    assert seen
    assert all("label" not in columns for columns in seen)


def test_the_waterfall_is_written_before_a_filter_that_keeps_nothing_stops(tmp_path: Path) -> None:
    plan = toy.plan(generation={"filter": {"score": 1e6}})
    with pytest.raises(filtering.NothingKept, match=r"score"):
        run_all(tmp_path, plan)
    assert json.loads((tmp_path / "gen1" / "2-waterfall.json").read_text())
    assert not (tmp_path / "gen1" / "4-student").exists()


def test_a_student_with_less_noise_than_its_teacher_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="nst_asr")
    run_all(tmp_path, toy.plan(generation={"student": {"noise": {"jitter": 0.01}}}))
    assert "jitter: 0.1 -> 0.01   WARNING: less than its teacher had" in caplog.text
    assert json.loads((tmp_path / "gen1" / "noise.json").read_text())[0]["less"] is True


class Spoiled(toy.Toy):
    """Students, known by their larger batch, come out the wrong way round."""

    def train(self, data, plan, *, init, out, key):  # type: ignore[no-untyped-def]
        model = super().train(data, plan, init=init, out=out, key=key)
        if plan.fit.batch == 12.0:
            means = json.loads((out / "means.json").read_text())
            (out / "means.json").write_text(json.dumps({"left": means["right"], "right": means["left"]}))
        return model


@pytest.mark.parametrize(("rule", "teachers"), [("best", [0, 0]), ("last", [1, 2]), ("stop", [0])])
def test_a_significantly_worse_student_teaches_only_where_the_rule_says_so(
    rule: str, teachers: list[int], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="nst_asr")
    run_all(tmp_path, toy.plan(succeed=rule), Spoiled())
    decisions = [json.loads(path.read_text())["teacher"] for path in sorted(tmp_path.glob("gen*/6-teacher.json"))]
    assert decisions[0] == teachers[0]
    assert len(decisions) == len(teachers)
    assert "significantly worse" in caplog.text


def test_a_student_of_share_zero_is_trained_on_the_labeled_part_alone(tmp_path: Path) -> None:
    run_all(tmp_path, toy.plan(generation={"mix": {"pseudo_share": 0.0}}))


def test_the_pool_needs_no_truth(tmp_path: Path) -> None:
    parts, _, _ = toy.corpus()
    with pytest.raises(ValueError, match="must not have a `label` column"):
        Unlabeled(parts.labeled.rows)
