"""Which blocks of a table are whose: shard K of N takes blocks K, K + N, K + 2N, ... counted from 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from nst_asr.executors import Executor

B = TypeVar("B")


class ShardError(ValueError):
    """A shard that does not exist, or work that a shard cannot do; the message says what to give."""


@dataclass(frozen=True)
class Shard:
    """The K-th of N shares of the blocks, K from 1."""

    number: int = 1
    of: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of:
            last = max(self.of, 1)
            raise ShardError(f"shard {self}: out of range; shards are counted from 1/{last} to {last}/{last}")

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def take(self, blocks: Sequence[B]) -> Sequence[B]:
        """Its own among all blocks: each N-th, so that a pool sorted by length or speaker is shared out evenly."""
        return blocks[self.number - 1 :: self.of]


ALL = Shard()


def parse_shard(text: str) -> Shard:
    """The shard that `K/N` names. Raises ShardError."""
    number, _, of = text.partition("/")
    if not (number.isdecimal() and of.isdecimal()):
        raise ShardError(f"shard {text!r}: give K/N, such as 1/8 for the first of eight")
    return Shard(int(number), int(of))


@dataclass(frozen=True)
class Share:
    """What `nst-asr label` is to do.

    generation: whose labels; null: the first one that lacks some. workers: null: as the plan says. verify: every part's
    bytes are compared with their digest.
    """

    shard: Shard = ALL
    generation: int | None = None
    workers: int | None = None
    executor: Executor = "local"
    verify: bool = False
