"""Labels that run in a circle: n-grams that come back, loops of one word."""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl
import pydantic

from nst_asr.config import Record

_MOST_ROWS = 2**20  # a row's number has 20 bits of the key that n-grams are sorted by


class Repeat(Record):
    """Signs of a search that runs in a circle: any one of them rejects the label.

    An n-gram that occurs `times` or more (occurrences may overlap), or one unit that stands `loop` or more times in a
    row. The defaults for n-grams are those of the labels that Kahn et al. 2020 released (a 4-gram twice).
    """

    ngram: int = pydantic.Field(default=4, ge=1)
    times: int = pydantic.Field(default=2, ge=2)
    loop: int = pydantic.Field(default=4, ge=2)
    # words, because letters and short pieces repeat in healthy text; "token" for languages written without spaces
    unit: Literal["word", "token"] = "word"


def repeats(plan: Repeat) -> pl.Expr:
    """True for the rows of a label table whose label shows one of the signs."""
    units = pl.col("label").str.split(" ") if plan.unit == "word" else pl.col("tokens")
    return units.map_batches(lambda column: _repeats(column, plan), return_dtype=pl.Boolean, is_elementwise=True)


def _repeats(units: pl.Series, plan: Repeat) -> pl.Series:
    """True for each list that holds a repeated n-gram or a loop; works on one flat array of hashed units."""
    if len(units) > _MOST_ROWS:
        starts = range(0, len(units), _MOST_ROWS)
        return pl.concat([_repeats(units.slice(start, _MOST_ROWS), plan) for start in starts])
    length = units.list.len().fill_null(0).to_numpy()
    flat = units.filter(length > 0).explode()
    row = np.repeat(np.arange(len(units), dtype=np.uint64), length)
    unit = flat.hash().to_numpy()
    if flat.dtype == pl.String and (blank := flat == "").any():  # double spaces
        present = (~blank).to_numpy()
        row, unit = row[present], unit[present]
    rejected = np.zeros(len(units), bool)
    rejected[_in_loops(row, unit, plan.loop)] = True
    rejected[_with_repeated_ngram(row, unit, plan.ngram, plan.times)] = True
    return pl.Series(rejected)


def _in_loops(row: np.ndarray, unit: np.ndarray, loop: int) -> np.ndarray:
    """The rows in which one unit stands `loop` or more times in a row."""
    changes = np.flatnonzero((unit[1:] != unit[:-1]) | (row[1:] != row[:-1])) + 1
    starts = np.concatenate(([0], changes)) if len(unit) else changes
    runs = np.diff(starts, append=len(unit))
    return np.asarray(row[starts[runs >= loop]])


def _with_repeated_ngram(row: np.ndarray, unit: np.ndarray, n: int, times: int) -> np.ndarray:
    """The rows in which an n-gram occurs `times` or more.

    An n-gram is known by 44 bits of its hash: two of one 32-word label are taken for the same one in 4 x 10^10 labels.
    """
    if len(unit) < n:
        return row[:0]
    ends = len(unit) - n + 1
    ngram = np.zeros(ends, np.uint64)
    for place in range(n):
        ngram *= np.uint64(0x9E3779B97F4A7C15)
        ngram += unit[place : place + ends]
    whole = row[:ends] == row[n - 1 :]
    key = np.sort((row[:ends] << np.uint64(44) | ngram >> np.uint64(20))[whole])
    again = key[times - 1 :] == key[: max(len(key) - times + 1, 0)]
    return np.asarray(key[: len(again)][again] >> np.uint64(44))
