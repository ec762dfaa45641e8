"""Memory of one step, and so far."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from nst_asr import peak_memory
from nst_asr.peak_memory import PeakMemory
from nst_asr.run import Run

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="the system does not tell steps apart"
)

_SCRIPT = """
import json, subprocess, sys
import numpy as np
from nst_asr.peak_memory import PeakMemory

def took(mb):
    memory = PeakMemory()
    np.ones(mb * 2**17)
    return memory.close()

def child(mb):
    memory = PeakMemory()
    subprocess.run([sys.executable, "-c", f"b'x' * ({mb} * 2**20)"], check=True)
    return memory.close()

def nested():
    outer = PeakMemory()
    np.ones(400 * 2**17)
    return took(1), outer.close()

print(json.dumps(eval(sys.argv[1])))
"""


def told(expression: str) -> list[dict[str, float]]:
    """What a process of its own notes: how large this one is, and what it keeps of what it freed, is not known."""
    done = subprocess.run([sys.executable, "-c", _SCRIPT, expression], capture_output=True, text=True, check=True)
    found: list[dict[str, float]] = json.loads(done.stdout)
    return found


def test_a_step_has_the_memory_that_it_took_itself_and_the_largest_so_far_stays() -> None:
    small, large, last = told("[took(1), took(400), took(1)]")
    assert large["step_memory_mb"] > small["step_memory_mb"] + 300
    assert last["step_memory_mb"] < large["step_memory_mb"] - 300
    assert small["peak_memory_mb"] <= large["peak_memory_mb"] <= last["peak_memory_mb"]
    assert last["peak_memory_mb"] >= large["step_memory_mb"]


def test_a_step_within_a_step_takes_nothing_from_the_outer_one() -> None:
    inner, outer = told("nested()")
    assert outer["step_memory_mb"] > inner["step_memory_mb"] + 300


def test_workers_count_where_they_needed_more_than_earlier_ones() -> None:
    first, second = (each["step_memory_mb"] for each in told("[child(300), child(10)]"))
    assert 300 < first < 500
    assert second < 100


def test_where_the_system_does_not_tell_a_step_has_no_memory_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peak_memory, "_RESET", tmp_path / "no" / "such" / "file")
    assert "step_memory_mb" not in PeakMemory().close()


def test_a_step_that_fails_is_not_noted_and_the_next_one_is(tmp_path: Path) -> None:
    run = Run(tmp_path)
    with pytest.raises(KeyboardInterrupt), run.timed("gen0/student"):
        raise KeyboardInterrupt
    assert not peak_memory._OPEN
    with run.timed("gen0/student") as notes:
        notes["rate"] = 2.0
    (line,) = (json.loads(line) for line in (tmp_path / "steps.jsonl").read_text().splitlines())
    assert (line["step"], line["rate"]) == ("gen0/student", 2.0)
    assert 0 < line["step_memory_mb"] <= line["peak_memory_mb"]
