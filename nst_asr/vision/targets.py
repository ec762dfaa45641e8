"""What the loss compares predictions with: a distribution over classes for each row of a source.

N rows, B of them in a batch, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

_FAR_FROM_ONE = 0.01  # half floats of a few shares sum to 1 within this


class TargetError(ValueError):
    """A label that is no distribution over the classes; the message names the id, the value and the way out."""


class HardTargets:
    """Class names, smoothed: 1 - s on the class and s / C on each class (Szegedy et al. 2016, section 7)."""

    def __init__(self, rows: pl.DataFrame, classes: Sequence[str], smoothing: float) -> None:
        """rows: id, label. Raises TargetError for a label that is no class."""
        self.places = places_of(rows, classes)
        self.smoothing, self.size = smoothing, len(classes)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """The targets of some rows: (B, C) f32."""
        found = np.full((len(rows), self.size), self.smoothing / self.size, np.float32)
        found[np.arange(len(rows)), self.places[rows]] += 1 - self.smoothing
        return found


class SoftTargets:
    """The k largest shares of a teacher's distribution; classes that were not stored have none."""

    def __init__(self, rows: pl.DataFrame, classes: Sequence[str]) -> None:
        """rows: id, soft_index, soft_prob. Raises TargetError where shares are not a distribution over the classes."""
        _refuse_odd(rows, len(classes))
        lengths = rows["soft_index"].list.len().to_numpy().astype(np.int64)
        self.starts = np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths)))
        self.index = rows["soft_index"].explode().to_numpy()
        self.share = rows["soft_prob"].explode().to_numpy()
        self.size = len(classes)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """The targets of some rows, each summing to 1: (B, C) f32."""
        found = np.zeros((len(rows), self.size), np.float32)
        lengths = self.starts[rows + 1] - self.starts[rows]
        which = np.repeat(np.arange(len(rows)), lengths)
        first = np.repeat(self.starts[rows] - (np.cumsum(lengths) - lengths), lengths)
        places = first + np.arange(len(which))
        found[which, self.index[places]] = self.share[places]
        return np.asarray(found / found.sum(1, keepdims=True))


def targets(rows: pl.DataFrame, classes: Sequence[str], smoothing: float) -> HardTargets | SoftTargets:
    """The targets of a source's rows: soft labels where it has them, else its class names."""
    return SoftTargets(rows, classes) if "soft_index" in rows.columns else HardTargets(rows, classes, smoothing)


def places_of(rows: pl.DataFrame, classes: Sequence[str]) -> np.ndarray:
    """The number of each row's class: (N,) i64. Raises TargetError for a label that is no class."""
    place = {name: number for number, name in enumerate(classes)}
    found = rows["label"].replace_strict(place, default=-1, return_dtype=pl.Int64).to_numpy()
    if (found < 0).any():
        row = rows.row(int(np.argmax(found < 0)), named=True)
        raise TargetError(
            f"{row['id']} has the class {row['label']!r}, which is none of the {len(classes)} that the model knows "
            f"({', '.join(classes[:5])}{', ...' if len(classes) > 5 else ''}); leave it out, or train with it"
        )
    return np.asarray(found)


def _refuse_odd(rows: pl.DataFrame, classes: int) -> None:
    """Raise TargetError for the first row whose soft label is no distribution over the classes."""
    shares = pl.col("soft_prob").cast(pl.List(pl.Float64))
    alike = pl.col("soft_index").list.len() == pl.col("soft_prob").list.len()
    known = (pl.col("soft_index").list.min() >= 0) & (pl.col("soft_index").list.max() < classes)
    once = pl.col("soft_index").list.n_unique() == pl.col("soft_index").list.len()
    whole = ((shares.list.sum() - 1).abs() <= _FAR_FROM_ONE) & (shares.list.min() >= 0)
    odd = rows.filter(~(alike & known & once & whole).fill_null(False))
    if len(odd):
        row = odd.row(0, named=True)
        total = sum(row["soft_prob"] or ())
        raise TargetError(
            f"the soft label of {row['id']} is no distribution over {classes} classes: classes {row['soft_index']}, "
            f"shares {row['soft_prob']}, which sum to {total:g}; label it anew ({len(odd)} such rows)"
        )
