"""What the seventh review found in runs that are watched, compared and written down (reviewer r2)."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import toy
import yaml
from simulated_run import add_scores, make_run
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from test_compare_runs import run_of
from test_plan_from import PLAN
from test_recipe_results import run_of as results_of
from test_train import Regression, plan

from nst_asr import cli, results
from nst_asr.compare_runs.compare import compare_runs
from nst_asr.compare_runs.conclusion import conclusion
from nst_asr.compare_runs.text import describe
from nst_asr.curves import curves
from nst_asr.given import read_plan
from nst_asr.key import Key
from nst_asr.plan_from import PlanFrom
from nst_asr.recipe_results.by_run import by_run
from nst_asr.recipe_results.variants import variants
from nst_asr.recipe_results.written import WrittenError, put
from nst_asr.results.laps import laps
from nst_asr.terms import Terms
from nst_asr.train import fit
from nst_asr.watch.events import Events
from nst_asr.watch.screen import screen
from nst_asr.watch.state import Labeling, Training
from nst_asr.watch.watcher import Watcher
from tools import compare_runs as compare_tool
from tools import write_results as write_tool

KILLED = """
import os, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from test_train import Regression, plan
from nst_asr.given import read_plan
from nst_asr.key import Key
from nst_asr.plan_from import PlanFrom
from nst_asr.train import fit

class Dying(Regression):
    calls = 0

    def loss(self, piece):
        self.calls += 1
        if self.calls == 10:
            os._exit(9)  # as SIGKILL: nothing is closed, nothing is flushed
        return super().loss(piece)

