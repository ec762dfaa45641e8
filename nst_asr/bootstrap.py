"""Resampled totals: the bootstrap over utterances or speakers, in one matrix product."""

from __future__ import annotations

import numpy as np

from nst_asr.key import Key

RESAMPLES = 1000
_LARGEST_DRAW = 4_000_000  # weights held in memory at once


def resampled_totals(units: np.ndarray, key: Key, resamples: int = RESAMPLES) -> np.ndarray:
    """Column totals of `resamples` draws of N units with replacement, shape (resamples, K), from units (N, K) >= 0.

    Equal units are interchangeable, so the multinomial is drawn over the distinct ones: the same distribution, much
    less to draw, and the result does not depend on the order of the units.
    Source: Bisani and Ney 2004, "Bootstrap estimates for confidence intervals in ASR performance evaluation".
    """
    distinct, counts = np.unique(units, axis=0, return_counts=True)
    draw, total = key.generator(), int(counts.sum())
    rows = max(1, _LARGEST_DRAW // len(distinct))
    pieces = [
        draw.multinomial(total, counts / total, size=min(rows, resamples - start)) @ distinct
        for start in range(0, resamples, rows)
    ]
    return np.concatenate(pieces)


def rate(errors: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Errors a word; where there are no words, the number of errors (the convention of jiwer)."""
    return np.asarray(errors / np.maximum(words, 1))


def percentiles(samples: np.ndarray) -> tuple[float, float]:
    """The middle 95 % of the samples."""
    low, high = np.percentile(samples, [2.5, 97.5])
    return float(low), float(high)
