"""Labels as one array of bytes: a Python object or a Polars list for each label takes several times as long."""

from __future__ import annotations

import numba
import numpy as np
import polars as pl


def flat(labels: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """The bytes (UTF-8) of all labels one after the other, and where those of each end; a null label has none."""
    text = labels.fill_null("")
    joined = text.str.join("").item() if len(text) else ""
    return np.frombuffer(joined.encode(), np.uint8), np.cumsum(text.str.len_bytes().to_numpy().astype(np.int64))


def words(labels: pl.Series) -> pl.Series:
    """The number of words of each label, f64: one more than it has blanks, 0 where it is empty or null."""
    return pl.Series(labels.name, _words(*flat(labels)))


@numba.njit(cache=True, nogil=True)
def _words(text: np.ndarray, ends: np.ndarray) -> np.ndarray:  # pragma: no cover - compiled
    found, start = np.zeros(len(ends)), 0
    for row, end in enumerate(ends):
        blanks = 0
        for place in range(start, end):
            blanks += text[place] == 32
        found[row] = blanks + (end > start)
        start = end
    return found
