"""A run watched from outside: a simulated folder that grows step by step."""

import fcntl
import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console
from simulated_run import add_generation, add_scores, make_run, score_of, write
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from toy import Toy, corpus, plan

from nst_asr import cli, results
from nst_asr.course import course, updates_of
from nst_asr.results_table import bounds, percent
from nst_asr.run import open_run
from nst_asr.stages import do_stages
from nst_asr.store import StoreError
from nst_asr.terms import Terms
from nst_asr.watch.events import Events
from nst_asr.watch.plain import Lines
from nst_asr.watch.screen import screen
from nst_asr.watch.state import Labeling, Training
from nst_asr.watch.watcher import Watcher
from nst_asr.watch.words import ending, presence, work_line
from nst_asr.watch.working import working

SETS = {name: {"rows": 10, "hours": 0.5, "fingerprint": "f"} for name in ("labeled", "unlabeled", "dev", "test")}
PLAN: dict[str, Any] = {
    "recipe": "digits",
    "seed": 3,
    "label": {"lm": None},
    "teacher": {"fit": {"updates": 100}},
    "generations": [{"student": {"fit": {"updates": 60}}, "init": "teacher"}] * 2,
    "block": 4,
}


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """A run folder at its very beginning: two generations to come, in parts of 4 rows; test, no truth."""
    run = tmp_path / "run"
    about = {"recipe": "digits", "seed": 3, "command": "c", "corpus": SETS, "terms": Terms().to_json()}
    write(run / "run.json", about)
    write(run / "corpus.json", SETS)
    (run / "plan.yaml").write_text(yaml.safe_dump(PLAN))
    (run / ".lock").touch()
    return run


@pytest.fixture
def held(begun: Path) -> Iterator[Path]:
    """The same while a process works in it."""
    handle = os.open(begun / ".lock", os.O_RDWR)
    fcntl.flock(handle, fcntl.LOCK_EX)
    yield begun
    os.close(handle)


class Trained:
    """Writes the scalars of a training as fit() does."""

    def __init__(self, folder: Path, purge: int = 0, suffix: str = "") -> None:
        self.writer = EventFileWriter(str(folder / "tensorboard"), filename_suffix=suffix)
        if purge:
            self.writer.add_event(Event(step=purge, file_version="brain.Event:2"))
            self.writer.add_event(Event(step=purge, session_log=SessionLog(status=SessionLog.START)))

    def add(self, update: int, when: float, **scalars: float) -> None:
        for name, value in scalars.items():
            summary = Summary(value=[Summary.Value(tag=name, simple_value=value)])
            self.writer.add_event(Event(step=update, wall_time=when, summary=summary))
        self.writer.flush()

    def close(self) -> None:
        self.writer.close()


def finish(run: Path, step: str, seconds: float = 2.0) -> None:
    with (run / "steps.jsonl").open("a") as file:
        file.write(json.dumps({"step": step, "seconds": seconds, "peak_memory_mb": 1.0}) + "\n")


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    paths = [folder, *folder.rglob("*")]
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in paths}


def test_a_run_is_told_step_by_step_as_it_grows(held: Path) -> None:
    watcher, lines = Watcher(held), Lines()
    assert list(lines.new(watcher.look())) == ["recipe digits, seed 3", "gen0/student: at work"]
    assert list(lines.new(watcher.look())) == []

    training, now = Trained(held / "gen0/student.part"), time.time()
    training.add(20, now - 10, loss=5.0, learning_rate=1e-3, gradient_norm=2.0)
    training.add(40, now, loss=4.0, learning_rate=2e-3, gradient_norm=1.5, pseudo_share=0.0, size_per_second=72.0)
    (line,) = lines.new(watcher.look())
    assert line == (
        "gen0/student: 40 of 100 updates, loss 4.000, learning rate 0.002, gradient norm 1.5, 0% pseudo-labeled, "
        "2 updates a second, 0.02 hours a second (72 x real time), 30 s left"
    )
    training.close()

    (held / "gen0/student.part").rename(held / "gen0/student")
    finish(held, "gen0/student", 50.0)
    add_scores(held / "gen0", "score.json", 40)
    (held / "gen0/test.json").unlink()
    finish(held, "gen0/score.json", 0.5)
    assert list(lines.new(watcher.look())) == [
        "gen0/student: made in 50 s",
        f"generation 0: dev WER 40.00 % {bounds(*score_of(40).interval)}",
        "gen1/0-heard: at work",
    ]

    for number in range(3):
        (held / "gen1/0-heard").mkdir(parents=True, exist_ok=True)
        (held / f"gen1/0-heard/part-0000{number}.parquet").touch()
    write(held / "gen1/0-gauge.json", {})
    (held / "gen1/1-labels").mkdir()
    (held / "gen1/1-labels/part-00000.parquet").touch()
    assert list(lines.new(watcher.look())) == ["gen1/1-labels: 1 of 3 parts"]
    (held / "gen1/1-labels/part-00000.parquet").unlink()
    (held / "gen1/1-labels").rmdir()

    add_generation(held / "gen1", 1)
    alarm = {"name": "short_labels", "value": 0.2, "limit": 0.1, "raised": True, "facts": "F", "advice": "look"}
    write(held / "gen1/3-alarms.json", {"alarms": [alarm, alarm | {"name": "quiet", "raised": False}]})
    (held / "gen1/6-teacher.json").unlink()
    assert list(lines.new(watcher.look())) == [
        "generation 1: 3.50 hours labeled, 3.00 kept (85.7 %)",
        "WARNING: generation 1: alarm short_labels: F (statistic 0.2, limit 0.1); look",
        "gen1/4-student: at work",
    ]


