"""Scores of parts of the utterances: by speaker, by duration, by any column."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from nst_asr.bootstrap import rate
from nst_asr.score import ERRORS, KINDS, Score
from nst_asr.scoring.texts import ScoringError

BANDS = (2.0, 5.0, 10.0, 15.0, 20.0, 30.0)  # seconds, where one band ends and the next begins
DURATION = "duration"
UNKNOWN = "(unknown)"
_MOST_INTERVALS = 200  # groups; of more, each would wait for a thousand resamples
_MOST_KINDS = 20  # fractions of more kinds than this are cut into fifths
_COUNTS = (*KINDS, "words", "character_errors", "characters")


def parse_bands(given: str) -> tuple[float, ...]:
    """Where the bands of durations part, seconds, of a text such as 2,5,10. Raises ScoringError."""
    try:
        bands = tuple(float(each) for each in given.split(","))
    except ValueError:
        bands = ()
    if not bands or not np.isfinite(bands).all() or bands[0] <= 0 or any(np.diff(bands) <= 0):
        raise ScoringError(f"--bands {given}: give ascending numbers of seconds, such as 2,5,10")
    return bands


def column_of(references: pl.DataFrame, name: str, bands: Sequence[float] = BANDS) -> pl.Series:
    """The group of each reference, text, as an ordered category; what has none is `UNKNOWN`.

    `duration` stands for bands of the column seconds. Numbers of more than 20 kinds are cut into fifths, unless they
    are whole: those of speakers and chapters are names. Raises ScoringError where nothing knows the column.
    """
    source = "seconds" if name == DURATION else name
    if source not in references.columns or references[source].null_count() == len(references):
        files = "with a column seconds, or Kaldi's utt2dur," if name == DURATION else "that has it"
        raise ScoringError(
            f"--by {name}: not known of the references; give a file {files} with --side, or read the column off the "
            f"ids: --from-id {source}=REGEX"
        )
    if name == DURATION:
        return _banded(references["seconds"], bands, " s")
    column = references[source].cast(pl.String)
    numbers = column.cast(pl.Float64, strict=False)
    known = numbers.drop_nulls()
    if len(known) < column.count() or not known.is_finite().all():
        return _ordered(column, sorted(column.drop_nulls().unique()))
    if known.n_unique() > _MOST_KINDS and (known != known.floor()).any():
        edges = np.unique(np.quantile(known.to_numpy(), [0.2, 0.4, 0.6, 0.8]))
        return _banded(numbers, edges.tolist(), "")
    kinds = pl.DataFrame([column.alias("kind"), numbers.alias("number")]).drop_nulls().unique()
    return _ordered(column, kinds.sort("number", "kind")["kind"].to_list())


def by_group(score: Score, groups: pl.Series) -> list[dict[str, Any]]:
    """The totals of each group, in order: group, utterances, and what `Score.summary` has of rates, errors and words.

    low, high: the 95 % interval of the rate as `Score.interval` has it, null where there are more than 200 groups.
    """
    table = score.utterances.with_columns(groups.alias("by"))
    sums = table.group_by("by").agg(
        pl.len().alias("utterances"), (ERRORS > 0).sum().alias("sentence_errors"), pl.col(_COUNTS).cast(pl.Int64).sum()
    )
    parts = table.partition_by("by", as_dict=True) if len(sums) <= _MOST_INTERVALS else {}
    return [_row(each, parts.get((each["by"],))) for each in sums.sort("by").iter_rows(named=True)]


def _row(sums: dict[str, Any], part: pl.DataFrame | None) -> dict[str, Any]:
    errors = sum(sums[name] for name in KINDS)
    low, high = Score(part).interval if part is not None else (None, None)
    return {
        "group": sums["by"],
        "utterances": sums["utterances"],
        "words": sums["words"],
        "errors": errors,
        "rate": float(rate(np.array(errors), np.array(sums["words"]))),
        "low": low,
        "high": high,
        **{name: sums[name] for name in KINDS},
        "sentence_errors": sums["sentence_errors"],
        "character_rate": float(rate(np.array(sums["character_errors"]), np.array(sums["characters"]))),
    }


def _banded(numbers: pl.Series, edges: Sequence[float], unit: str) -> pl.Series:
    shown = [f"{edge:g}" for edge in edges]
    if len(set(shown)) < len(edges):
        shown = [str(edge) for edge in edges]
    names = [f"under {shown[0]}{unit}"]
    names += [f"{low} to {high}{unit}" for low, high in pairwise(shown)]
    names.append(f"{shown[-1]}{unit} and over")
    places = np.digitize(numbers.fill_null(0.0).to_numpy(), edges)
    bands = pl.Series(names).gather(places)
    return _ordered(bands.to_frame("band").select(pl.when(numbers.is_not_null()).then("band"))["band"], names)


def _ordered(column: pl.Series, names: Sequence[str]) -> pl.Series:
    kinds = pl.Enum(list(dict.fromkeys([*names, UNKNOWN])))
    return column.fill_null(UNKNOWN).cast(kinds)
