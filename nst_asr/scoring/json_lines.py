"""JSON lines, NeMo's manifests among them: an object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from nst_asr.scoring.text_lines import first_lines
from nst_asr.scoring.texts import NUMBERS, ScoringError, Texts, Wanted, selection

_LOOKED_AT = 1000  # lines whose keys say what there is


def read_json_lines(path: Path, wanted: Wanted) -> Texts:
    """The texts of a file of JSON lines; which key is what, `texts.SYNONYMS` says.

    Raises ScoringError naming the line that is no object, or has no id or text; ManifestError.
    """
    chosen = selection(path, _keys(path), wanted)
    schema = {name: pl.Float64() if ours in NUMBERS else pl.String() for ours, name in chosen.items()}
    try:
        lines = pl.scan_ndjson(_source(path), schema=schema, row_index_name="line", row_index_offset=1)
        rows = lines.select("line", *(pl.col(name).alias(ours) for ours, name in chosen.items())).collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        _refuse_damaged(path, chosen)
        raise ScoringError(f"{path}: cannot be read ({error})") from None
    # a list or an object has become its text by now
    odd = pl.any_horizontal(pl.col("id", "text").is_null() | pl.col("id", "text").str.contains(r"^[\[{]"))
    if rows.select(odd.any()).item():
        _refuse_damaged(path, chosen)
        rows = rows.drop_nulls(["id", "text"])  # blank lines
    rows = rows.with_columns(pl.col("text").str.strip_chars())
    return Texts(path, "jsonl", rows, about=f"{chosen['id']}, {chosen['text']}")


def read_columns(path: Path) -> pl.DataFrame:
    """All keys of a file of JSON lines as columns of text. Raises ScoringError, ManifestError."""
    schema = dict.fromkeys(_keys(path), pl.String())
    try:
        return pl.read_ndjson(_source(path), schema=schema)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ScoringError(f"{path}: cannot be read ({error})") from None


def _source(path: Path) -> Path | bytes:
    """What Polars is to read: the content itself, where it would take the name for a pattern of names."""
    return path.read_bytes() if set("*?[") & set(str(path)) else path


def _keys(path: Path) -> list[str]:
    """The keys of the first lines, in the order in which they come."""
    found: dict[str, None] = {}
    for number, entry in _entries(path, _LOOKED_AT):
        if not isinstance(entry, dict):
            raise ScoringError(f"{path}, line {number}: no JSON object; each line is one, with an id and a text")
        found |= dict.fromkeys(entry)
    if not found:
        raise ScoringError(f"{path}: no JSON object in it")
    return list(found)


def _refuse_damaged(path: Path, chosen: dict[str, str]) -> None:
    """Raise ScoringError naming the first line that cannot be used: only then are lines looked at one by one."""
    for number, entry in _entries(path, None):
        where = f"{path}, line {number}"
        if not isinstance(entry, dict):
            raise ScoringError(f"{where}: no JSON object; each line is one, with an id and a text")
        for ours in ("id", "text"):
            value = entry.get(chosen[ours])
            if value is None or isinstance(value, dict | list):
                raise ScoringError(f"{where}: {chosen[ours]} = {value!r}: every line needs this key, with a text")
        for ours in set(NUMBERS) & set(chosen):
            value = entry.get(chosen[ours])
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise ScoringError(f"{where}: {chosen[ours]} = {value!r}: give a number, or leave it out")


def _entries(path: Path, most: int | None) -> Iterator[tuple[int, Any]]:
    for number, line in first_lines(path, most):
        try:
            yield number, json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ScoringError(f"{path}, line {number}: not JSON ({error}); each line is one object") from None