def test_a_finished_run_ends_the_watch_and_gives_the_figures_of_results_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "run")
    assert cli.main(["watch", str(run)]) == 0
    lines = capsys.readouterr().out.splitlines()
    found = results.collect(run)
    models = {f"generation {entry['generation']}": entry for entry in found["generations"]}
    models["oracle"] = found["oracle"]
    told = {line.partition(":")[0]: line for line in lines if re.match(r"generation|oracle", line)}
    assert set(told) == set(models)
    for name, entry in models.items():
        for on in ("dev", "test"):
            score = entry[on]
            assert f"{on} WER {percent(score['rate'])} {bounds(score['low'], score['high'])}" in told[name]
        if entry.get("labels"):
            hours, kept = (Terms().count(entry[key]) for key in ("hours", "kept_hours"))
            assert (
                f"{hours} hours labeled, {kept} kept ({percent(entry['kept_hours'] / entry['hours'], 1)})" in told[name]
            )
    assert lines[-1] == f"finished: {found['seconds']:.0f} s of steps"


def test_a_real_run_is_followed_to_its_end(tmp_path: Path) -> None:
    parts, test, truth = corpus()
    made = plan()
    sets = {"labeled": parts.labeled, "unlabeled": parts.unlabeled, "dev": parts.dev, "test": test, "truth": truth}
    run = open_run(tmp_path / "run", made, sets)
    assert course(run.folder).current == "gen0/student"
    expected = {
        "teacher": "gen1/0-heard",
        "generations": "oracle/student",
        "oracle": "gen0/test.json",
        "test": None,
    }
    for stage, following in expected.items():
        do_stages(Toy(), parts, test, truth, made, run, [stage])
        assert course(run.folder).current == following
    assert course(run.folder).finished
    state = Watcher(run.folder).look()
    found = results.collect(run.folder)
    assert [row.name for row in state.rows] == ["generation 0", "generation 1", "generation 2", "oracle"]
    for row, entry in zip(state.rows, [*found["generations"], found["oracle"]], strict=True):
        assert {on: score["rate"] for on, score in row.scores.items()} == {
            on: entry[on]["rate"] for on in ("dev", "test")
        }
        if row.amounts:
            assert (row.amounts.labels, row.amounts.kept_rows) == (entry["labels"], entry["kept_rows"])
            assert row.amounts.kept_hours == pytest.approx(entry["kept_hours"])


def test_watching_writes_nothing_and_leaves_the_lock_alone(held: Path, capsys: pytest.CaptureFixture[str]) -> None:
    training = Trained(held / "gen0/student.part")
    training.add(20, time.time(), loss=1.0)
    training.close()
    before = snapshot(held)
    assert cli.main(["watch", str(held), "--once"]) == 0
    assert snapshot(held) == before
    assert "\x1b" not in capsys.readouterr().out


def test_a_process_that_works_in_the_folder_is_seen_by_its_lock(held: Path, tmp_path: Path) -> None:
    assert working(held) is True
    assert working(tmp_path) is False  # nobody has ever worked there
    assert working(held, tmp_path / "no-such-file") is None


def test_a_lock_that_was_let_go_is_not_held(begun: Path) -> None:
    assert working(begun) is False


