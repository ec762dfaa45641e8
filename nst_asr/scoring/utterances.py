"""The errors of each utterance as a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from nst_asr.rows import write_rows
from nst_asr.score import ERRORS
from nst_asr.scoring.system import System
from nst_asr.scoring.texts import ScoringError
from nst_asr.store import written_aside

_KNOWN = ("speaker", "seconds")
_SUFFIXES = (".tsv", ".parquet", ".jsonl")


def refuse_suffix(path: Path) -> None:
    """Raise ScoringError for a file that `write_utterances` cannot write."""
    if path.suffix not in _SUFFIXES:
        raise ScoringError(f"--utterances {path}: give a name that ends in {', '.join(_SUFFIXES[:-1])} or .jsonl")


def write_utterances(path: Path, systems: Sequence[System], references: pl.DataFrame) -> None:
    """A row for each hypothesis and utterance, in the references' order, as .tsv, .parquet or .jsonl.

    hypothesis (its name), id, speaker and seconds where known, the counts of `score.SCHEMA`, rate, then
    reference and text as they were compared. Raises ManifestError for a tab within a text that is to go into a TSV.
    """
    table = pl.concat(_rows(system, references) for system in systems)
    if path.suffix == ".jsonl":
        with written_aside(path) as part:
            table.write_ndjson(part)
    else:
        write_rows(path, table)


def _rows(system: System, references: pl.DataFrame) -> pl.DataFrame:
    counts = system.score.utterances.drop("id", "group")
    counts = counts.select(name for name in counts.columns if counts.schema[name].is_integer())
    known = [name for name in _KNOWN if name in references.columns]
    return references.select(pl.lit(system.name).alias("hypothesis"), "id", *known).with_columns(
        *counts.with_columns(rate=ERRORS / pl.col("words").clip(1)).get_columns(),
        system.pairs["label"].alias("reference"),
        system.pairs["heard"].alias("text"),
    )
