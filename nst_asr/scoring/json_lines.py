"""JSON lines, NeMo's manifests among them: an object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from nst_asr.scoring.text_lines import LINE, first_lines
from nst_asr.scoring.texts import NUMBERS, ScoringError, Texts, Wanted, selection

_LOOKED_AT = 1000  # lines whose keys say what there is


def read_json_lines(path: Path, wanted: Wanted) -> Texts:
    """The texts of a file of JSON lines; which key is what, `texts.SYNONYMS` says.

    Raises ScoringError naming the line that is no object, or has no id or text; ManifestError.
    """
    chosen = selection(path, _keys(path), wanted)
    numbers = [name for ours, name in chosen.items() if ours in NUMBERS]
    needed = (chosen["id"], chosen["text"])
    rows = _table(path, list(chosen.values()), numbers, needed)
    # a list or an object has become its text by now
    odd = pl.any_horizontal(pl.col(name).is_null() | pl.col(name).str.contains(r"^[\[{]") for name in needed)
    if rows.select(odd.any()).item():
        for _ in _checked(path, numbers, needed):
            pass
        rows = rows.drop_nulls(needed)  # blank lines
    rows = rows.select(pl.col(LINE).alias("line"), *(pl.col(name).alias(ours) for ours, name in chosen.items()))
    rows = rows.with_columns(pl.col("text").str.strip_chars())
    return Texts(path, "jsonl", rows, about=f"{chosen['id']}, {chosen['text']}")


def read_columns(path: Path) -> pl.DataFrame:
    """All keys of a file of JSON lines as columns of text. Raises ScoringError, ManifestError."""
    return _table(path, _keys(path), (), ()).drop(LINE)


def _table(path: Path, names: Sequence[str], numbers: Sequence[str], needed: Sequence[str]) -> pl.DataFrame:
    """The values of these keys, as numbers or text, null where there is none; and `LINE`."""
    schema = {name: pl.Float64() if name in numbers else pl.String() for name in names}
    try:
        return pl.scan_ndjson(_source(path), schema=schema, row_index_name=LINE, row_index_offset=1).collect()
    except (pl.exceptions.PolarsError, OSError):
        pass  # Python's reader says which line is damaged; NaN, Infinity and a byte order mark it takes
    rows = [
        (line, *(_value(entry.get(name), name in numbers) for name in names))
        for line, entry in _checked(path, numbers, needed)
    ]
    return pl.DataFrame(rows, schema={LINE: pl.UInt32(), **schema}, orient="row")


def _source(path: Path) -> Path | bytes:
    """What Polars is to read: the content itself, where it would take the name for a pattern of names."""
    return path.read_bytes() if set("*?[") & set(str(path)) else path


def _keys(path: Path) -> list[str]:
    """The keys of the first lines, in the order in which they come."""
    found: dict[str, None] = {}
    for _, entry in _entries(path, _LOOKED_AT):
        found |= dict.fromkeys(entry)
    if not found:
        raise ScoringError(f"{path}: no JSON object in it")
    return list(found)


def _checked(path: Path, numbers: Sequence[str], needed: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """All lines, one by one; ScoringError naming the first whose keys cannot be used."""
    for line, entry in _entries(path, None):
        for name in needed:
            value = entry.get(name)
            if isinstance(value, dict | list | None) or value != value:
                raise ScoringError(f"{path}, line {line}: {name} = {value!r}: every line needs this key, with a text")
        for name in numbers:
            value = entry.get(name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise ScoringError(f"{path}, line {line}: {name} = {value!r}: give a number, or leave it out")
        yield line, entry


def _value(value: Any, is_number: bool) -> Any:
    """A value as Polars has it in a column: what is no text becomes its JSON where text is wanted."""
    if value is None or isinstance(value, str):
        return value
    return float(value) if is_number else json.dumps(value)


def _entries(path: Path, most: int | None) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in first_lines(path, most):
        try:
            entry = json.loads(line, object_pairs_hook=_once)
        except (ValueError, RecursionError) as error:
            raise ScoringError(f"{path}, line {number}: not JSON ({error}); each line is one object") from None
        if not isinstance(entry, dict):
            raise ScoringError(f"{path}, line {number}: no JSON object; each line is one, with an id and a text")
        yield number, entry


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """An object; ValueError where a key comes twice, of which readers take the one or the other."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} comes twice")
    return found