def test_a_lock_that_a_process_waits_for_is_not_held_by_it(begun: Path, tmp_path: Path) -> None:
    found = (begun / ".lock").stat()
    place = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    locks = tmp_path / "locks"
    locks.write_text(f"1: -> FLOCK  ADVISORY  WRITE 7 {place} 0 EOF\n")
    assert working(begun, locks) is False
    locks.write_text(f"1: FLOCK  ADVISORY  WRITE 7 {place} 0 EOF\n")
    assert working(begun, locks) is True
    # another device with a file of the same number, which the process does not have open
    locks.write_text(f"1: FLOCK  ADVISORY  WRITE {os.getpid()} fff:ff:{found.st_ino} 0 EOF\n")
    assert working(begun, locks) is False


def test_a_run_that_died_is_told_with_the_end_of_its_log(begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (begun / "run.log").write_text("2026-01-01 10:00:00 begun\n2026-01-01 10:00:01 TrainError: the loss is \x1bnan\n")
    long_ago = time.time() - 7200
    for path in begun.iterdir():
        os.utime(path, (long_ago, long_ago))
    assert cli.main(["watch", str(begun)]) == 1
    out = capsys.readouterr().out
    assert "it has stopped, or died: no process of this machine is at work in it; nothing has changed for 2.0 h" in out
    assert "left: gen0/student, gen0/score.json, gen1/0-heard, gen1/0-gauge.json and " in out
    assert "its log ends with: 2026-01-01 10:00:01 TrainError: the loss is nan\n" in out


def test_a_run_that_was_busy_a_moment_ago_is_waited_for(begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    began = time.monotonic()
    assert cli.main(["watch", str(begun), "--every", "0.05", "--patience", "0.4"]) == 1
    assert time.monotonic() - began > 0.2
    assert "nothing has changed for 0 s" in capsys.readouterr().out.splitlines()[-2]


def test_a_process_that_comes_and_goes_is_told(begun: Path) -> None:
    watcher, lines = Watcher(begun), Lines()
    list(lines.new(watcher.look()))
    handle = os.open(begun / ".lock", os.O_RDWR)
    fcntl.flock(handle, fcntl.LOCK_EX)
    assert "at work" in list(lines.new(watcher.look()))
    os.close(handle)
    assert next(iter(lines.new(watcher.look()))).startswith("no process of this machine is at work in it; nothing has")


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(StoreError, match=r"no run\.json"):
        Watcher(tmp_path)
    assert cli.main(["watch", str(tmp_path / "nowhere")]) == 1
    assert "nst-asr: " in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "soon"])
def test_seconds_that_make_no_sense_are_refused(text: str, begun: Path) -> None:
    with pytest.raises(SystemExit):
        cli.main(["watch", str(begun), f"--every={text}"])


def test_events_are_read_once_and_a_record_cut_short_waits(tmp_path: Path) -> None:
    training = Trained(tmp_path)
    for update in range(1, 301):
        training.add(update, float(update), loss=update / 2)
    training.close()
    (path,) = (tmp_path / "tensorboard").iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    events = Events(tmp_path / "tensorboard")
    events.look()
    assert events.last("loss") == 149.5
    assert len(events.recent("loss", 1000)) == 200
    path.write_bytes(whole)
    # what has been read is not looked at again: it may have become anything
    with path.open("r+b") as file:
        file.write(b"\xff" * 1000)
    events.look()
    assert events.last("loss") == 150.0
    assert [point.update for point in events.recent("loss", 3)] == [298, 299, 300]


def test_a_damaged_file_of_events_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "events.out.tfevents.1").write_bytes(b"\xff" * 100)
    (tmp_path / "events.out.tfevents.2").write_bytes(b"\x08" + b"\0" * 11 + b"\xff" * 12)
    events = Events(tmp_path)
    events.look()
    events.look()
    assert events.last("loss") is None


def test_updates_that_a_resumed_training_makes_again_count_once(tmp_path: Path) -> None:
    first = Trained(tmp_path)
    for update in (10, 20, 30):
        first.add(update, float(update), loss=float(update))
    first.close()
    events = Events(tmp_path / "tensorboard")
    events.look()
    second = Trained(tmp_path, purge=21, suffix=".again")
    second.add(30, 100.0, loss=30.5)
    second.close()
    events.look()
    assert [(point.update, point.value) for point in events.recent("loss")] == [(10, 10.0), (20, 20.0), (30, 30.5)]


