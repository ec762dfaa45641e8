"""Labels that run in a circle: n-grams that come back, loops of one word."""

from __future__ import annotations

from typing import Literal

import numba
import numpy as np
import polars as pl
import pydantic

from nst_asr.config import Record
from nst_asr.flat_text import flat


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
    units = pl.col("label") if plan.unit == "word" else pl.col("tokens")
    return units.map_batches(lambda column: _repeats(column, plan), return_dtype=pl.Boolean, is_elementwise=True)


def _repeats(units: pl.Series, plan: Repeat) -> pl.Series:
    """True for each label that holds a repeated n-gram or a loop; works on one flat array of hashed units."""
    unit, ends = (_words if plan.unit == "word" else _tokens)(units)
    return pl.Series(_search(unit, ends, plan.ngram, plan.times, plan.loop))


def _tokens(lists: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """The hashes of all tokens in one array, and where those of each row end."""
    length = lists.list.len().fill_null(0).to_numpy().astype(np.int64)
    return lists.filter(length > 0).explode().hash().to_numpy(), np.cumsum(length)


def _words(labels: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """The hashes of all words in one array, and where those of each row end; words stand between blanks."""
    return _hashed(*flat(labels))


@numba.njit(cache=True, nogil=True)
def _hashed(text: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # pragma: no cover - compiled
    """FNV-1a, 64 bits, of each run of bytes that are no blanks."""
    unit, of_row = np.empty(len(text) // 2 + len(ends) + 1, np.uint64), np.empty(len(ends), np.int64)
    words, start = 0, 0
    for row, end in enumerate(ends):
        inside, word = False, np.uint64(0)
        for place in range(start, end):
            if text[place] == 32:
                words += inside
                inside = False
            else:
                if not inside:
                    inside, word = True, np.uint64(0xCBF29CE484222325)
                word = (word ^ np.uint64(text[place])) * np.uint64(0x100000001B3)
                unit[words] = word
        words += inside
        of_row[row], start = words, end
    return unit[:words], of_row


@numba.njit(cache=True, nogil=True)
def _search(
    unit: np.ndarray, ends: np.ndarray, n: int, times: int, loop: int
) -> np.ndarray:  # pragma: no cover - compiled
    """Whether each row, unit[ends[row - 1] : ends[row]], holds a loop, or an n-gram `times` or more.

    An n-gram is known by 64 bits of its hash. Those of one row are counted in a table with open addressing; the row's
    number beside an entry says whether it is of this row.
    """
    found = np.zeros(len(ends), np.bool_)
    longest, start = 1, 0
    for end in ends:
        longest, start = max(longest, end - start), end
    places = 4
    while places < 2 * longest:
        places *= 2
    key, of_row, count = np.zeros(places, np.uint64), np.full(places, -1), np.zeros(places, np.int64)
    start = 0
    for row, end in enumerate(ends):
        run = 0
        for place in range(start, end):
            run = run + 1 if place > start and unit[place] == unit[place - 1] else 1
            if run >= loop:
                found[row] = True
        for place in range(start, end - n + 1):
            if found[row]:
                break
            ngram = np.uint64(0)
            for each in range(n):
                ngram = ngram * np.uint64(0x9E3779B97F4A7C15) + unit[place + each]
            slot = np.int64((ngram >> np.uint64(32)) & np.uint64(places - 1))
            while of_row[slot] == row and key[slot] != ngram:
                slot = (slot + 1) & (places - 1)
            if of_row[slot] != row:
                of_row[slot], key[slot], count[slot] = row, ngram, 0
            count[slot] += 1
            found[row] = count[slot] >= times
        start = end
    return found
