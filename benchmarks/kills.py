"""Whether a run that is killed again and again gives what one never stopped gives: every weight, every label.

    python benchmarks/kills.py FOLDER [--times 20] [--kills 3] [--processes 1] -- PLAN --labeled ... [key=value ...]

What follows `--` is what `nst-asr run` is given, but for --exp. It runs once in FOLDER/whole, untouched, and then many
times in FOLDER/killed-N, each killed with SIGKILL a few times at moments drawn evenly from the time that the whole run
took, started again every time, and left to end.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

# what two runs of one plan may have otherwise: times, memory, commands; TensorBoard's file names hold the time
_FREE = {"steps.jsonl", "run.json", "run.log"}


def main() -> int:
    """The exit status: 0 where all runs are equal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("run", nargs="+", help="after --: the arguments of nst-asr run")
    options = parser.parse_args()
    if options.folder.exists():
        parser.error(f"{options.folder}: is there already; give a new folder, or what is done is not done again")
    moments = random.Random(options.seed)
    began = time.monotonic()
    finish(command(options.run, options.folder / "whole", options.processes))
    seconds = time.monotonic() - began
    wanted = contents(options.folder / "whole")
    equal = kills = 0
    for number in range(options.times):
        exp = options.folder / f"killed-{number}"
        again = command(options.run, exp, options.processes)
        kills += sum(killed(again, moments.uniform(0, seconds)) for _ in range(options.kills))
        finish(again)
        same = contents(exp) == wanted
        equal += same
        print(f"{exp}: {'equal' if same else 'DIFFERENT'}", flush=True)
    how = f"after {kills} kills, {options.processes} process(es) each"
    print(f"{equal} of {options.times} runs equal the one never stopped, {how}")
    return 0 if equal == options.times else 1


def command(run: list[str], exp: Path, processes: int) -> list[str]:
    """The command of a run on one process, or on several under torchrun."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    return [sys.executable, *(launcher if processes > 1 else []), "-m", "nst_asr.cli", "run", *run, "--exp", str(exp)]


def finish(words: list[str]) -> None:
    """Let the command end; where it fails, say what it said and end."""
    done = subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=_environment())
    if done.returncode:
        sys.exit(f"{' '.join(words)}\nfailed:\n{done.stderr}")


def killed(words: list[str], seconds: float) -> bool:
    """Start the command and kill it after so many seconds; whether it was still running."""
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=_environment())
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        kill(process)
        return True
    return False


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL to a process and to all below it; returns when all of them are gone (Linux only)."""
    pids = [process.pid, *below(process.pid)]
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.wait()
    while any(_runs(pid) for pid in pids):
        time.sleep(0.01)


def contents(folder: Path) -> dict[str, bytes]:
    """Relative path -> bytes of everything in a run folder that two runs of one plan have in common."""
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name not in _FREE)
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths if path.parent.name != "tensorboard"}


def below(pid: int) -> list[int]:
    """Children and their children: torchrun starts each worker in a session of its own, which no group reaches."""
    try:
        tasks = [path.read_text(encoding="utf-8") for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except (FileNotFoundError, ProcessLookupError):
        return []
    children = [int(word) for task in tasks for word in task.split()]
    return [*children, *(grandchild for child in children for grandchild in below(child))]


def _runs(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False


def _environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1"}


if __name__ == "__main__":
    sys.exit(main())
