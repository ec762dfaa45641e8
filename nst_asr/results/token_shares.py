"""Which tokens the kept labels have too many and too few of, before and after balancing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from nst_asr.census import Measure, counted
from nst_asr.results.bins import short
from nst_asr.results.judged import judged
from nst_asr.results.sets import column_of
from nst_asr.store import read_table

_SIDES = ("labeled", "kept", "copies")
_SHOWN = 10  # tokens at either end
_FREQUENT = 30  # in the plot, the most frequent of the labeled set
_FEWEST = 20  # occurrences to be expected of a token, without which its share is chance


def token_shares(run: Path, number: int) -> dict[str, Any]:
    """The shares of tokens: `frequent`, `over`, `under`, `lost`, `new`, and what was counted.

    Counted are the model's units, in 3-tokens.parquet; in folders of older versions, which lack it, the words of labels
    against those of the labeled set, where that is still known. Else there is a `reason`, and nothing more.

    ratio: a token's share of the kept labels / its share of the labeled set. over, under: the farthest from 1, of the
    tokens of which at least 20 were to be expected in the kept labels. lost: kinds that the labeled set has, and the
    kept labels have not though at least 20 were to be expected. new: kinds that the labeled set does not have.
    """
    path = run / f"gen{number}" / "3-tokens.parquet"
    if path.exists():
        return {"of": "unit", "reason": None} | _compared(read_table(path))
    counts, why = _words(run, number)
    if counts is None:
        return {"of": None, "reason": why}
    return {"of": "word", "reason": None} | _compared(counts)


def _words(run: Path, number: int) -> tuple[pl.DataFrame | None, str | None]:
    """How often each word (or character: `census.Measure`) occurs in the labeled set, the kept labels, the copies."""
    labeled, why = column_of(run, "labeled", "label")
    if labeled is None:
        return None, why
    measure = Measure.of(labeled if "size" in labeled.columns else labeled.with_columns(size=pl.lit(1.0)))
    table = judged(run / f"gen{number}").filter("kept").select("label", "copies").collect()
    sides = {
        "labeled": counted(labeled["label"], measure.unit),
        "kept": counted(table["label"], measure.unit),
        "copies": counted(table["label"], measure.unit, table["copies"]),
    }
    whole = pl.concat([side.select("word") for side in sides.values()]).unique().sort("word")
    for name, side in sides.items():
        whole = whole.join(side.rename({"count": name}), on="word", how="left", maintain_order="left")
    return whole.rename({"word": "token"}).fill_null(0), None


def _compared(counts: pl.DataFrame) -> dict[str, Any]:
    totals: Mapping[str, float] = {name: float(counts[name].sum()) for name in _SIDES}
    shares = counts.with_columns(pl.col(name) / max(totals[name], 1.0) for name in _SIDES)
    shares = shares.with_columns(
        ratio=pl.col("kept") / pl.col("labeled"),
        ratio_after=pl.col("copies") / pl.col("labeled"),
        expected=pl.col("labeled") * totals["kept"],
    )
    there = shares.filter(pl.col("labeled") > 0)
    known = there.filter(pl.col("expected") >= _FEWEST).sort("ratio", "token")
    lost = known.filter(pl.col("kept") == 0)
    new = shares.filter(pl.col("labeled") == 0, pl.col("kept") > 0).sort("kept", "token", descending=[True, False])
    under = known.filter(pl.col("ratio") < 1).head(_SHOWN)
    over = known.filter(pl.col("ratio") > 1).sort("ratio", "token", descending=[True, False]).head(_SHOWN)
    frequent = there.sort("labeled", "token", descending=[True, False]).head(_FREQUENT)
    return {
        "totals": {name: round(total) for name, total in totals.items()},
        "kinds": {name: int((counts[name] > 0).sum()) for name in _SIDES},
        "judged": len(known),
        "fewest": _FEWEST,
        "frequent": _rows(frequent),
        "over": _rows(over),
        "under": _rows(under),
        "lost": {"kinds": len(lost), "tokens": lost["token"].head(_SHOWN).to_list()},
        "new": {
            "kinds": len(new),
            "share": short(float(new["kept"].sum())),
            "tokens": new["token"].head(_SHOWN).to_list(),
        },
    }


def _rows(table: pl.DataFrame) -> list[dict[str, Any]]:
    names = (*_SIDES, "ratio", "ratio_after")
    return [
        {"token": row["token"]} | {name: short(row[name]) for name in names}
        for row in table.select("token", *names).to_dicts()
    ]
