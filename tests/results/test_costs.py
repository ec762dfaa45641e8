"""Time and memory of the steps, from steps.jsonl."""

import json
from pathlib import Path
from typing import Any

from nst_asr.results.costs import spent


def note(run: Path, *lines: dict[str, Any], rest: str = "") -> Path:
    (run / "steps.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + rest)
    return run


def line(step: str, seconds: float, peak: float, **more: float) -> dict[str, Any]:
    return {"step": step, "seconds": seconds, "peak_memory_mb": peak, **more}


def test_tries_of_a_step_are_summed_and_the_largest_memory_counts(tmp_path: Path) -> None:
    again = line("gen1/4-student", 2.5, 700.0, step_memory_mb=600.0)
    run = note(tmp_path, line("gen1/4-student", 20.5, 900.0, step_memory_mb=500.0), again, rest='{"step": "gen')
    (step,) = spent(run)["steps"]
    assert (step["step"], step["part"], step["name"], step["kind"]) == ("gen1/4-student", "gen1", "student", "training")
    assert (step["seconds"], step["tries"]) == (23.0, 2)
    assert (step["peak_memory_mb"], step["step_memory_mb"], step["gpu_memory_mb"]) == (900.0, 600.0, None)


def test_kinds_and_parts_add_up_and_parts_come_in_the_order_of_the_run(tmp_path: Path) -> None:
    steps = [("tokenizer", 1.0), ("gen10/1-labels", 2.0), ("gen2/0-heard", 3.0), ("oracle/student", 4.0)]
    steps += [("gen0/student", 5.0), ("gen0/test.json", 6.0), ("gen2/5-score-lm.json", 7.0), ("gen2/noise.json", 8.0)]
    found = spent(note(tmp_path, *(line(step, seconds, 1.0) for step, seconds in steps)))["costs"]
    assert list(found["parts"]) == ["run", "gen0", "gen2", "gen10", "oracle"]
    assert found["parts"]["gen2"] == {"seconds": 18.0, "labeling": 3.0, "scoring": 7.0, "other": 8.0}
    assert found["kinds"] == {"training": 9.0, "labeling": 5.0, "scoring": 13.0, "other": 9.0}


def test_the_largest_step_is_known_where_steps_have_memory_of_their_own(tmp_path: Path) -> None:
    lines = [line("gen0/student", 1.0, 900.0, step_memory_mb=900.0), line("gen1/1-labels", 1.0, 950.0)]
    assert spent(note(tmp_path, *lines))["costs"]["largest"] == {"step": "gen0/student", "memory_mb": 900.0}
    assert spent(note(tmp_path, lines[1]))["costs"]["largest"] is None


def test_a_step_that_only_inherits_the_memory_of_the_one_before_is_not_called_the_largest(tmp_path: Path) -> None:
    lines = [line("gen1/5-score.json", 9.0, 1364.6, step_memory_mb=1364.6)]
    lines += [line("gen1/6-teacher.json", 0.1, 1364.7, step_memory_mb=1364.7)]
    assert spent(note(tmp_path, *lines))["costs"]["largest"] == {"step": "gen1/5-score.json", "memory_mb": 1364.6}


def test_a_run_of_which_nothing_was_noted_has_no_steps(tmp_path: Path) -> None:
    assert spent(tmp_path) == {"steps": [], "costs": {"parts": {}, "kinds": {}, "largest": None}}
