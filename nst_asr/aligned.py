"""How far many pairs of texts are apart, and which words stand in place of which: bulk work in compiled code."""

from __future__ import annotations

from collections.abc import Sequence

import numba
import numpy as np
import polars as pl

from nst_asr.align import Unit, integers, words_of

SCHEMA: dict[str, pl.DataType] = {"before": pl.String(), "after": pl.String(), "count": pl.Int64()}


def edits(before: Sequence[str], after: Sequence[str], unit: Unit = "word") -> np.ndarray:
    """The Levenshtein distance of each pair, int64 of shape (N,): what `align.align_counts` divides into kinds.

    Several times as fast as that for long texts that differ little, such as two hypotheses of one utterance letter by
    letter. Source: Ukkonen 1985, "Algorithms for approximate string matching" (a band around the diagonal, doubled
    until the distance fits into it). Raises ValueError where the two differ in number.
    """
    _refuse_unequal(before, after)
    symbols, ends = integers([*before, *after], unit)
    return np.asarray(_distances(symbols, ends, len(before)))


def changed_words(before: Sequence[str], after: Sequence[str]) -> pl.DataFrame:
    """How often each word of the first texts became which word of the second: before, after, count; most often first.

    `before` is null at an insertion, `after` at a deletion; words that match are left out. The alignments are those of
    `align.aligned`, pair by pair. Raises ValueError where the two differ in number.
    """
    _refuse_unequal(before, after)
    texts = [*before, *after]
    symbols, ends = integers(texts, "word")
    left, right = _operations(symbols, ends, len(before))
    words = words_of(texts).explode(empty_as_null=False)
    pairs = pl.DataFrame({"before": _words_at(words, left), "after": _words_at(words, right)})
    return in_order(pairs.group_by("before", "after").agg(count=pl.len().cast(pl.Int64)))


def in_order(changes: pl.DataFrame) -> pl.DataFrame:
    """The changes with the most frequent first; among equals by the words, so that the order is always the same."""
    return changes.sort("count", "before", "after", descending=[True, False, False], nulls_last=True).match_to_schema(
        SCHEMA
    )


def _refuse_unequal(before: Sequence[str], after: Sequence[str]) -> None:
    if len(before) != len(after):
        raise ValueError(f"{len(before)} texts before but {len(after)} after: give one for each")


def _words_at(words: pl.Series, places: np.ndarray) -> pl.Series:
    """The words at these places, null where the place is -1."""
    at = pl.Series(places)
    return words.gather(at.set(at < 0, None))


@numba.njit(cache=True)
def _operations(
    symbols: np.ndarray, ends: np.ndarray, pairs: int
) -> tuple[np.ndarray, np.ndarray]:  # pragma: no cover - compiled
    """The places of both symbols at each substitution, deletion (right is -1) and insertion (left is -1)."""
    left, right = np.full(len(symbols), -1, np.int64), np.full(len(symbols), -1, np.int64)
    found = 0
    for pair in range(pairs):
        start = ends[pair - 1] if pair else 0
        other = ends[pairs + pair - 1]
        first, second = symbols[start : ends[pair]], symbols[other : ends[pairs + pair]]
        cost = _costs(first, second)
        i, j = len(first), len(second)
        while i or j:
            differ = 1 if i and j and first[i - 1] != second[j - 1] else 0
            if i and j and cost[i, j] == cost[i - 1, j - 1] + differ:
                i, j = i - 1, j - 1
                if differ:
                    left[found], right[found] = start + i, other + j
                    found += 1
            elif i and cost[i, j] == cost[i - 1, j] + 1:
                i -= 1
                left[found] = start + i
                found += 1
            else:
                j -= 1
                right[found] = other + j
                found += 1
    return left[:found], right[:found]


@numba.njit(cache=True)
def _costs(first: np.ndarray, second: np.ndarray) -> np.ndarray:  # pragma: no cover - compiled
    cost = np.empty((len(first) + 1, len(second) + 1), np.int32)
    for j in range(len(second) + 1):
        cost[0, j] = j
    for i in range(1, len(first) + 1):
        cost[i, 0] = i
        for j in range(1, len(second) + 1):
            diagonal = cost[i - 1, j - 1] + (1 if first[i - 1] != second[j - 1] else 0)
            cost[i, j] = min(diagonal, cost[i - 1, j] + 1, cost[i, j - 1] + 1)
    return cost


@numba.njit(cache=True)
def _distances(symbols: np.ndarray, ends: np.ndarray, pairs: int) -> np.ndarray:  # pragma: no cover - compiled
    found = np.empty(pairs, np.int64)
    for pair in range(pairs):
        first = symbols[(ends[pair - 1] if pair else 0) : ends[pair]]
        second = symbols[ends[pairs + pair - 1] : ends[pairs + pair]]
        found[pair] = _distance(first, second)
    return found


@numba.njit(cache=True)
def _distance(first: np.ndarray, second: np.ndarray) -> int:  # pragma: no cover - compiled
    """The distance: without what both begin and end with, in a band that is doubled until it is wide enough."""
    start, left, right = 0, len(first), len(second)
    while start < min(left, right) and first[start] == second[start]:
        start += 1
    while left > start and right > start and first[left - 1] == second[right - 1]:
        left, right = left - 1, right - 1
    first, second = first[start:left], second[start:right]
    if not len(first) or not len(second):
        return max(len(first), len(second))
    band = max(abs(len(first) - len(second)), 4)
    while True:
        distance = _within(first, second, band)
        if distance <= band:
            return distance
        band *= 2


@numba.njit(cache=True)
def _within(first: np.ndarray, second: np.ndarray, band: int) -> int:  # pragma: no cover - compiled
    """The distance if it is at most `band`, else some number above: no cell further from the diagonal is looked at."""
    width, beyond = len(second), band + 1
    cost = np.full(width + 1, beyond, np.int64)
    for j in range(min(width, band) + 1):
        cost[j] = j
    for i in range(1, len(first) + 1):
        low, high = max(1, i - band), min(width, i + band)
        diagonal = cost[low - 1]
        cost[low - 1] = i if low == 1 else beyond
        least = cost[low - 1]
        for j in range(low, high + 1):
            above = cost[j]
            cell = diagonal + (1 if first[i - 1] != second[j - 1] else 0)
            cell = min(cell, above + 1, cost[j - 1] + 1)
            diagonal, cost[j] = above, cell
            least = min(least, cell)
        if least > band:
            return beyond
    return int(cost[width])
