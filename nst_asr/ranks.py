"""Which of several processes this is: torchrun starts them and says so in the environment; alone, one is rank 0 of 1.

Rank 0 writes the run folder. The others wait for its files to appear; only labeling and training are shared work.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

_LOOK_EVERY = 0.1  # seconds
_PARENT = os.getppid()  # asked at once: it may be gone by the time that something is waited for


class RankError(RuntimeError):
    """Processes that do not fit together; the message says what to look at."""


def rank() -> int:
    """The number of this process, from 0."""
    return _number("RANK", 0)


def world() -> int:
    """How many processes there are."""
    return _number("WORLD_SIZE", 1)


def local_rank() -> int:
    """The number of this process among those on its machine: which GPU is its own."""
    return _number("LOCAL_RANK", 0)


def local_world() -> int:
    """How many processes share this machine."""
    return _number("LOCAL_WORLD_SIZE", 1)


def wait_for(paths: Iterable[Path], ready: Callable[[Path], bool] = Path.exists) -> None:
    """Return when all the paths exist (or are `ready`): whoever makes them renames them into place when they are whole.

    torchrun ends all processes when one fails. Raises RankError where torchrun itself is gone, which nobody would tell.
    """
    for path in paths:
        while not ready(path):
            refuse_orphaned(f"while it waited for {path}")
            time.sleep(_LOOK_EVERY)


def refuse_orphaned(when: str) -> None:
    """Raise RankError where this is one of several processes and torchrun is gone, which may have begun anew."""
    if world() > 1 and os.getppid() != _PARENT:
        raise RankError(f"rank {rank()}: the process that started it is gone, {when}")


def _number(name: str, alone: int) -> int:
    text = os.environ.get(name, "")
    if text and not text.isdigit():
        raise RankError(f"{name}={text}: not a number; torchrun sets it, nothing else should")
    return int(text or alone)
