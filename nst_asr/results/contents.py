"""What the kept labels are of beside all: words a second, durations, speakers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from nst_asr.census import Measure, length
from nst_asr.lost_shares import shares
from nst_asr.results.bins import histograms, short
from nst_asr.results.judged import judged
from nst_asr.results.plan_of import plan_of
from nst_asr.results.sets import column_of

_FEWEST = 20  # rows that would be kept of a group if the filter took alike of all, where the plan does not say
_SHOWN = 8  # groups at either end


def contents(run: Path, number: int) -> dict[str, Any]:
    """`rate` (words a second), `size` (seconds) and `group`, each with a `reason` where there is nothing to tell.

    The labels of the pool that were kept beside all of them and, where it is known, the labeled set.
    """
    table = judged(run / f"gen{number}").select("id", "size", "label", "kept").collect()
    labeled, _ = column_of(run, "labeled", "label")
    return {**_sized(table, labeled), "group": _groups(run, table)}


def _sized(table: pl.DataFrame, labeled: pl.DataFrame | None) -> dict[str, Any]:
    """Words a second and durations; neither where all examples are of one size, as images are."""
    if table["size"].n_unique() < 2:
        return {name: {"reason": "all examples are of one size"} for name in ("rate", "size")}
    given = labeled if labeled is not None and "size" in labeled.columns else None
    measure = Measure.of(given if given is not None else table.select("size", pl.col("label").fill_null("")))
    sides = {"all": table, "kept": table.filter("kept")} | ({"labeled": given} if given is not None else {})
    words = {name: side.select(length(measure.unit)).to_series().to_numpy() for name, side in sides.items()}
    sizes = {name: side["size"].cast(pl.Float64).to_numpy() for name, side in sides.items()}
    rates = {name: words[name] / np.maximum(sizes[name], 1e-9) for name in sides}
    mean = {name: short(float(words[name].sum() / max(sizes[name].sum(), 1e-9))) for name in sides}
    return {
        "rate": {"reason": None, "unit": measure.unit, "mean": mean, **(histograms(rates) or {})},
        "size": {"reason": None, **(histograms(sizes) or {})},
    }


def _groups(run: Path, table: pl.DataFrame) -> dict[str, Any]:
    """How many groups the pool has, and those of which the filter kept least and most."""
    pool, why = column_of(run, "unlabeled", "group")
    if pool is None:
        return {"reason": why}
    rows = table.join(pool.select("id", "group"), on="id", how="left", maintain_order="left")
    known = rows["group"].n_unique() - bool(rows["group"].null_count())
    if known < 2 or not rows["kept"].any():
        return {"reason": "no two groups of the pool are known" if known < 2 else "nothing is kept"}
    found = shares(rows.select("group", "size"), rows["kept"], "group", _fewest(run))
    columns = found.select("group", "rows", "kept_rows", "ratio", kept_share=pl.col("kept_rows") / pl.col("rows"))
    least = columns.head(_SHOWN)
    most = columns.reverse().head(min(_SHOWN, max(0, len(columns) - len(least))))
    return {
        "reason": None,
        "known": known,
        "judged": len(found),
        "none_kept": int(rows.drop_nulls("group").group_by("group").agg(pl.col("kept").any())["kept"].not_().sum()),
        "least": _rows(least),
        "most": _rows(most),
    }


def _rows(table: pl.DataFrame) -> list[dict[str, Any]]:
    floats = ("ratio", "kept_share")
    return [row | {name: short(row[name]) for name in floats} for row in table.to_dicts()]


def _fewest(run: Path) -> int:
    """The number under which the plan's alarms judge no group."""
    found = (plan_of(run).get("alarms") or {}).get("fewest")
    return found if isinstance(found, int) and found > 0 else _FEWEST
