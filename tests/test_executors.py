"""Jobs on several processes: one that is killed loses nothing, and one that kills every time is named."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from nst_asr.executors import TRIES, ExecutorError, Hands, carry_out


@dataclass(frozen=True)
class Square:
    """Notes that it was begun, and squares a number; the process dies under it the first `deaths` times."""

    number: int
    folder: Path
    deaths: int = 0

    @property
    def name(self) -> str:
        return f"square {self.number}"


def work(job: Square) -> int:
    begun = job.folder / f"{job.number}-{os.getpid()}-{time.monotonic_ns()}"
    begun.touch()
    if len(list(job.folder.glob(f"{job.number}-*"))) <= job.deaths:
        time.sleep(0.2)  # so that another job is under way
        os.kill(os.getpid(), signal.SIGKILL)
    return job.number**2


def refuse(job: Square) -> int:
    raise ValueError(f"{job.name} is none")


def begun(folder: Path, number: int) -> int:
    return len(list(folder.glob(f"{number}-*")))


@pytest.mark.parametrize("workers", [1, 2])
def test_every_job_is_done_once(workers: int, tmp_path: Path) -> None:
    jobs = [Square(number, tmp_path) for number in range(5)]
    assert sorted(carry_out(work, jobs, Hands(workers))) == [0, 1, 4, 9, 16]
    assert [begun(tmp_path, number) for number in range(5)] == [1] * 5
    assert list(carry_out(work, [], Hands(2))) == []


def test_a_killed_process_loses_no_job_and_doubles_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    jobs = [Square(number, tmp_path, deaths=int(number == 2)) for number in range(6)]
    assert sorted(carry_out(work, jobs, Hands(2))) == [0, 1, 4, 9, 16, 25]
    assert begun(tmp_path, 2) == 2
    assert "square 2" in caplog.text


def test_a_job_that_kills_its_process_every_time_is_named_and_the_others_are_not_blamed(tmp_path: Path) -> None:
    jobs = [Square(number, tmp_path, deaths=99 * (number == 1)) for number in range(3)]
    with pytest.raises(ExecutorError, match=rf"^square 1: {TRIES} processes .* fewer workers"):
        list(carry_out(work, jobs, Hands(2)))
    assert begun(tmp_path, 1) == TRIES


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_the_work_itself_is_raised_as_it_is(workers: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"square [01] is none"):
        list(carry_out(refuse, [Square(0, tmp_path), Square(1, tmp_path)], Hands(workers)))


SLEEPING = """
import os, sys, time
from pathlib import Path
from nst_asr.executors import Hands, carry_out
class Nap:
    name = "nap"
def sleep(job):
    Path(sys.argv[1], str(os.getpid())).touch()
    time.sleep(600)
if __name__ == "__main__":
    list(carry_out(sleep, [Nap(), Nap()], Hands(2)))
"""


@pytest.mark.slow
def test_no_process_outlives_the_one_that_asked_for_the_work(tmp_path: Path) -> None:
    (tmp_path / "sleeping.py").write_text(SLEEPING)
    (tmp_path / "pids").mkdir()
    asking = subprocess.Popen([sys.executable, tmp_path / "sleeping.py", tmp_path / "pids"])
    wait_until(lambda: len(os.listdir(tmp_path / "pids")) == 2)
    asking.kill()
    asking.wait()
    wait_until(lambda: not any(Path("/proc", pid).exists() for pid in os.listdir(tmp_path / "pids")))


def wait_until(true, seconds: float = 60.0) -> None:  # type: ignore[no-untyped-def]
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.1)