def test_the_oracle_has_the_updates_of_all_generations_that_led_to_it(begun: Path) -> None:
    read = course(begun).plan
    assert updates_of(read, "gen0/student", begun) == 100
    assert updates_of(read, "gen2/4-student", begun) == 60
    for number, teacher in ((1, 1), (2, 2)):
        write(begun / f"gen{number}/6-teacher.json", {"teacher": teacher, "stop": False})
    assert updates_of(read, "oracle/student", begun) == 120
    write(begun / "gen1/6-teacher.json", {"teacher": 0, "stop": False})
    assert updates_of(read, "oracle/student", begun) == 60


def test_a_run_that_the_rule_has_stopped_has_no_generations_left(begun: Path) -> None:
    write(begun / "gen1/6-teacher.json", {"teacher": 0, "stop": True})
    assert not [step for step in course(begun).steps if step.startswith("gen2")]


def test_a_second_training_of_a_model_has_its_own_updates_and_curve(held: Path) -> None:
    content = {**PLAN, "teacher": {"fit": {"updates": 100}, "fine_tune": {"fit": {"updates": 30}}}}
    (held / "plan.yaml").write_text(yaml.safe_dump(content))
    for folder, update in (("", 100), ("fine-tune", 10)):
        training = Trained(held / "gen0/student.part" / folder)
        training.add(update, time.time(), loss=1.0)
        training.close()
    work = Watcher(held).look().work
    assert isinstance(work, Training)
    assert (work.done, work.total) == (10, 30)


def test_a_training_without_scalars_is_told_by_its_checkpoint(held: Path) -> None:
    (held / "gen0/student.part").mkdir(parents=True)
    (held / "gen0/student.part/checkpoint-0000040.pt").touch()
    assert work_line(Watcher(held).look()) == "gen0/student: 40 of 100 updates"


def test_the_pace_of_labeling_is_that_of_the_last_parts(held: Path) -> None:
    for name in ("gen0/student", "gen1/0-heard", "gen1/1-labels"):
        (held / name).mkdir(parents=True)
    add_scores(held / "gen0", "score.json", 40)
    write(held / "gen1/0-gauge.json", {})
    for number in range(3):
        (held / f"gen1/0-heard/part-0000{number}.parquet").touch()
    now = time.time()
    for number, when in ((0, now - 20), (1, now - 10)):
        path = held / f"gen1/1-labels/part-0000{number}.parquet"
        path.touch()
        os.utime(path, (when, when))
    work = Watcher(held).look().work
    assert isinstance(work, Labeling)
    assert (work.done, work.total) == (2, 3)
    assert work.pace == pytest.approx(0.05, rel=0.1)  # one part more twenty seconds after the first
    assert work.seconds_left == pytest.approx(20, rel=0.1)


def test_a_step_that_is_renamed_during_a_look_is_looked_at_again(held: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finish(held, "gen0/student", 50.0)
    calls = []

    def gone_at_first(*given: Any) -> Any:
        calls.append(given)
        if len(calls) == 1:
            raise FileNotFoundError("gen0/student.part")
        return 0.0

    watcher = Watcher(held)
    monkeypatch.setattr(watcher, "_changed", gone_at_first)
    assert [taken.step for taken in watcher.look().new] == ["gen0/student"]
    assert watcher.look().new == ()
    assert len(calls) == 3


def test_the_screen_shows_models_work_and_alarms(held: Path) -> None:
    add_scores(held / "gen0", "score.json", 40)
    for name in ("gen0/student", "gen1"):
        (held / name).mkdir()
    add_generation(held / "gen1", 1)
    (held / "gen1/6-teacher.json").unlink()
    alarm = {"name": "short_labels", "value": 0.2, "limit": 0.1, "raised": True, "facts": "[F]", "advice": "look"}
    write(held / "gen1/3-alarms.json", {"alarms": [alarm]})
    training = Trained(held / "gen1/4-student.part")
    training.add(30, time.time(), loss=1.25)
    training.close()
    console = Console(width=100, force_terminal=False, record=True)
    with console.capture() as capture:
        console.print(screen(Watcher(held).look(), "exp/run"))
    text = capture.get()
    assert "40.00 % [" in text
    assert "85.7 %" in text
    assert "! generation 1: alarm short_labels: [F]" in text
    assert any(line.strip("│ ").startswith("30 of 60 updates, loss 1.250") for line in text.splitlines())
    assert "at work" in text


def test_what_ends_well_says_so(begun: Path) -> None:
    state = Watcher(begun).look()
    assert presence(state).startswith("no process of this machine")
    assert "the command that began it goes on" in ending(state)
