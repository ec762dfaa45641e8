"""Even random numbers from one 64-bit seed an image: the same seed gives the same numbers, whatever the batch."""

from __future__ import annotations

import numpy as np

_GAMMA = np.uint64(0x9E3779B97F4A7C15)  # the step of splitmix64
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def uniforms(seeds: np.ndarray, stream: int, count: int) -> np.ndarray:
    """`count` numbers in [0, 1) for each seed, float64, shape (B, count).

    seeds: (B,) uint64. The numbers of different streams are unrelated, so what one purpose draws does not move
    another's. They are those of splitmix64 (Steele et al. 2014), read at places stream * 2^32 + 1, 2, ...
    """
    places = np.uint64(stream << 32) + np.arange(1, count + 1, dtype=np.uint64)
    words = np.asarray(seeds, np.uint64)[:, None] + _GAMMA * places
    words = (words ^ (words >> np.uint64(30))) * _FIRST
    words = (words ^ (words >> np.uint64(27))) * _SECOND
    words ^= words >> np.uint64(31)
    return np.asarray((words >> np.uint64(11)) * 2.0**-53)
