"""A generation's labels with what became of them, lazily."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from nst_asr.labels import parts_in, scan_parts
from nst_asr.measures import ADDED
from nst_asr.store import StoreError
from nst_asr.verdicts import KEPT


def labels(folder: Path) -> pl.LazyFrame:
    """The label table of a generation's folder, lazily, in the pool's order."""
    return scan_parts(parts_in(folder / "1-labels"))


def verdicts(folder: Path) -> pl.LazyFrame:
    """The verdicts of a generation's folder, lazily, in the same order."""
    return pl.scan_parquet(folder / "2-verdicts.parquet")


def refuse_uneven(folder: Path) -> None:
    """Raise StoreError where labels, verdicts and copies are not of as many rows: a part of the labels is missing."""
    tables = {"1-labels": labels(folder), "2-verdicts.parquet": verdicts(folder), "3-copies.parquet": _copies(folder)}
    rows = {name: int(table.select(pl.len()).collect().item()) for name, table in tables.items()}
    if len(set(rows.values())) > 1:
        told = ", ".join(f"{name} has {number:,} rows" for name, number in rows.items())
        raise StoreError(f"{folder}: {told}; bring back what is missing, or move the folder away and run it again")


def judged(folder: Path) -> pl.LazyFrame:
    """The label table with its verdict (str), `kept` (bool), what the gauge said of it, and its copies (i64).

    Columns that verdicts of an older version lack are null.
    """
    side = verdicts(folder)
    there = side.collect_schema().names()
    side = side.with_columns(pl.lit(None, pl.Float32).alias(name) for name in ADDED if name not in there)
    return pl.concat([labels(folder), side, _copies(folder)], how="horizontal").with_columns(
        pl.col("verdict").cast(pl.String),
        pl.col("copies").cast(pl.Int64),
        kept=pl.col("verdict").cast(pl.String) == KEPT,
    )


def _copies(folder: Path) -> pl.LazyFrame:
    return pl.scan_parquet(folder / "3-copies.parquet").select("copies")