fit(Dying(), plan(log_every=1), Path(sys.argv[2]), Key(0), "killed")
"""


def test_a_killed_training_has_the_curves_of_one_never_stopped(tmp_path: Path) -> None:
    fit(Regression(), plan(log_every=1), tmp_path / "whole", Key(0), "whole")
    tests = str(Path(__file__).parents[1])
    ended = subprocess.run([sys.executable, "-c", KILLED, tests, str(tmp_path / "killed")], check=False)
    assert ended.returncode == 9
    fit(Regression(), plan(log_every=1), tmp_path / "killed", Key(0), "resumed")
    whole, killed = (dict(curves(tmp_path / name)) for name in ("whole", "killed"))
    assert whole["loss"]["update"].to_list() == killed["loss"]["update"].to_list()
    assert whole["loss"].equals(killed["loss"])


def training(folder: Path, points: dict[int, float], resumed_at: int = 0) -> None:
    """Events as fit() writes them: update -> when, seconds since 1970."""
    writer = EventFileWriter(str(folder / "tensorboard"), filename_suffix=f".{resumed_at}")
    if resumed_at:
        writer.add_event(Event(step=resumed_at, session_log=SessionLog(status=SessionLog.START)))
    for update, when in points.items():
        summary = Summary(value=[Summary.Value(tag="loss", simple_value=1.0)])
        writer.add_event(Event(step=update, wall_time=when, summary=summary))
    writer.close()


def test_a_training_that_goes_on_within_the_second_of_its_crash_keeps_its_curve(tmp_path: Path) -> None:
    training(tmp_path, {1: 10.0, 2: 10.1})
    (first,) = (tmp_path / "tensorboard").iterdir()
    first = first.rename(first.with_name("events.out.tfevents.0000000010.host.99"))
    training(tmp_path, {2: 10.5, 3: 10.6}, resumed_at=2)
    (second,) = set((tmp_path / "tensorboard").iterdir()) - {first}
    second.rename(second.with_name("events.out.tfevents.0000000010.host.100"))  # as text before 99
    assert curves(tmp_path)["loss"]["update"].to_list() == [1, 2, 3]
    watched = Events(tmp_path / "tensorboard")
    watched.look()
    assert [point.update for point in watched.recent("loss")] == [1, 2, 3]


def begun(run: Path) -> Path:
    """A run that has just begun: no model yet."""
    make_run(run, errors=(), oracle=None)
    (run / "steps.jsonl").unlink()
    made = {"recipe": "digits", "seed": 0, "label": {}, "teacher": {"fit": {"updates": 200}}, "generations": [{}]}
    (run / "plan.yaml").write_text(yaml.safe_dump(made | {"block": 1}))
    return run


def test_the_hours_between_a_crash_and_the_resumption_are_no_part_of_the_pace(tmp_path: Path) -> None:
    run, now = begun(tmp_path / "run"), time.time()
    training(run / "gen0/student.part", {20: now - 9000, 40: now - 8990})
    training(run / "gen0/student.part", {60: now - 10, 80: now}, resumed_at=41)
    work = Watcher(run).look().work
    assert isinstance(work, Training)
    assert work.done == 80
    assert work.pace == pytest.approx(2.0)


def test_a_pause_of_the_labeling_is_forgotten_by_its_pace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, clock = begun(tmp_path / "run"), [1e9]
    add_scores(run / "gen0", "score.json", 40)
    (run / "gen0/test.json").unlink()
    monkeypatch.setattr(time, "time", lambda: clock[0])
    watcher, heard = Watcher(run), run / "gen1/0-heard"
    heard.mkdir(parents=True)
    for number, pause in enumerate((0, 10, 30_000, 10)):
        clock[0] += pause
        part = heard / f"part-{number:05d}.parquet"
        part.touch()
        os.utime(part, (clock[0], clock[0]))
        work = watcher.look().work
    assert isinstance(work, Labeling)
    assert work.pace == pytest.approx(0.1)


def test_a_run_without_its_plan_is_not_called_finished(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(tmp_path / "run")
    (run / "plan.yaml").unlink()
    assert cli.main(["watch", str(run), "--once"]) == 1
    assert "plan.yaml: missing" in capsys.readouterr().err


def test_no_number_is_cut_short_on_a_narrow_screen(tmp_path: Path) -> None:
    from rich.console import Console

    state = Watcher(make_run(tmp_path / "run")).look()
    console = Console(width=40, color_system=None)
    with console.capture() as capture:
        console.print(screen(state, "run"))
    assert "…" not in capture.get()


def test_the_tool_tells_a_damaged_plan_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [make_run(tmp_path / name) for name in ("a", "b")]
    (runs[0] / "plan.yaml").write_bytes(b"\xff\xfe")
    assert compare_tool.main([str(run) for run in runs]) == 1
    assert "not a text file" in capsys.readouterr().err


def test_results_that_were_copied_after_the_scores_are_not_believed(tmp_path: Path) -> None:
    short, other = run_of(tmp_path / "a", errors=(40, 25)), run_of(tmp_path / "b")
    results.write(short)
    kept = (short / "results.json").read_text()
    longer = run_of(tmp_path / "c")
    (longer / "results.json").write_text(kept)  # the newest file in the folder, but of one generation
    found = compare_runs([longer, other])
    assert found["columns"][0]["runs"][0]["generations_scored"] == 3


def test_a_run_that_has_no_student_yet_is_not_said_to_have_a_last_one(tmp_path: Path) -> None:
    runs = [run_of(tmp_path / "a"), run_of(tmp_path / "b", errors=(40,))]
    found = compare_runs(runs)
    (line,) = conclusion(found, "AB", Terms())
    assert "last student" not in line
    assert "last model: WER 21.00 % became 41.00 %" in line


def test_columns_whose_folders_begin_alike_are_told_apart(tmp_path: Path) -> None:
    other = {"teacher": {"fit": {"updates": 7}}}
    runs = [run_of(tmp_path / f"run{seed}", seed=seed) for seed in (0, 1)]
    runs += [run_of(tmp_path / f"run{seed + 2}", seed=seed, plan=other) for seed in (0, 1)]
    found = compare_runs(runs)
    names = [column["name"] for column in found["columns"]]
    assert names == ["run0, run1", "run2, run3"]
    assert "run2, run3: 2 runs" in describe(found)


@pytest.mark.parametrize(("first", "expected"), [("joint", 6.0), ("pseudo", 10.0), ("none", None)])
def test_laps_follow_what_a_classifier_is_first_trained_on(first: str, expected: float | None) -> None:
    turn = {"student": {"first": first, "fit": {"updates": 100, "batch": 36.0}}}
    found = laps({"generations": [turn]}, 1, copied_hours=0.1, labeled_hours=0.3)
    assert found == (None if expected is None else pytest.approx(expected))


def test_a_run_without_a_student_has_no_last_student_in_its_row(tmp_path: Path) -> None:
    found = results.collect(make_run(tmp_path / "run", errors=(40,), oracle=None))
    assert "| run | 41.0 % | - | - |" in by_run({"run": found}, "T")


def test_a_teacher_without_errors_leaves_no_reduction_to_tell() -> None:
    lines = variants([results_of(0, 0.0, 0.1)], {"x": [results_of(0, 0.0, 0.2)]}, "Worth").splitlines()
    assert lines[5] == "| x | 1 | 20.0 % | - | 10.0 |"


@pytest.mark.parametrize("doubled", ["whole", "variant"])
def test_a_seed_that_a_row_of_variants_has_twice_is_refused(doubled: str) -> None:
    run = results_of(0, 0.2, 0.1)
    whole, other = ([run, run], [run]) if doubled == "whole" else ([run], [run, run])
    with pytest.raises(ValueError, match="2 runs have seed 0"):
        variants(whole, {"x": other}, "Worth")


def test_a_variant_whose_folder_has_no_seed_in_its_name_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [str(make_run(tmp_path / name)) for name in ("full-0", "silent")]
    assert write_tool.main([runs[0], "--title", "T", "--variants", runs[1], "--unfinished"]) == 1
    assert "silent: call the folder NAME-SEED" in capsys.readouterr().err


def test_a_mean_over_runs_of_other_plans_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed = {"teacher": {"fit": {"updates": 7}}}
    runs = [run_of(tmp_path / "a"), run_of(tmp_path / "b", seed=1, plan=changed), run_of(tmp_path / "c", seed=2)]
    assert write_tool.main([*map(str, runs), "--title", "T", "--unfinished"]) == 0
    assert "- The plans differ, seed aside, in: teacher.fit.updates" in capsys.readouterr().out
    assert write_tool.main([str(runs[0]), str(runs[2]), "--title", "T", "--unfinished"]) == 0
    assert "plans differ" not in capsys.readouterr().out


def test_a_section_that_code_without_an_end_would_hide_is_not_added_again_and_again() -> None:
    with pytest.raises(WrittenError, match="code"):
        put("# R\n\n```sh\nnever closed\n", "T", "## T\n", "tools/t.py")


def test_runs_from_before_hardware_was_noted_can_be_written_down() -> None:
    old: dict[str, Any] = results_of(0, 0.2, 0.1) | {"hardware": None, "versions": None}
    assert "- Hardware: unknown" in variants([old], {"x": [old]}, "Worth")


def test_a_setting_that_a_later_one_replaces_is_not_told_as_given(tmp_path: Path) -> None:
    path, settings = (
        tmp_path / "plan.yaml",
        ("teacher.fit.updates=7", "teacher.fit={updates: 3, batch: 4.0, warmup: 0}"),
    )
    path.write_text(PLAN)
    found = PlanFrom(path, settings).to_json(read_plan(toy.ToyPlan, path, settings))["given"]
    assert [entry["key"] for entry in found] == ["teacher.fit"]
