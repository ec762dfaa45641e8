"""Rows of speech: where each utterance lies, in the columns that `nst_asr.rows` writes and reads back.

Rows say where an utterance lies: id (str), size (f32, seconds; null where the manifest does not say), group (str or
null: the speaker), path (str), start (f64, seconds), and for labeled speech label (str: the transcript).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import polars as pl

from nst_asr import rows

SCHEMA: dict[str, pl.DataType] = {
    "id": pl.String(),
    "size": pl.Float32(),
    "group": pl.String(),
    "path": pl.String(),
    "start": pl.Float64(),
    "label": pl.String(),
}

Row = tuple[str, float | None, str | None, str, float, str | None]


def table(source: Path, found: Iterable[Row]) -> pl.DataFrame:
    """Rows as a table, without the label column where there are no labels. Raises ManifestError where there is none."""
    return rows.table(source, found, SCHEMA, "utterance")


def read_rows(path: Path) -> pl.DataFrame:
    """The rows that `write_rows` wrote, or that another program did in the same columns. Raises ManifestError."""
    return rows.read_rows(path, SCHEMA)
