"""Resampled totals: the bootstrap over utterances, or over blocks of them, in one matrix product."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from nst_asr.key import Key

RESAMPLES = 1000
FEWEST_BLOCKS = 5  # speakers; of fewer, a resample says little about the spread among speakers
_LARGEST_DRAW = 4_000_000  # weights held in memory at once


class BlockError(ValueError):
    """Blocks that cannot be resampled; the message names the column and the way out."""


def blocks(rows: pl.DataFrame, over: str | None = None) -> tuple[str, pl.Series | None]:
    """What the bootstrap draws: its name, and the block of each row; None where each row is drawn by itself.

    rows: id, and perhaps group and others. over: a column, whose equal values are drawn together; "speaker" stands
    for the column group, "utterance" for each row by itself. None: speakers where every one is known and there are at
    least 5, else utterances. What is asked for by name needs two blocks only, but from so few the interval is rough.

    Raises BlockError where there is no such column, a row has nothing in it, or all rows are of one block.
    """
    if over is None:
        known = "group" in rows.columns and not rows["group"].null_count()
        return blocks(rows, "speaker") if known and rows["group"].n_unique() >= FEWEST_BLOCKS else ("utterance", None)
    if over == "utterance" and over not in rows.columns:
        return over, None
    column = "group" if over == "speaker" and over not in rows.columns else over
    if column not in rows.columns:
        raise BlockError(f"no column {over} to resample over (there are {', '.join(rows.columns)}); name one of these")
    found = rows[column]
    if found.null_count():
        where = rows.filter(found.is_null())["id"]
        raise BlockError(f"{where[0]}: no {over} ({len(where)} such rows); fill it in, or resample over utterance")
    if found.n_unique() < 2:
        raise BlockError(f"only one {over} ({found[0]}): no spread can be seen; resample over utterance")
    return over, found


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


def resampled_weights(unit: np.ndarray, key: Key, resamples: int = RESAMPLES) -> Iterator[np.ndarray]:
    """How often each row is in each of some resamples, (some, N) f64, until there are `resamples`.

    unit: the number of the unit of each row, (N,) from 0 on; units are drawn with replacement, their rows with them.
    For what is no ratio of totals; `resampled_totals` is faster for what is.
    """
    draw, number = key.generator(), int(unit.max()) + 1
    rows = max(1, _LARGEST_DRAW // len(unit))
    for start in range(0, resamples, rows):
        size = min(rows, resamples - start)
        yield draw.multinomial(number, np.full(number, 1 / number), size=size)[:, unit].astype(np.float64)


def rate(errors: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Errors a word; where there are no words, the number of errors (the convention of jiwer)."""
    return np.asarray(errors / np.maximum(words, 1))


def percentiles(samples: np.ndarray) -> tuple[float, float]:
    """The middle 95 % of the samples."""
    low, high = np.percentile(samples, [2.5, 97.5])
    return float(low), float(high)
