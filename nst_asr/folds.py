"""Folds for cross-validation that no group is divided among."""

from __future__ import annotations

import numpy as np
import polars as pl

from nst_asr.key import Key


def folds(rows: pl.DataFrame, number: int, key: Key) -> np.ndarray:
    """The fold of each row (id, group), 0 ... number - 1 or fewer: the rows of one group are in one fold.

    Groups are dealt out in keyed order, each to the fold that has the fewest rows so far; a row without a group is one
    of its own. Where all rows are of one group they are dealt out one by one: there is no other way to leave any out.
    The order of the rows does not matter.
    """
    alone = rows["group"].null_count() == 0 and rows["group"].n_unique() == 1
    itself = pl.lit("i ") + pl.col("id")
    named = rows.select(name=itself if alone else pl.coalesce(pl.lit("g ") + pl.col("group"), itself))
    groups = named.group_by("name").len().sort("name")
    draws = key.uniforms(groups["name"].to_list())
    sizes, fold = np.zeros(min(number, len(groups)), np.int64), np.zeros(len(groups), np.int64)
    for place in np.argsort(draws, kind="stable").tolist():
        fold[place] = int(sizes.argmin())
        sizes[fold[place]] += groups["len"][place]
    of_group = groups.select("name", fold=pl.Series(fold))
    return named.join(of_group, on="name", how="left", maintain_order="left")["fold"].to_numpy()
