"""Which labels a person should look at: the surest, the least sure, and those that changed most. Piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from nst_asr.aligned import edits
from nst_asr.labels import parts_in, scan_parts
from nst_asr.measures import ADDED, CALIBRATED, MEASURES
from nst_asr.side_by_side import pieces, readable, side_by_side
from nst_asr.verdicts import KEPT

EACH = 4  # labels of a kind
KINDS = ("surest_kept", "least_sure_kept", "surest_rejected", "least_sure_rejected")

_PREFERRED = (CALIBRATED, "normalised_score", "confidence")  # what tells how sure a label is, the best first
_PLACE = ["row", "id"]


def measures_there(folder: Path) -> list[str]:
    """The measures that order a generation's labels by how sure they are: those that any label of it has, best first.

    Labels that are equal by the first are ordered by the next, in the end by id.
    """
    with readable(folder / "2-verdicts.parquet"):
        verdicts = _verdicts(folder).select(pl.col(ADDED).is_not_null().any()).collect()
    known = {name for name in ADDED if verdicts[name].item()} | {"confidence"}
    return [name for name in _PREFERRED if set(MEASURES[name].columns) <= known]


def surest_and_least_sure(folder: Path, by: list[str], each: int = EACH) -> dict[str, pl.DataFrame]:
    """For every kind (`KINDS`) the `each` labels at that end, first the one nearest to it: `row` in the pool, and `id`.

    No label is of two kinds. Those without any of the measures `by`, such as empty ones, come last at either end.
    """
    best: dict[str, pl.DataFrame] = {}
    for piece in _judged(folder, by):
        for kind in KINDS:
            side = piece.filter(pl.col("kept") if kind.endswith("_kept") else ~pl.col("kept"))
            # twice as many: the other end may have taken the first half of them
            ends = [best[kind], side] if kind in best else [side]
            best[kind] = _sorted(pl.concat(ends), by, surest=not kind.startswith("least")).head(2 * each)
    for kind in KINDS:
        other = best.get(kind.replace("least_sure", "surest"))
        if kind in best and other is not None and kind.startswith("least"):
            best[kind] = best[kind].join(other.head(each), on="row", how="anti", maintain_order="left")
    return {kind: found.head(each).select(_PLACE) for kind, found in best.items()}


def most_changed(before: Path, folder: Path, by: list[str], each: int = EACH) -> pl.DataFrame:
    """The `each` labels that are furthest from those of an earlier generation: `row`, `id`, `edits`, `old` label.

    edits: of words, that lead from the old label to the new one. Among equals the surest come first, then the order of
    ids decides. Raises StoreError where the two are not of the same examples in the same order.
    """
    old, new = (parts_in(place / "1-labels") for place in (before, folder))
    best: list[pl.DataFrame] = []
    for pair, piece in zip(side_by_side(old, new), _judged(folder, by), strict=True):
        changed = pair["old"] != pair["new"]
        texts = pair.filter(changed)
        apart = pl.Series("edits", edits(texts["old"].to_list(), texts["new"].to_list()), pl.Int64)
        found = piece.filter(changed).with_columns(apart, texts["old"])
        best = [_sorted(pl.concat([*best, found]), by, first=["edits"]).head(each)]
    return best[0].select(*_PLACE, "edits", "old")


def wide(folder: Path, rows: list[int]) -> pl.DataFrame:
    """These rows of a generation's labels, in order, with all their columns and those that lie beside them.

    `row`, the columns of the label table, verdict (str), normalised_score, probability, expected_error, copies, weight;
    null where there is none. Of the label table only the parts that hold them are read.
    """
    parts = parts_in(folder / "1-labels")
    with readable(folder):
        height = int(pl.scan_parquet(parts[0]).select(pl.len()).collect().item())
        found = [
            _at(scan_parts([parts[part]]), [row - part * height for row in rows if row // height == part])
            .with_columns(pl.col("row") + part * height)
            .collect()
            for part in sorted({row // height for row in rows} or {0})  # of no rows, no rows
        ]
        sides = (_verdicts(folder), pl.scan_parquet(folder / "3-copies.parquet"))
        beside = [_at(side, rows).collect() for side in sides]
    whole = pl.concat(found)
    for side in beside:
        whole = whole.join(side, on="row", how="left", maintain_order="left")
    return whole


def _at(table: pl.LazyFrame, rows: list[int]) -> pl.LazyFrame:
    places = pl.Series(rows, dtype=pl.Int64)
    return table.with_row_index("row").cast({"row": pl.Int64}).filter(pl.col("row").is_in(places.implode()))


def _verdicts(folder: Path) -> pl.LazyFrame:
    """The verdicts as text, with every column that a gauge adds: null where it is missing."""
    table = pl.scan_parquet(folder / "2-verdicts.parquet")
    absent = [name for name in ADDED if name not in table.collect_schema()]
    return table.with_columns(
        pl.col("verdict").cast(pl.String), *(pl.lit(None, pl.Float32).alias(name) for name in absent)
    )


def _judged(folder: Path, by: list[str]) -> Iterator[pl.DataFrame]:
    """row, id, kept and the measures `by` of every label, in pieces."""
    start, side = 0, folder / "2-verdicts.parquet"
    for piece in pieces(parts_in(folder / "1-labels"), ["id", "confidence"]):
        with readable(side):
            beside = _verdicts(folder).slice(start, len(piece)).collect()
        rows = pl.Series("row", np.arange(start, start + len(piece)))
        values = [MEASURES[name].value.fill_nan(None).alias(name) for name in by]
        yield piece.hstack(beside).select(rows, "id", *values, kept=pl.col("verdict") == KEPT)
        start += len(piece)


def _sorted(table: pl.DataFrame, by: list[str], *, surest: bool = True, first: list[str] | None = None) -> pl.DataFrame:
    """Ordered by `first`, most first, then by how sure; among equals by id, so that the order is always the same."""
    keys = [*(first or []), *by, "id"]
    return table.sort(keys, descending=[*[True] * len(first or []), *[surest] * len(by), False], nulls_last=True)
