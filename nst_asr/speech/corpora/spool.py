"""Rows of a corpus of any size on their way to manifests: collected on disk, split in sets, written as streams."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from nst_asr.speech.corpora.rows import SCHEMA, Row
from nst_asr.store import written_aside

_PART = 20_000  # rows held as Python objects at a time


class Spool:
    """Collects rows as parts in a scratch folder."""

    def __init__(self, folder: Path, *, labeled: bool) -> None:
        self._folder = folder
        self._columns = [name for name in SCHEMA if labeled or name != "label"]
        self._rows: list[Row] = []
        self._parts = 0

    def add(self, row: Row) -> None:
        """Take one more row."""
        self._rows.append(row)
        if len(self._rows) == _PART:
            self._flush()

    def scan(self) -> pl.LazyFrame:
        """All rows in the order in which they came."""
        self._flush()
        return pl.concat([pl.scan_parquet(self._path(part)) for part in range(self._parts)])

    def _flush(self) -> None:
        if not self._rows and self._parts:
            return
        table = pl.DataFrame(self._rows, schema=SCHEMA, orient="row").select(self._columns)
        table.write_parquet(self._path(self._parts))
        self._rows, self._parts = [], self._parts + 1

    def _path(self, part: int) -> Path:
        return self._folder / f"{part:06d}.parquet"


def write_manifests(paths: Mapping[str, Path], sets: pl.LazyFrame) -> None:
    """Write the rows of each set, named by the column `set`, to its path: TSV or Parquet, each whole or not at all."""
    for name, path in paths.items():
        rows = sets.filter(pl.col("set") == name).drop("set")
        with written_aside(path) as part:
            if path.suffix == ".tsv":
                rows.sink_csv(part, separator="\t", quote_style="never", null_value="", maintain_order=True)
            else:
                rows.sink_parquet(part, compression="zstd", maintain_order=True)
