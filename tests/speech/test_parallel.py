"""Two processes under torchrun: the weights of one process, its labels, and nothing lost when they are killed."""

import fcntl
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from glob import glob
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from benchmarks.kills import below, contents, kill
from nst_asr import cli
from tests.speech import tones

QUIET = ["teacher.noise.dropout=0.0", "teacher.noise.spec_augment=null", "teacher.fit.updates=15"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    tones.write_corpus(folder)
    return folder


def torchrun(arguments: list[str]) -> list[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return [*launcher, "-m", "nst_asr.cli", *arguments]


def run(command: list[str]) -> str:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, env=environment, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stderr


def weights(exp: Path, model: str = "gen0/student") -> dict[str, np.ndarray]:
    return load_file(exp / model / "weights.safetensors")


def furthest(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> float:
    return max(float(abs(first[name] - second[name]).max()) for name in first)


@pytest.mark.slow
def test_two_processes_train_the_weights_of_one_within_rounding(corpus: Path, tmp_path: Path) -> None:
    quiet = [*QUIET, "--only", "teacher"]
    assert cli.main([*tones.arguments(corpus, tmp_path / "one"), *quiet]) == 0
    run(torchrun([*tones.arguments(corpus, tmp_path / "two"), *quiet]))
    barely = [*quiet, "teacher.fit.peak_rate=1e-9"]
    assert cli.main([*tones.arguments(corpus, tmp_path / "start"), *barely]) == 0
    moved = furthest(weights(tmp_path / "start"), weights(tmp_path / "one"))
    assert moved > 0.05
    # dividing by each process's own count instead of the global one moves them apart by a fifth of this way
    assert furthest(weights(tmp_path / "one"), weights(tmp_path / "two")) < 1e-3 * moved


@pytest.mark.slow
def test_with_noise_two_processes_are_one_that_accumulates_two_pieces(corpus: Path, tmp_path: Path) -> None:
    """Masks, speeds and dropout follow from keys that name the piece, not from who computes it."""
    short = ["teacher.fit.updates=10", "--only", "teacher", "teacher.noise.survival=0.7"]
    assert cli.main([*tones.arguments(corpus, tmp_path / "one"), *short, "teacher.fit.accumulate=2"]) == 0
    run(torchrun([*tones.arguments(corpus, tmp_path / "two"), *short]))
    assert cli.main([*tones.arguments(corpus, tmp_path / "other"), *short]) == 0
    assert furthest(weights(tmp_path / "one"), weights(tmp_path / "two")) < 1e-5
    assert furthest(weights(tmp_path / "one"), weights(tmp_path / "other")) > 1e-3


@pytest.mark.slow
def test_two_processes_label_what_one_does_and_each_step_is_made_once(corpus: Path, tmp_path: Path) -> None:
    one = [*tones.arguments(corpus, tmp_path / "one"), "--only", "teacher", "block=4"]
    assert cli.main(one) == 0
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    rest = ["block=4", "generation.student.fit.updates=5", "--only", "generations"]
    assert cli.main([*tones.arguments(corpus, tmp_path / "one"), *rest]) == 0
    run(torchrun([*tones.arguments(corpus, tmp_path / "two"), *rest]))
    first, second = contents(tmp_path / "one"), contents(tmp_path / "two")
    assert first.keys() == second.keys()
    tables = [name for name in first if name.startswith(("gen1/0", "gen1/1", "gen1/2", "gen1/3"))]
    assert len(tables) > 8
    assert all(first[name] == second[name] for name in tables)
    steps = (tmp_path / "two" / "steps.jsonl").read_text().splitlines()
    assert sum('"gen1/4-student"' in line for line in steps) == 1


@pytest.mark.slow
def test_two_processes_killed_at_any_moment_end_with_the_same_bytes(corpus: Path, tmp_path: Path) -> None:
    settings = ["block=4", "teacher.fit.checkpoint_every=3"]
    whole = torchrun([*tones.arguments(corpus, tmp_path / "whole"), *settings])
    run(whole)
    killed = torchrun([*tones.arguments(corpus, tmp_path / "killed"), *settings])
    moments = random.Random(1)
    assert [killed_after(killed, tmp_path / "killed", moments.randint(3, 9)) for _ in range(4)][:2] == [True, True]
    run(killed)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


@pytest.mark.slow
def test_what_rank_0_refuses_no_other_process_begins_with(corpus: Path, tmp_path: Path) -> None:
    exp = tmp_path / "exp"
    exp.mkdir()
    with (exp / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        command = torchrun(tones.arguments(corpus, exp))
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, timeout=120)
    assert done.returncode != 0
    assert "another process is working in it" in done.stderr
    assert [path.name for path in exp.rglob("*") if path.name not in ("run.log", ".lock")] == []


@pytest.mark.slow
def test_a_killed_worker_is_started_again_and_leaves_no_trace(corpus: Path, tmp_path: Path) -> None:
    settings = ["teacher.fit.checkpoint_every=3", "--only", "teacher"]
    run(torchrun([*tones.arguments(corpus, tmp_path / "whole"), *settings]))
    command = torchrun([*tones.arguments(corpus, tmp_path / "killed"), *settings])
    command[command.index("--standalone")] = "--max-restarts=1"
    command.insert(command.index("--max-restarts=1"), "--standalone")
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment)
    checkpoints = str(tmp_path / "killed/**/checkpoint-*.pt")
    while process.poll() is None and not glob(checkpoints, recursive=True):  # unlike rglob, folders may go meanwhile
        time.sleep(0.002)
    workers = below(process.pid)
    os.kill(workers[-1], signal.SIGKILL)
    assert process.wait(timeout=300) == 0
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


@pytest.mark.slow
def test_pieces_threads_and_recomputation_change_memory_and_no_more_than_rounding(corpus: Path, tmp_path: Path) -> None:
    quiet = [*QUIET, "--only", "teacher", "teacher.curriculum=[{updates: 3}]"]
    saving = ["max_duration=2.5", "loaders=3", "recompute=true"]
    assert cli.main([*tones.arguments(corpus, tmp_path / "one"), *quiet]) == 0
    settings = [f"teacher.fit.{each}" for each in saving]
    assert cli.main([*tones.arguments(corpus, tmp_path / "saving"), *quiet, *settings]) == 0
    assert 0 < furthest(weights(tmp_path / "one"), weights(tmp_path / "saving")) < 1e-4


def killed_after(command: list[str], exp: Path, files: int) -> bool:
    """Start the command and kill it with all its processes once so many more files are there; whether it was alive."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment)
    wanted = sum(1 for _ in exp.rglob("*")) + files
    while process.poll() is None:
        if sum(1 for _ in exp.rglob("*")) >= wanted:
            kill(process)
            return True
        time.sleep(0.002)
    return False
