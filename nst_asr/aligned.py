"""How far many pairs of texts are apart, and which words stand in place of which, in bulk."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from nst_asr.align import Costs, Unit, align_counts, changes_of, pieces

SCHEMA: dict[str, pl.DataType] = {"before": pl.String(), "after": pl.String(), "count": pl.Int64()}
_PAIRS = 8192  # at a time: a word that often changes is counted before it is looked up
_MOST = 1_000_000  # rows before equal changes are added up


def edits(before: Sequence[str], after: Sequence[str], unit: Unit = "word") -> np.ndarray:
    """The Levenshtein distance of each pair, int64 of shape (N,): what `align.align_counts` divides into kinds.

    Raises ValueError where the two differ in number.
    """
    _refuse_unequal(before, after)
    return np.asarray(align_counts(before, after, unit)[:, :3].sum(1, dtype=np.int64))


def changed_words(
    before: Sequence[str] | pl.Series, after: Sequence[str] | pl.Series, costs: Costs = "unit"
) -> pl.DataFrame:
    """How often each word of the first texts became which word of the second: before, after, count; most often first.

    `before` is null at an insertion, `after` at a deletion; words that match are left out. The alignments are those of
    `align.aligned` with the same costs, pair by pair. Memory grows with the number of different changes, not with that
    of the pairs. Raises ValueError where the two differ in number.
    """
    _refuse_unequal(before, after)
    tables, rows = [pl.DataFrame(schema=SCHEMA)], 0
    for left, right in pieces(before, after, _PAIRS):
        tables.append(_changes(left, right, costs))
        rows += len(tables[-1])
        if rows > _MOST:
            tables, rows = [_added(tables)], 0
    return in_order(_added(tables))


def _changes(before: list[str], after: list[str], costs: Costs) -> pl.DataFrame:
    """The changes of some pairs and how often each is among them, in no order."""
    found, left, right = changes_of(before, after, costs)
    kinds, places = np.unique(np.concatenate([left, right]), return_inverse=True)
    words = pl.Series([found.name(kind) for kind in kinds.tolist()], dtype=pl.String)
    sides = {"before": words.gather(places[: len(left)]), "after": words.gather(places[len(left) :])}
    return pl.DataFrame(sides).group_by("before", "after").agg(count=pl.len().cast(pl.Int64))


def _added(tables: list[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(tables).group_by("before", "after").agg(pl.col("count").sum())


def in_order(changes: pl.DataFrame) -> pl.DataFrame:
    """The changes with the most frequent first; among equals by the words, so that the order is always the same."""
    return changes.sort("count", "before", "after", descending=[True, False, False], nulls_last=True).match_to_schema(
        SCHEMA
    )


def _refuse_unequal(before: Sequence[str] | pl.Series, after: Sequence[str] | pl.Series) -> None:
    if len(before) != len(after):
        raise ValueError(f"{len(before)} texts before but {len(after)} after: give one for each")
