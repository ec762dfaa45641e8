"""Rows: where each input lies, as a table of our own that is written and read back; the columns are the task's."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from nst_asr.lines import ManifestError, numbered_lines, tsv_lines
from nst_asr.store import write_table, written_aside

__all__ = ["ManifestError", "read_rows", "read_truth", "refuse_torn", "table", "write_rows"]

Schema = Mapping[str, pl.DataType]

_CHUNK = 100_000  # rows held as Python objects at a time
_OF_A_TRUTH = ("text", "label", "path", "speaker", "group", "seconds", "size", "start", "digest")


def table(source: Path | str, rows: Iterable[Sequence[Any]], schema: Schema, noun: str = "row") -> pl.DataFrame:
    """Rows as a table, without the label column where there are no labels.

    Raises ManifestError where there is no row; `noun` is what one is called.
    """
    stream, parts = iter(rows), []
    while chunk := list(islice(stream, _CHUNK)):
        parts.append(pl.DataFrame(chunk, schema=schema, orient="row"))
    if not parts:
        raise ManifestError(f"{source}: an empty manifest: no {noun} in it")
    whole = pl.concat(parts)
    return whole.drop("label") if whole["label"].null_count() == len(whole) else whole


def write_rows(path: Path, rows: pl.DataFrame) -> None:
    """Write rows as Parquet, or as TSV where the name ends in .tsv; whole or not at all."""
    if path.suffix != ".tsv":
        write_table(path, rows)
        return
    refuse_torn(rows)
    with written_aside(path) as part:
        rows.write_csv(part, separator="\t", quote_style="never", null_value="")


def refuse_torn(rows: pl.DataFrame) -> None:
    """Raise ManifestError for a text that a TSV cannot hold."""
    for column in (name for name, kind in rows.schema.items() if kind == pl.String):
        torn = rows.filter(pl.col(column).str.contains(r"[\t\r\n]"))
        if len(torn):
            raise ManifestError(
                f"{torn['id'][0]}: a tab or line end in its {column} has no place in a TSV; use .parquet"
            )


def read_rows(path: Path, schema: Schema, *, optional: Sequence[str] = ("label",)) -> pl.DataFrame:
    """The rows that `write_rows` wrote, or that another program did in the same columns; others are left as they are.

    Raises ManifestError for what is no manifest, is empty, or lacks a column that is not `optional`.
    """
    if not path.is_file():
        raise ManifestError(f"{path}: no such manifest")
    try:
        if path.suffix == ".tsv":
            rows = pl.read_csv(path, separator="\t", quote_char=None, schema_overrides=schema, null_values=[""])
        else:
            rows = pl.read_parquet(path)
        absent = [name for name in schema if name not in rows.columns and name not in optional]
        if absent:
            raise ManifestError(f"{path}: no column {', '.join(absent)} (it has {', '.join(rows.columns)})")
        if rows.is_empty():
            raise ManifestError(f"{path}: an empty manifest")
        return rows.cast({name: kind for name, kind in schema.items() if name in rows.columns})
    except pl.exceptions.PolarsError as error:
        raise ManifestError(f"{path}: not a manifest that can be read: {error}") from None


def read_truth(path: Path, only: Collection[str] | None = None) -> pl.DataFrame:
    """The known labels of a pool: id and label, from a TSV whose first line names the columns id, and text or label.

    Other columns of a manifest may be there too. Of the ids in `only`, where it is given. Raises ManifestError.
    """
    column, rows, lines = _named(path), [], 0
    for _, row in tsv_lines(path, ("id", column), ("id", *_OF_A_TRUTH)):
        lines += 1
        if only is None or row["id"] in only:
            rows.append((row["id"], row[column]))
    if not lines:
        raise ManifestError(f"{path}: no line but the first")
    return pl.DataFrame(rows, schema={"id": pl.String, "label": pl.String}, orient="row")


def _named(path: Path) -> str:
    """The column of a truth that holds it: `label` where the first line names that and no `text`."""
    _, first = next(numbered_lines(path), (1, ""))
    names = {name.strip() for name in first.split("\t")}
    return "label" if "label" in names and "text" not in names else "text"
