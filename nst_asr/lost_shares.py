"""Whether some part of the pool, a speaker or a band of durations, has vanished from what the filter kept."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import polars as pl

_BANDS = 5  # of sizes, with equal numbers of examples


def shares(pool: pl.DataFrame, kept: pl.Series, name: str, fewest: int) -> pl.DataFrame:
    """Each part of the pool by its column `name`: name, rows, kept_rows, share, kept_share, ratio; least ratio first.

    share: of the pool's hours; kept_share: of the kept hours; ratio: kept_share / share, 1 where the filter takes from
    a part as it takes from the whole. Parts of which fewer than `fewest` rows would then be kept are left out: that
    they have none may be chance. So are rows whose part is null, though they count in the totals.
    """
    rows = pool.select(name, size=pl.col("size").cast(pl.Float64)).with_columns(kept=kept)
    rate, hours = kept.mean(), rows["size"].sum()
    kept_hours = rows.filter("kept")["size"].sum()
    parts = (
        rows.drop_nulls(name)
        .group_by(name)
        .agg(
            rows=pl.len(),
            kept_rows=pl.col("kept").sum(),
            share=pl.col("size").sum() / hours,
            kept_share=pl.col("size").filter("kept").sum() / kept_hours,
        )
    )
    judged = parts.filter(pl.col("rows") * rate >= fewest)
    return judged.with_columns(ratio=pl.col("kept_share") / pl.col("share")).sort("ratio", name)


def bands(size: pl.Series) -> pl.Series:
    """The band of sizes that each example belongs to, as text such as "0.50 to 1.25": five of about equal numbers.

    There are fewer where many sizes are equal; all are null where all sizes are one.
    """
    sizes = size.cast(pl.Float64).to_numpy()
    inner = np.unique(np.quantile(sizes, np.arange(1, _BANDS) / _BANDS))
    inner = inner[inner > sizes.min()]
    if not len(inner):
        return pl.Series("band", [None] * len(sizes), dtype=pl.String)
    edges = np.concatenate(([sizes.min()], inner, [sizes.max()]))
    names = [f"{low:.2f} to {high:.2f}" for low, high in pairwise(edges)]
    return pl.Series("band", names).gather(np.searchsorted(inner, sizes, side="right"))
