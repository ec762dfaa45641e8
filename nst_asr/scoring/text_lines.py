"""The lines of text files as tables: UTF-8 with or without a byte order mark, either line end, plain or gzipped."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import polars as pl

from nst_asr.lines import numbered_lines, refuse_no_file
from nst_asr.scoring.texts import ScoringError

_NEVER = "\x01"  # a separator that no text has, so that a line is one cell
_ZIPPED = b"\x1f\x8b"  # how a gzipped file begins
_WIDE = (b"\xff\xfe", b"\xfe\xff")  # and one in UTF-16, of which `numbered_lines` says more
_HEAD = 4096  # bytes that show what kind of file it is
LINE = "(line)"  # the column of line numbers beside columns that a file names itself
COMMENT = ";;"  # begins a line that NIST's formats pass over


def scan_lines(path: Path, comment: str | None = None, strip: str | None = None) -> pl.LazyFrame:
    """line (number, from 1) and text of each line that is not blank, without white space around it.

    comment: what begins lines that are passed over. strip: the characters to take away instead of white space. Collect
    it with `collected`. Raises ManifestError where there is no such file.
    """
    refuse_no_text(path)
    lines = pl.scan_csv(
        path,
        separator=_NEVER,
        has_header=False,
        quote_char=None,
        schema={"text": pl.String},
        row_index_name="line",
        row_index_offset=1,
        glob=False,
    )
    lines = lines.with_columns(pl.col("text").str.strip_chars(strip)).filter(pl.col("text").str.contains(r"\S"))
    return lines.filter(~pl.col("text").str.starts_with(comment)) if comment else lines


def collected(lines: pl.LazyFrame, path: Path) -> pl.DataFrame:
    """The rows, read as a stream. Raises ScoringError for an empty or damaged file, ManifestError naming the line."""
    try:
        return lines.collect(engine="streaming")
    except pl.exceptions.NoDataError:
        raise ScoringError(f"{path}: an empty file") from None
    except (pl.exceptions.PolarsError, OSError) as error:
        for number, line in first_lines(path, None):  # which says where it is not UTF-8
            if _NEVER in line:
                raise ScoringError(f"{path}, line {number}: a control character (U+0001); take it out") from None
        raise ScoringError(f"{path}: cannot be read ({error})") from None


def first_lines(path: Path, most: int | None) -> Iterator[tuple[int, str]]:
    """Number and text of the first lines that are not blank. Raises ManifestError, ScoringError as `collected`."""
    refuse_no_text(path)
    return islice(_unzipped(path) if zipped(path) else numbered_lines(path), most)


def zipped(path: Path) -> bool:
    """Whether the file is gzipped, as its first bytes say."""
    with path.open("rb") as file:
        return file.read(2) == _ZIPPED


def refuse_no_text(path: Path) -> None:
    """Raise ManifestError where there is no file, ScoringError where it holds something else than text."""
    refuse_no_file(path)
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if b"\0" in head and head[:2] not in (_ZIPPED, *_WIDE):
        raise ScoringError(
            f"{path}: no text file (there are zero bytes in it); a Parquet file is named .parquet, or its format table"
        )


def refuse(path: Path, damaged: pl.DataFrame, what: str) -> None:
    """Raise ScoringError naming the first of the damaged lines (line, text), if there is one."""
    if len(damaged):
        number, text = damaged.select("line", "text").row(0)
        more = f" ({len(damaged)} such lines)" if len(damaged) > 1 else ""
        shown = text if len(text) <= 60 else text[:57] + "..."
        raise ScoringError(f"{path}, line {number}: {what}: {shown!r}{more}")


def _unzipped(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with gzip.open(path, "rt", encoding="utf-8-sig") as file:
            for number, text in enumerate(file, start=1):
                if text and not text.isspace():
                    yield number, text.rstrip("\r\n")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ScoringError(f"{path}: no gzipped UTF-8 text that can be read ({error})") from None
