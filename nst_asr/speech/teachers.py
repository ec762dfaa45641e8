"""Several teachers on the same audio: how far they agree, and which label most of them stand behind.

N utterances, M teachers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
import polars as pl

from nst_asr.align import align_counts
from nst_asr.mix import Mix


def distances(labels: Sequence[Sequence[str]]) -> np.ndarray:
    """The character error rate of each pair of teachers on each utterance, both ways alike: (N, M, M), 0 and above.

    labels: M lists of N texts. The distance is the errors over the mean length of the two texts, in characters: at most
    2, for one text that is empty; 0 where both are. Characters are those of `align.align_counts`.
    """
    found = np.zeros((len(labels[0]), len(labels), len(labels)))
    for i, j in combinations(range(len(labels)), 2):
        _, deletions, insertions, length = counts = align_counts(labels[i], labels[j], "character").T.astype(np.float64)
        mean = length + (insertions - deletions) / 2
        # the shortest mean there is, that of nothing and one character, is a half
        found[:, i, j] = found[:, j, i] = counts[:3].sum(axis=0) / np.maximum(mean, 0.5)
    return found


def agreement(distances: np.ndarray) -> np.ndarray:
    """1 - the mean distance over all pairs of teachers, not below 0: (N,). Raises ValueError for a single teacher."""
    _, M, _ = distances.shape
    if M < 2:
        raise ValueError("one teacher agrees with nobody: agreement needs two or more")
    return np.asarray(np.clip(1 - distances.sum(axis=(1, 2)) / (M * (M - 1)), 0.0, 1.0))


def consensus(distances: np.ndarray) -> np.ndarray:
    """The teacher whose label has the smallest mean distance to the others', (N,); of equals the first.

    With three teachers or more, of whom most give the same label, it is that label; where all differ it is the one in
    the middle (the medoid). Two teachers are equally far from each other, so it is always the first one's.
    """
    # sums of the same numbers in another order differ in their last digits, which must not decide
    return np.asarray(distances.sum(axis=2).round(9).argmin(axis=1))


def with_usable_alternatives(data: Mix, fits: Callable[[str, float, str], bool]) -> Mix:
    """A mixture whose alternatives are labels that a student can be trained on; a row without any has its label alone.

    fits: whether, for an id and its seconds, a text is such a label. An empty text never is one.
    """
    return data.with_alternatives(
        lambda rows: pl.Series(
            "alternatives",
            [
                [text for text in texts or () if text.strip() and fits(name, size, text)]
                for name, size, texts in rows.select("id", "size", "alternatives").iter_rows()
            ],
            dtype=pl.List(pl.String),
        )
    )
