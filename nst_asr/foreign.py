"""Labels that another system gave: by id, from a TSV or JSON lines, with what it says of how sure it was."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from nst_asr.lines import numbered_lines, refuse_no_file, tsv_lines
from nst_asr.store import file_digest

# what a file may say of each label, and the least and the most it can be
RANGES = {"score": (-math.inf, math.inf), "confidence": (0.0, 1.0), "logprob": (-math.inf, 0.0)}
_JSON = (".jsonl", ".ndjson", ".json")
_SHOWN = 5  # ids that a message names


class ForeignError(ValueError):
    """Labels of another system that cannot be used; the message names the file, the line, the value and the way out."""


@dataclass(frozen=True)
class Foreign:
    """The labels in some files, of the pool and perhaps of dev; digest: of what is in these files."""

    paths: tuple[Path, ...]
    digest: str

    @staticmethod
    def at(paths: Iterable[Path]) -> Foreign:
        """Those in the files. Raises ForeignError where one cannot be used, or they do not fit together."""
        found = Foreign(tuple(paths), _digest(tuple(paths)))
        found.rows()
        return found

    def rows(self) -> pl.DataFrame:
        """All labels: id, text, and what the files say of them, f64. Raises ForeignError where a file has changed."""
        return _rows(self.paths, self.digest)

    @property
    def said(self) -> tuple[str, ...]:
        """What the files say of each label: some of score, confidence and logprob."""
        return tuple(name for name in RANGES if name in self.rows().columns)

    def of(self, ids: pl.Series) -> pl.DataFrame:
        """The rows of these ids, in their order; all else is null where there is no label."""
        return pl.DataFrame({"id": ids}).join(self.rows(), on="id", how="left", maintain_order="left")


def read_labels(path: Path) -> pl.DataFrame:
    """The labels in a file: id, text with single spaces, and some of score, confidence, logprob, f64.

    A TSV (*.tsv), whose first line names the columns, or JSON lines (*.jsonl), with these keys and no others. What one
    line says of its label all must say, but those without text. score: nats, or whatever grows with how sure the
    system was; confidence: in [0, 1]; logprob: nats, 0 at most.

    Raises ForeignError for an id that occurs twice, and naming line and value for one that is not as said here;
    ManifestError for a file that is no text or has other columns.
    """
    entries = _json_entries(path) if path.suffix in _JSON else _tsv_entries(path)
    seen: dict[str, int] = {}
    rows = []
    for number, entry in entries:
        name = entry["id"]
        if name in seen:
            raise ForeignError(f"{path}, line {number}: {name} has a label already, in line {seen[name]}; keep one")
        seen[name] = number
        said = {what: _number(path, number, what, entry[what]) for what in RANGES if what in entry}
        rows.append({"id": name, "text": " ".join(entry["text"].split()), "line": number, **said})
    if not rows:
        raise ForeignError(f"{path}: no label in it")
    schema = {"id": pl.String, "text": pl.String, "line": pl.Int64} | dict.fromkeys(RANGES, pl.Float64)
    table = pl.DataFrame(rows, schema=schema)
    table = table.drop(name for name in RANGES if table[name].null_count() == len(table))
    _refuse_gaps(path, table)
    return table.drop("line")


@dataclass(frozen=True)
class Coverage:
    """How the labels of a file meet one set of a run: what is counted here, with a few ids of each."""

    name: str  # of the set
    rows: int
    labeled: int
    empty: tuple[str, ...]  # ids of the set with a label of no text
    missing: tuple[str, ...]  # ids of the set without a label
    unspellable: tuple[str, ...]  # why the tokenizer cannot spell a label, each with its id

    def describe(self) -> str:
        """Some lines for a terminal."""
        lines = [f"{self.name}: {self.labeled} of {self.rows} have a label ({self.labeled / max(self.rows, 1):.1%})"]
        for what, found in (
            ("have a label of no text, which the filter rejects", self.empty),
            ("have none, and get an empty one, which the filter rejects", self.missing),
            ("have one that the tokenizer cannot spell, which the filter rejects", self.unspellable),
        ):
            if found:
                lines.append(f"  {len(found)} {what}: {_some(found)}")
        return "\n".join(lines)


def coverage(labels: pl.DataFrame, ids: pl.Series, name: str, fault: Callable[[str, str], str | None]) -> Coverage:
    """How labels (id, text) meet the ids of a set; fault: for an id and a text, why it cannot be spelled, or None.

    Raises ForeignError where none of the ids has a label.
    """
    found = pl.DataFrame({"id": ids}).join(labels.select("id", "text"), on="id", how="left", maintain_order="left")
    here = found.drop_nulls("text")
    if here.is_empty():
        raise ForeignError(
            f"no id of {name} has a label: the set has ids such as {ids[0]!r}, the file has {labels['id'][0]!r}; "
            "give the ids of the run's manifest"
        )
    faults = (fault(each, text) for each, text in here.select("id", "text").iter_rows() if text)
    return Coverage(
        name,
        len(ids),
        len(here),
        tuple(here.filter(pl.col("text") == "")["id"]),
        tuple(found.filter(pl.col("text").is_null())["id"]),
        tuple(reason for reason in faults if reason),
    )


def strangers(labels: pl.DataFrame, sets: Sequence[pl.Series]) -> str:
    """A line that counts and names the labels whose id is in none of the sets; "" where there are none."""
    odd = labels.filter(~pl.col("id").is_in(pl.concat(sets).implode()))["id"]
    if odd.is_empty():
        return ""
    return f"{len(odd)} labels are of ids that are in no set of the run, and are not used: {_some(odd)}"


@lru_cache(maxsize=2)
def _rows(paths: tuple[Path, ...], digest: str) -> pl.DataFrame:
    if _digest(paths) != digest:
        raise ForeignError(f"{' or '.join(map(str, paths))} has changed while labels were made of it; start again")
    tables = [read_labels(path) for path in paths]
    for path, table in zip(paths[1:], tables[1:], strict=True):
        if set(table.columns) != set(tables[0].columns):
            one, other = (", ".join(each.columns[2:]) or "nothing" for each in (tables[0], table))
            raise ForeignError(
                f"{paths[0]} says {one} of its labels, {path} {other}; what dev teaches must be of the same numbers: "
                "give both files the same columns"
            )
    whole = pl.concat(table.select(tables[0].columns) for table in tables)
    doubled = whole.filter(pl.col("id").is_duplicated())
    if len(doubled):
        raise ForeignError(f"{' and '.join(map(str, paths))} both have a label of {doubled['id'][0]}; keep one of them")
    return whole


def _digest(paths: Sequence[Path]) -> str:
    """A digest of the contents of files, in their order."""
    digest = hashlib.blake2b(digest_size=12)
    for path in paths:
        refuse_no_file(path)
        digest.update(bytes.fromhex(file_digest(path)))
    return digest.hexdigest()


def _tsv_entries(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    for number, cells in tsv_lines(path, ("id", "text"), ("id", "text", *RANGES)):
        if not cells["id"]:
            raise ForeignError(f"{path}, line {number}: it has no id")
        yield number, {name: cell for name, cell in cells.items() if cell or name == "text"}


def _json_entries(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in numbered_lines(path):
        where = f"{path}, line {number}"
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError) as error:  # ValueError: whole numbers of thousands of digits too
            raise ForeignError(f"{where}: not JSON ({error}); each line is one object") from None
        if not isinstance(entry, dict):
            raise ForeignError(f"{where}: {line[:60]!r} is no object; each line is one, with the keys id and text")
        for name in ("id", "text"):
            if not isinstance(entry.get(name), str) or (name == "id" and not entry[name].strip()):
                raise ForeignError(f"{where}: {name} = {entry.get(name)!r}: every line needs this key, with a text")
            if not _is_text(entry[name]):
                raise ForeignError(f"{where}: {name} = {entry[name]!r}: it has half of a character; write it as UTF-8")
        if strange := sorted(set(entry) - {"id", "text", *RANGES}):
            raise ForeignError(
                f"{where}: the key {strange[0]} has no meaning here (known: id, text, {', '.join(RANGES)}); "
                "leave it out: `text` is the label, never a reference"
            )
        yield number, {name: value for name, value in entry.items() if value is not None}


def _is_text(value: str) -> bool:
    """Whether a text can be written: JSON lets half of a pair of surrogates pass."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _number(path: Path, line: int, name: str, value: Any) -> float:
    low, high = RANGES[name]
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not (math.isfinite(number) and low <= number <= high):
        wanted = {"confidence": "a number from 0 to 1", "logprob": "a number of nats, 0 at most"}
        raise ForeignError(f"{path}, line {line}: {name} = {value!r}: give {wanted.get(name, 'a number')}")
    return number


def _refuse_gaps(path: Path, table: pl.DataFrame) -> None:
    """Raise ForeignError where some labels lack what others have: numbers of two kinds in a column compare nothing."""
    for name in (name for name in RANGES if name in table.columns):
        lacking = table.filter(pl.col(name).is_null() & (pl.col("text") != ""))
        if len(lacking):
            raise ForeignError(
                f"{path}, line {lacking['line'][0]}: {lacking['id'][0]} has no {name}, which others have "
                f"({len(lacking)} such lines); give it for all labels or for none"
            )


def _some(names: Sequence[str] | pl.Series) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
