"""The formats that are read: their names, which one a file is likely to be in, and the reader of each."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import polars as pl

from nst_asr.scoring.ctm import read_ctm
from nst_asr.scoring.delimited import cell_rows, read_delimited
from nst_asr.scoring.json_lines import read_json_lines
from nst_asr.scoring.kaldi import read_kaldi
from nst_asr.scoring.stm import read_stm
from nst_asr.scoring.tables import read_parquet
from nst_asr.scoring.text_lines import COMMENT, first_lines
from nst_asr.scoring.texts import NUMBERS, SYNONYMS, ScoringError, Texts, Wanted, finite, first_named
from nst_asr.scoring.trn import read_trn

# name -> what it is, for people
FORMATS = {
    "kaldi": "Kaldi text",
    "trn": "sclite trn",
    "ctm": "NIST CTM",
    "stm": "NIST STM",
    "jsonl": "JSON lines",
    "csv": "CSV",
    "tsv": "TSV",
    "quoted-tsv": "quoted TSV",
    "table": "Parquet table",
}
WITHOUT_COLUMNS = ("kaldi", "trn", "ctm", "stm")
_SUFFIXES = {f".{name}": name for name in ("trn", "ctm", "stm", "jsonl", "csv", "tsv")}
_SUFFIXES |= {".ndjson": "jsonl", ".parquet": "table"}
_LOOKED_AT = 100  # lines by which a format is guessed
_NUMBER = r"\d+(?:\.\d*)?|\.\d+"
_SHAPES = {
    "trn": re.compile(r".*\(\s*[^()\s]+\s*\)\s*$"),
    "stm": re.compile(rf"\S+\s+\S+\s+\S+\s+(?:{_NUMBER})\s+(?:{_NUMBER})(?:\s|$)"),
    "ctm": re.compile(rf"\S+\s+\S+\s+(?:{_NUMBER})\s+(?:{_NUMBER})\s+\S+(?:\s+(?:{_NUMBER}))?\s*$"),
}


def read(path: Path, form: str | None, wanted: Wanted, segments: pl.DataFrame | None = None) -> Texts:
    """The texts of a file in this format; None: in the one that its name or content suggest.

    segments: those of an STM, for the words of a CTM. Raises ScoringError, ManifestError, StoreError.
    """
    name, guessed = (form, False) if form else guess(path)
    if wanted.text is not None and name in WITHOUT_COLUMNS:
        raise ScoringError(f"{path}: {FORMATS[name]} has no columns, so --{wanted.role}-column means nothing for it")
    texts = _read(path, name, wanted, segments)
    if texts.rows.is_empty():
        raise ScoringError(f"{path}: no utterance in it")
    _refuse_no_id(texts)
    rows = texts.rows.with_columns(pl.col("id").str.strip_chars())
    rows = rows.with_columns(finite(name).alias(name) for name in NUMBERS if name in rows.columns)
    return replace(
        texts, rows=rows, about=FORMATS[name] + (f" ({texts.about})" if texts.about else ""), guessed=guessed
    )


def guess(path: Path) -> tuple[str, bool]:
    """The format that a file is likely to be in, and whether that is a guess from its content."""
    if not path.exists():
        raise ScoringError(f"{path}: no such file")
    suffix = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    if path.is_dir():
        return "table", False
    if suffix.lower() in _SUFFIXES:
        return _SUFFIXES[suffix.lower()], False
    lines = [line for _, line in first_lines(path, _LOOKED_AT) if not line.startswith(COMMENT)]
    if not lines:
        raise ScoringError(f"{path}: no line in it")
    return _by_content(path, lines), True


def _by_content(path: Path, lines: list[str]) -> str:
    if lines[0].lstrip().startswith("["):
        raise ScoringError(f"{path}: one JSON list, as it seems; give JSON lines, an object a line: jq -c '.[]'")
    if _is_object(lines[0]):
        return "jsonl"
    for name in ("tsv", "csv"):
        names = _names(lines[0], "quoted-tsv" if name == "tsv" else name)
        if first_named(names, SYNONYMS["id"]) and first_named(names, (*SYNONYMS["text"], *SYNONYMS["pred_text"])):
            return name
    for name, shape in _SHAPES.items():
        if all(shape.match(line) for line in lines):
            return name
    return "kaldi"


def _names(line: str, kind: str) -> list[str]:
    """The columns that a first line would name; none where it is no row of a table."""
    try:
        return [cell.strip() for cell in next(cell_rows([line], kind), [])]
    except csv.Error:
        return []


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _read(path: Path, name: str, wanted: Wanted, segments: pl.DataFrame | None) -> Texts:
    if name == "kaldi":
        return read_kaldi(path)
    if name == "trn":
        return read_trn(path)
    if name == "stm":
        return read_stm(path)
    if name == "ctm":
        return read_ctm(path, segments)
    if name == "jsonl":
        return read_json_lines(path, wanted)
    if name == "table":
        return read_parquet(path, wanted)
    return read_delimited(path, name, wanted)


def _refuse_no_id(texts: Texts) -> None:
    nameless = texts.rows.filter(pl.col("id").str.strip_chars() == "")
    if len(nameless):
        where = f", line {nameless['line'][0]}" if "line" in nameless.columns else ""
        raise ScoringError(f"{texts.path}{where}: an empty id")
