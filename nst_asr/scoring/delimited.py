"""CSV and TSV: a first line that names the columns, then a row an utterance."""

from __future__ import annotations

import csv
import gzip
import io
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from nst_asr.scoring.text_lines import LINE, collected, first_lines, refuse, scan_lines, zipped
from nst_asr.scoring.texts import NUMBERS, ScoringError, Texts, Wanted, counted, selection

if TYPE_CHECKING:
    from _csv import Reader


def read_delimited(path: Path, kind: str, wanted: Wanted) -> Texts:
    """The texts of a table of kind csv, tsv or quoted-tsv; which column is what, `texts.SYNONYMS` says.

    csv and quoted-tsv: cells may stand in quotation marks, doubled within (RFC 4180), and hold line ends. tsv: cells
    as they are, quotation marks too, which is how this project writes them. Raises ScoringError naming the line that
    has another number of cells, or no id; ManifestError.
    """
    names = _names(path, kind)
    chosen = selection(path, names, wanted)
    table = read_cells(path, kind)
    rows = table.select(pl.col(LINE).alias("line"), *(pl.col(name).alias(ours) for ours, name in chosen.items()))
    refuse(path, rows.filter(pl.col("id").str.strip_chars() == ""), "no id")
    for name in NUMBERS:
        if name in rows.columns:
            rows = _with_number(path, rows, name)
    rows = rows.with_columns(pl.col("text").str.strip_chars())
    return Texts(path, kind, rows, _notes(kind, rows), about=f"{chosen['id']}, {chosen['text']}")


def read_cells(path: Path, kind: str) -> pl.DataFrame:
    """All cells as text, "" where empty, and `LINE` (of a quoted kind: the row, counted from 1 with the first line).

    Raises ScoringError, ManifestError.
    """
    return _tab_separated(path) if kind == "tsv" else _quoted(path, kind)


def _tab_separated(path: Path) -> pl.DataFrame:
    names = _names(path, "tsv")
    lines = collected(scan_lines(path, strip="\r"), path).slice(1)
    tabs = pl.col("text").str.count_matches("\t", literal=True)
    refuse(path, lines.filter(tabs != len(names) - 1), f"not the {len(names)} cells that the first line names")
    cells = lines["text"].str.split_exact("\t", len(names) - 1).struct.unnest()
    table = pl.DataFrame([cells.to_series(place).alias(name) for place, name in enumerate(names)])
    return table.with_columns(lines["line"].alias(LINE))


def _quoted(path: Path, kind: str) -> pl.DataFrame:
    names = _names(path, kind)
    try:
        table = pl.read_csv(path, separator=_separator(kind), infer_schema=False, glob=False)
    except pl.exceptions.PolarsError as error:
        _refuse_uneven(path, kind)
        raise ScoringError(f"{path}: no table that can be read ({error})") from None
    if len(table.columns) != len(names):
        raise ScoringError(f"{path}: the columns that the first line names cannot be told apart: {', '.join(names)}")
    table = table.rename(dict(zip(table.columns, names, strict=True)))
    if any(table[name].null_count() for name in names):
        _refuse_uneven(path, kind)  # Polars fills up rows that are too short
        table = table.filter(~pl.all_horizontal(pl.all().is_null()))  # blank lines
    numbers = pl.int_range(2, len(table) + 2, dtype=pl.UInt32, eager=True).alias(LINE)
    return table.with_columns(pl.all().fill_null("")).with_columns(numbers)


def _names(path: Path, kind: str) -> list[str]:
    lines = (f"{line}\n" for _, line in first_lines(path, None))
    try:
        cells = next(lines, "").split("\t") if kind == "tsv" else next(cell_rows(lines, kind), [])
    except csv.Error as error:
        raise ScoringError(f"{path}: the first line names no columns ({error})") from None
    # the rows of a data frame that pandas wrote are numbered in a column without a name
    names = [name.strip() or f"column {place}" for place, name in enumerate(cells, 1)]
    if not any(cells):
        raise ScoringError(f"{path}: no first line that names the columns")
    if len(set(names)) < len(names):
        raise ScoringError(f"{path}: the first line is {cells}; it names the columns, each by a name of its own")
    return names


def cell_rows(lines: Iterable[str], kind: str, *, strict: bool = False) -> Reader:
    """The cells of each row of a csv or quoted-tsv, as Python's `csv` finds them. Raises csv.Error."""
    csv.field_size_limit(sys.maxsize)  # of the whole process: 128 KiB are less than the text of a long recording
    return csv.reader(lines, delimiter=_separator(kind), strict=strict)


def _separator(kind: str) -> str:
    return "," if kind == "csv" else "\t"


def _refuse_uneven(path: Path, kind: str) -> None:
    """Raise ScoringError naming the first row with another number of cells than the first line has."""
    list(first_lines(path, None))  # which says where it is not UTF-8
    raw = gzip.open(path, "rb") if zipped(path) else path.open("rb")  # noqa: SIM115
    with raw, io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as file:
        rows = cell_rows(file, kind, strict=True)
        try:
            columns = len(next(filter(None, rows)))
            for row in rows:
                if row and len(row) != columns:
                    raise ScoringError(
                        f"{path}, line {rows.line_num}: {len(row)} cells where the first line has {columns}"
                    )
        except csv.Error as error:
            raise ScoringError(f"{path}, line {rows.line_num}: {error}; quote cells, double marks within") from None


def _with_number(path: Path, rows: pl.DataFrame, name: str) -> pl.DataFrame:
    blank = pl.col(name).str.strip_chars() == ""
    number = pl.when(~blank).then(pl.col(name).str.strip_chars().cast(pl.Float64, strict=False))
    found = rows.with_columns(number.alias("number"))
    refuse(
        path,
        found.filter(pl.col("number").is_null() & ~blank).select("line", text=name),
        f"the {name} is no number",
    )
    return found.with_columns(pl.col("number").alias(name)).drop("number")


def _notes(kind: str, rows: pl.DataFrame) -> tuple[str, ...]:
    quoted = rows.filter(pl.col("text").str.contains(r'^".*"$'))
    if kind != "tsv" or quoted.is_empty():
        return ()
    return (
        f"{counted(len(quoted), 'text')} in quotation marks, which are kept; a TSV with quoted cells is of the format "
        "quoted-tsv",
    )
