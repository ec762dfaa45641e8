"""Keyed randomness: every draw follows from a key, never from global state.

A key is a seed and a path of names and numbers, such as `Key(0)["generation", 2]["mix"]["lap", 7]`. Two keys that
differ anywhere give independent streams; the same key gives the same draw whatever the number of workers, ranks or
restarts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Key:
    """The name of one stream of randomness."""

    seed: int
    path: tuple[str | int, ...] = ()

    def __getitem__(self, name: str | int | tuple[str | int, ...]) -> Key:
        """The key one or more names further down the path."""
        names = name if isinstance(name, tuple) else (name,)
        return Key(self.seed, self.path + names)

    def number(self) -> int:
        """A 63-bit number, fit to seed any generator."""
        return int.from_bytes(self._digest("", 8), "little") >> 1

    def generator(self) -> np.random.Generator:
        """A numpy generator that starts at this key."""
        return np.random.Generator(np.random.Philox(key=int.from_bytes(self._digest("", 16), "little")))

    def uniforms(self, ids: Iterable[str]) -> np.ndarray:
        """One number in [0, 1) for each id: it depends on the key and on that id alone, not on its place."""
        prefix = hashlib.blake2b(self._name().encode(), digest_size=8)
        words = bytearray()
        for name in ids:
            word = prefix.copy()
            word.update(name.encode())
            words += word.digest()
        return (np.frombuffer(bytes(words), dtype="<u8") >> np.uint64(11)) * 2.0**-53

    def _digest(self, suffix: str, size: int) -> bytes:
        return hashlib.blake2b((self._name() + suffix).encode(), digest_size=size).digest()

    def _name(self) -> str:
        return repr((self.seed, *self.path))
