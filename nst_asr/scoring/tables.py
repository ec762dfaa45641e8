"""Label tables and manifests of this project: Parquet, one file or a folder of parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import polars as pl

from nst_asr.scoring.texts import NUMBERS, ScoringError, Texts, Wanted, selection
from nst_asr.store import read_table


def parts_of(path: Path) -> list[Path]:
    """The files of a table: itself, or the part-*.parquet of a folder. Raises ScoringError where there is none."""
    if not path.exists():
        raise ScoringError(f"{path}: no such table")
    parts = sorted(path.glob("part-*.parquet")) if path.is_dir() else [path]
    if not parts:
        raise ScoringError(f"{path}: a folder without part-*.parquet; give the folder of a label table")
    return parts


def read_labels(path: Path) -> pl.DataFrame:
    """All rows of a .tsv, a .parquet or a folder of parts: at least id and label, both text. Raises ScoringError."""
    found = _whole(path, _read)
    for column in ("id", "label"):
        if column not in found.columns:
            raise ScoringError(f"{path}: no column {column} (it has {', '.join(found.columns)}); name one so")
    refuse_nested(path, found.schema, ("id", "label", "group", "confidence"))
    return found.with_columns(pl.col("id", "label").cast(pl.String))


def read_parquet(path: Path, wanted: Wanted) -> Texts:
    """The texts of a Parquet file or a folder of parts, of which only the columns that are needed are read.

    Raises ScoringError for a row without id or text, StoreError for a damaged part.
    """
    chosen: dict[str, str] = {}

    def part(file: Path) -> pl.DataFrame:
        try:
            scan = pl.scan_parquet(file, glob=False)
            schema = scan.collect_schema()
            chosen.update(selection(path, schema.names(), wanted))
            refuse_nested(path, schema, chosen.values())
            return scan.select(_typed(ours, name) for ours, name in chosen.items()).collect()
        except pl.exceptions.InvalidOperationError as error:
            raise ScoringError(f"{path}: {_first_line(error)}; give numbers, or leave the column out") from None
        except (pl.exceptions.PolarsError, OSError):
            read_table(file)  # which says so where the file is damaged
            raise

    rows = _whole(path, part)
    gaps = rows.with_row_index("row", 1).filter(pl.col("id").is_null() | pl.col("text").is_null())
    if len(gaps):
        lacking = "id" if gaps["id"][0] is None else f"{chosen['text']} ({gaps['id'][0]})"
        raise ScoringError(f"{path}, row {gaps['row'][0]}: no {lacking}; an empty text is '', not null")
    return Texts(path, "table", rows, about=f"{chosen['id']}, {chosen['text']}")


def refuse_nested(path: Path, schema: pl.Schema, names: Iterable[str]) -> None:
    """Raise ScoringError for the first of these columns that holds lists or structs, where a text or number belongs."""
    for name in names:
        if name in schema and schema[name].is_nested():
            raise ScoringError(f"{path}: the column {name} is {schema[name]}; give a text or a number in each row")


def _typed(ours: str, name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Float64 if ours in NUMBERS else pl.String).alias(ours)


def _whole(path: Path, read: Callable[[Path], pl.DataFrame]) -> pl.DataFrame:
    try:
        return pl.concat([read(part) for part in parts_of(path)])
    except pl.exceptions.PolarsError as error:
        raise ScoringError(f"{path}: parts with different columns ({_first_line(error)}); label anew") from None


def _read(path: Path) -> pl.DataFrame:
    if path.suffix == ".parquet":
        return read_table(path)
    if path.suffix != ".tsv":
        raise ScoringError(f"{path}: no table; give a .tsv, a .parquet or a folder of part-*.parquet")
    try:
        return pl.read_csv(path, separator="\t", infer_schema=False, quote_char=None)
    except pl.exceptions.PolarsError as error:
        raise ScoringError(f"{path}: no tab-separated table that can be read ({_first_line(error)})") from None


def _first_line(error: Exception) -> str:
    """What Polars says is wrong, without its options, plans and hints."""
    return str(error).partition("\n")[0]
