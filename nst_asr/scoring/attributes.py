"""What is known of the references beside their texts: speakers, durations, and columns of other files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from nst_asr.scoring.delimited import read_cells
from nst_asr.scoring.formats import guess
from nst_asr.scoring.json_lines import read_columns
from nst_asr.scoring.kaldi import read_kaldi
from nst_asr.scoring.tables import parts_of, refuse_nested
from nst_asr.scoring.text_lines import LINE
from nst_asr.scoring.texts import NUMBERS, SYNONYMS, ScoringError, finite, first_named
from nst_asr.store import read_table

_OWN = ("id", "text", "line", "alternatives")  # columns of every file of references
_KALDI_NAMES = {"spk": "speaker", "dur": "seconds"}  # of utt2spk and utt2dur; utt2gender is called gender


@dataclass(frozen=True)
class FromId:
    """A column that is read off the ids: the first group of a pattern, or without groups what it matches."""

    name: str
    pattern: str


def parse_from_id(given: str) -> FromId:
    """A NAME=REGEX, such as speaker=^[^-]+. Raises ScoringError."""
    name, _, pattern = given.partition("=")
    try:
        if not name or not pattern:
            raise ValueError("it has no = with a name before and a pattern after it")
        re.compile(pattern)
        pl.Series([""]).str.extract(pattern, 0)  # Polars' expressions know less
    except (ValueError, re.error) as error:
        raise ScoringError(f"--from-id {given}: give NAME=REGEX, such as speaker=^[^-]+ ({error})") from None
    except pl.exceptions.PolarsError:
        raise ScoringError(f"--from-id {given}: an expression without look-around and references, please") from None
    return FromId(name, pattern)


def attributed(
    references: pl.DataFrame, names: Sequence[str], sides: Sequence[Path], from_id: Sequence[FromId]
) -> tuple[pl.DataFrame, list[str]]:
    """The references with the columns of these names, as far as anything knows them; and notes on gaps.

    What is read off the ids comes first, then the side files in their order, then what the references brought. Raises
    ScoringError for a side file of other ids or with none of the columns, and for a pattern that no id matches.
    """
    notes: list[str] = []
    for path in reversed(sides):
        found = side_columns(path, names)
        known = references.select("id").join(found, on="id", how="semi")
        if known.is_empty():
            raise ScoringError(f"{path}: none of its ids ({found['id'][0]}, ...) is a reference")
        if len(known) < len(references):
            notes.append(f"{path}: has {len(known)} of {len(references)} references")
        columns = [name for name in found.columns if name != "id"]
        references = references.drop(columns, strict=False)
        references = references.join(found, on="id", how="left", maintain_order="left")
    for each in from_id:
        matched = pl.col("id").str.extract(each.pattern, 1 if re.compile(each.pattern).groups else 0)
        references = references.with_columns(matched.alias(each.name))
        if each.name in NUMBERS:
            _refuse_no_numbers(f"--from-id {each.name}={each.pattern}", references, {each.name: each.name})
            references = references.with_columns(_typed(each.name, each.name).alias(each.name))
        gaps = references[each.name].null_count()
        if gaps == len(references):
            raise ScoringError(f"--from-id {each.name}={each.pattern}: matches no id, such as {references['id'][0]}")
        if gaps:
            notes.append(f"--from-id {each.name}: {gaps} of {len(references)} ids do not match")
    return references, notes


def side_columns(path: Path, names: Sequence[str]) -> pl.DataFrame:
    """id and those of the columns `names` that a side file has, each id once; seconds as numbers, all else as text.

    Files: .csv, .tsv, .jsonl, .parquet, or Kaldi's utt2spk, utt2dur, utt2ANYTHING. Raises ScoringError where it has
    none of the columns, or an id with two different values.
    """
    if path.name.startswith("utt2"):
        name = path.name.removeprefix("utt2").split(".")[0]
        table = read_kaldi(path).rows.select("id", pl.col("text").alias(_KALDI_NAMES.get(name, name)))
    else:
        table = _table(path)
        theirs = first_named(table.columns, SYNONYMS["id"])
        if theirs is None:
            raise ScoringError(f"{path}: no column id (it has {', '.join(table.columns)})")
        table = table.rename({theirs: "id"})
    named = {name: first_named(table.columns, SYNONYMS.get(name, (name,))) for name in names}
    chosen = {name: theirs for name, theirs in named.items() if theirs}
    if not chosen:
        raise ScoringError(
            f"{path}: none of the columns {', '.join(names)} is in it (it has {', '.join(table.columns)}); name one "
            "with --by or --blocks"
        )
    refuse_nested(path, table.schema, chosen.values())
    _refuse_no_numbers(path, table, chosen)
    stripped = pl.col("id").cast(pl.String).str.strip_chars()
    found = table.select(stripped, **{name: _typed(name, theirs) for name, theirs in chosen.items()}).unique()
    doubled = found.filter(pl.col("id").is_duplicated())
    if len(doubled):
        raise ScoringError(f"{path}: {doubled['id'].sort()[0]} has more than one value; keep one line of it")
    return found


def _table(path: Path) -> pl.DataFrame:
    kind, _ = guess(path)
    if kind == "jsonl":
        return read_columns(path)
    if kind == "table":
        return pl.concat([read_table(part) for part in parts_of(path)], how="diagonal")
    if kind in ("csv", "tsv", "quoted-tsv"):
        return read_cells(path, kind).drop(LINE)
    raise ScoringError(f"{path}: no table; give .csv, .tsv, .jsonl or .parquet with a column id, or Kaldi's utt2spk")


def _refuse_no_numbers(source: Path | str, table: pl.DataFrame, chosen: Mapping[str, str]) -> None:
    """Raise ScoringError, which names the source, for an id whose seconds are no number; blank ones are unknown."""
    for name in set(NUMBERS) & set(chosen):
        text = pl.col(chosen[name]).cast(pl.String).str.strip_chars()
        odd = table.filter((text != "") & text.cast(pl.Float64, strict=False).is_null())
        if len(odd):
            raise ScoringError(f"{source}: {odd['id'][0]}: {chosen[name]} = {odd[chosen[name]][0]!r} is no number")


def _typed(name: str, theirs: str) -> pl.Expr:
    if name in NUMBERS:
        return finite(theirs)
    text = pl.col(theirs).cast(pl.String)
    return pl.when(text != "").then(text)


def refuse_own_names(names: Sequence[str]) -> None:
    """Raise ScoringError for a column that is asked for by a name that means something else here."""
    for name in names:
        if name in _OWN:
            raise ScoringError(f"a column {name}: it would be taken for the references' own; give it another name")
