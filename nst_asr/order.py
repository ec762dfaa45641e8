"""The order in which a source's entries pass, lap after lap, and where to go on in the middle of one.

Indexed: every lap is a permutation of all entries; for data that can be read anywhere at once.
Streamed: the entries lie in consecutive blocks, such as shards; every lap is a permutation of the blocks, of which a
few are read at the same time, shuffled together. A place in a lap is a block and an offset: going on there reads
nothing of what came before.

Sizes are whole numbers (thousandths), so that sums are exact however they are made.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

import numpy as np

from nst_asr.key import Key


class Order(Protocol):
    """A way to pass all entries once a lap."""

    def between(self, lap: int, low: int, high: int) -> np.ndarray:
        """The entries of a lap that begin at a running size in [low, high), in order."""


class Indexed:
    """Every lap a keyed permutation of all entries."""

    def __init__(self, sizes: np.ndarray, key: Key) -> None:
        self.sizes, self.key = sizes, key
        self._lap = lru_cache(maxsize=2)(self._make_lap)

    def between(self, lap: int, low: int, high: int) -> np.ndarray:
        """The entries of a lap that begin at a running size in [low, high), in order."""
        order, starts = self._lap(lap)
        first, end = np.searchsorted(starts, [low, high])
        return order[first:end]

    def _make_lap(self, lap: int) -> tuple[np.ndarray, np.ndarray]:
        order = self.key["lap", lap].generator().permutation(len(self.sizes))
        sizes = self.sizes[order]
        return order, np.cumsum(sizes) - sizes


class Streamed:
    """Every lap a keyed permutation of blocks; `together` blocks in a row are shuffled entry by entry."""

    def __init__(self, sizes: np.ndarray, key: Key, starts: np.ndarray, together: int) -> None:
        """sizes: one an entry, in the order in which they lie; starts: the first entry of each block."""
        self.sizes, self.key, self.starts, self.together = sizes, key, starts, together
        self.ends = np.append(starts[1:], len(sizes))
        self.totals = np.add.reduceat(sizes, starts)
        self._lap = lru_cache(maxsize=2)(self._make_lap)
        self._group = lru_cache(maxsize=4)(self._make_group)

    def between(self, lap: int, low: int, high: int) -> np.ndarray:
        """The entries of a lap that begin at a running size in [low, high), in order."""
        _, starts = self._lap(lap)
        first = max(int(np.searchsorted(starts, low, side="right")) - 1, 0)
        end = int(np.searchsorted(starts, high))
        found = []
        for group in range(first, end):
            entries, begins = self._group(lap, group)
            found.append(entries[(begins >= low) & (begins < high)])
        return np.concatenate(found) if found else np.zeros(0, np.int64)

    def _make_lap(self, lap: int) -> tuple[np.ndarray, np.ndarray]:
        """The blocks in order, and the running size at which each group of them begins."""
        blocks = self.key["lap", lap].generator().permutation(len(self.totals))
        totals = np.add.reduceat(self.totals[blocks], np.arange(0, len(blocks), self.together))
        return blocks, np.cumsum(totals) - totals

    def _make_group(self, lap: int, group: int) -> tuple[np.ndarray, np.ndarray]:
        """The entries of a group in order, and the running size at which each begins."""
        blocks, starts = self._lap(lap)
        chosen = blocks[group * self.together : (group + 1) * self.together]
        entries = np.concatenate([np.arange(self.starts[block], self.ends[block]) for block in chosen])
        entries = self.key["lap", lap, "group", group].generator().permutation(entries)
        sizes = self.sizes[entries]
        return entries, starts[group] + np.cumsum(sizes) - sizes
