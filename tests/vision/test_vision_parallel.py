"""Two processes under torchrun, on images: the weights of one that cuts its batches in two, its labels, nothing lost.

Batch normalisation sees a piece of a batch, in training by itself and in its running statistics: those are rank 0's
own, so only what is learnt is compared with one process.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from benchmarks.kills import contents, kill
from nst_asr import cli
from tests.vision.test_vision_run import write_sets

TEACHER = ["--only", "teacher", "generations=[{}]", "teacher.model={name: resnet6, width: 0.25}"]
NOISE = ["teacher.noise.dropout=0.2", "teacher.noise.survival=0.8"]
TUNE = "teacher.fine_tune={fit: {updates: 8, batch: 12, warmup: 0, checkpoint_every: 2, threads: 1}, resolution: 20}"


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return write_sets(tmp_path_factory.mktemp("sets"))


def torchrun(arguments: list[str]) -> list[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return [*launcher, "-m", "nst_asr.cli", *arguments]


def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1"}


def run(command: list[str]) -> None:
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, env=environment(), check=False, timeout=300)
    assert done.returncode == 0, done.stderr


def killed_at(command: list[str], exp: Path, pattern: str) -> bool:
    """Start the command and kill it with all its processes once there is such a file; whether it was alive."""
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment())
    while process.poll() is None:
        if next(exp.glob(pattern), None) is not None:
            kill(process)
            return True
        time.sleep(0.002)
    return False


def learnt(exp: Path) -> dict[str, np.ndarray]:
    """The teacher's weights, without the running statistics of batch normalisation."""
    found = load_file(exp / "gen0/student/weights.safetensors")
    return {name: value for name, value in found.items() if "running" not in name and "tracked" not in name}


def furthest(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> float:
    return max(float(abs(first[name] - second[name]).max()) for name in first)


@pytest.mark.slow
def test_two_processes_train_what_one_does_that_cuts_its_batches_in_two(words: list[str], tmp_path: Path) -> None:
    settings = [*TEACHER, *NOISE]
    assert cli.main([*words, "--exp", str(tmp_path / "one"), *settings, "teacher.fit.accumulate=2"]) == 0
    run(torchrun([*words, "--exp", str(tmp_path / "two"), *settings]))
    assert cli.main([*words, "--exp", str(tmp_path / "other"), *settings]) == 0
    one, two, other = (learnt(tmp_path / name) for name in ("one", "two", "other"))
    assert one
    assert furthest(one, two) < 1e-4
    assert furthest(one, other) > 1e-2  # one piece: other statistics, other dropout


@pytest.mark.slow
def test_two_processes_label_what_one_does(words: list[str], tmp_path: Path) -> None:
    settings = ["block=8", "generations=[{}]"]
    assert cli.main([*words, "--exp", str(tmp_path / "one"), *settings, "--only", "teacher"]) == 0
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    rest = [*settings, "--only", "generations", "generation.student.fit.updates=4"]
    assert cli.main([*words, "--exp", str(tmp_path / "one"), *rest]) == 0
    run(torchrun([*words, "--exp", str(tmp_path / "two"), *rest]))
    first, second = contents(tmp_path / "one"), contents(tmp_path / "two")
    assert first.keys() == second.keys()
    tables = [name for name in first if name.startswith(("gen1/0", "gen1/1", "gen1/2", "gen1/3"))]
    assert sum(name.endswith(".parquet") and "1-labels" in name for name in tables) == 15
    assert [name for name in tables if first[name] != second[name]] == []
    steps = (tmp_path / "two" / "steps.jsonl").read_text().splitlines()
    assert sum('"gen1/4-student"' in line for line in steps) == 1


@pytest.mark.slow
def test_two_processes_killed_while_they_train_end_with_the_same_bytes(words: list[str], tmp_path: Path) -> None:
    settings = ["generations=[{}]", "teacher.fit.checkpoint_every=3", "--only", "generations"]
    whole, killed = (torchrun([*words, "--exp", str(tmp_path / name), *settings]) for name in ("whole", "killed"))
    run(whole)
    assert killed_at(killed, tmp_path / "killed", "gen0/**/checkpoint-*.pt")
    assert killed_at(killed, tmp_path / "killed", "gen1/**/checkpoint-*.pt")
    run(killed)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


@pytest.mark.slow
def test_two_processes_killed_while_they_fine_tune_end_with_the_same_file(words: list[str], tmp_path: Path) -> None:
    settings = [*TEACHER, *NOISE, TUNE]
    whole, killed = (torchrun([*words, "--exp", str(tmp_path / name), *settings]) for name in ("whole", "killed"))
    run(whole)
    assert killed_at(killed, tmp_path / "killed", "gen0/**/fine-tune/checkpoint-*.pt")
    run(killed)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    assert sorted(path.name for path in (tmp_path / "whole/gen0/student").iterdir() if path.is_file()) == [
        "HASH",
        "model.json",
        "weights.safetensors",
    ]
