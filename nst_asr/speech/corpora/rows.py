"""Rows: where each utterance lies, as a table of our own that is written and read back.

Rows say where an utterance lies: id (str), size (f32, seconds; null where the manifest does not say), group (str or
null: the speaker), path (str), start (f64, seconds), and for labeled speech label (str: the transcript).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import polars as pl

from nst_asr.store import write_table, written_aside

SCHEMA: dict[str, pl.DataType] = {
    "id": pl.String(),
    "size": pl.Float32(),
    "group": pl.String(),
    "path": pl.String(),
    "start": pl.Float64(),
    "label": pl.String(),
}
_CHUNK = 100_000  # rows held as Python objects at a time

Row = tuple[str, float | None, str | None, str, float, str | None]


class ManifestError(ValueError):
    """A manifest or corpus that cannot be used; the message names the file, the entry and the way out."""


def table(source: Path, rows: Iterable[Row]) -> pl.DataFrame:
    """Rows as a table, without the label column where there are no labels. Raises ManifestError where there is none."""
    stream, parts = iter(rows), []
    while chunk := list(islice(stream, _CHUNK)):
        parts.append(pl.DataFrame(chunk, schema=SCHEMA, orient="row"))
    if not parts:
        raise ManifestError(f"{source}: an empty manifest: no utterance in it")
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


def read_rows(path: Path) -> pl.DataFrame:
    """The rows that `write_rows` wrote, or that another program did in the same columns."""
    if not path.is_file():
        raise ManifestError(f"{path}: no such manifest")
    try:
        if path.suffix == ".tsv":
            rows = pl.read_csv(path, separator="\t", quote_char=None, schema_overrides=SCHEMA, null_values=[""])
        else:
            rows = pl.read_parquet(path)
    except pl.exceptions.PolarsError as error:
        raise ManifestError(f"{path}: not a manifest that can be read: {error}") from None
    absent = [name for name in SCHEMA if name not in rows.columns and name != "label"]
    if absent:
        raise ManifestError(f"{path}: no column {', '.join(absent)} (it has {', '.join(rows.columns)})")
    if rows.is_empty():
        raise ManifestError(f"{path}: an empty manifest")
    return rows.cast({name: kind for name, kind in SCHEMA.items() if name in rows.columns})
