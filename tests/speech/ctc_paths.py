"""Every CTC path, one by one: what the sums and searches are checked against."""

import itertools
import math

from torch import Tensor


def collapse(path: tuple[int, ...]) -> tuple[int, ...]:
    """A path's label: repeats merged, then blanks removed."""
    return tuple(token for token, _ in itertools.groupby(path) if token)


def label_probabilities(log_probs: Tensor) -> dict[tuple[int, ...], float]:
    """The probability of every label that so many frames can carry; log_probs: (frames, vocabulary)."""
    frames, vocabulary = log_probs.shape
    found: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(vocabulary), repeat=frames):
        logp = sum(float(log_probs[t, v]) for t, v in enumerate(path))
        found[collapse(path)] = found.get(collapse(path), 0.0) + math.exp(logp)
    return found
