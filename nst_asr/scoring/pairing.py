"""Which hypothesis belongs to which reference: doubled, missing and extra ids are refused, or as was asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import polars as pl

from nst_asr.scoring.texts import ScoringError, Texts, counted

Missing = Literal["error", "empty", "skip"]
Extra = Literal["error", "skip"]
_NAMED = 3  # ids that a message gives


@dataclass(frozen=True)
class Given:
    """The references to score against, and the hypotheses laid over them: name -> `id` and `text`, in their order.

    missing, extra: how many ids each hypothesis lacked, or had beside the references. notes: what was done, by name.
    """

    references: pl.DataFrame
    hypotheses: dict[str, pl.DataFrame]
    missing: Mapping[str, int]
    extra: Mapping[str, int]
    notes: Mapping[str, tuple[str, ...]]
    left_out: int = 0


def without_doubles(texts: Texts) -> Texts:
    """The texts with each id once: a line that repeats another is dropped, and counted in the notes.

    Raises ScoringError naming an id that has two texts.
    """
    if not texts.rows["id"].is_duplicated().any():
        return texts
    doubled = texts.rows.filter(pl.col("id").is_duplicated())
    several = doubled.group_by("id", maintain_order=True).agg(pl.col("text").n_unique(), pl.len(), *_lines(doubled))
    differing = several.filter(pl.col("text") > 1)
    if len(differing):
        first = differing.row(0, named=True)
        at = f" (lines {', '.join(map(str, first['lines'][:_NAMED]))})" if "lines" in first else ""
        raise ScoringError(
            f"{texts.path}: {first['id']} has {first['text']} different texts{at}; "
            f"{counted(len(differing), 'such id')}; keep one of each"
        )
    rows = texts.rows.unique("id", keep="first", maintain_order=True)
    note = f"{counted(len(texts.rows) - len(rows), 'repeated utterance')} dropped, such as {doubled['id'][0]}"
    return replace(texts, rows=rows, notes=(*texts.notes, note))


def _lines(rows: pl.DataFrame) -> list[pl.Expr]:
    return [pl.col("line").alias("lines")] if "line" in rows.columns else []


def pair(reference: Texts, hypotheses: Mapping[str, Texts], missing: Missing, extra: Extra) -> Given:
    """The hypotheses in the order of the references.

    missing: what to do where a hypothesis lacks an id: "empty" takes it for an empty text, all of whose words are
    deleted; "skip" leaves the reference out, for all hypotheses, so that they stay comparable. extra: what to do with
    ids that are no reference. "error", of both: ScoringError naming some ids and their number.
    """
    ids = reference.rows.select("id")
    absent = {name: ids.join(texts.rows, on="id", how="anti") for name, texts in hypotheses.items()}
    strange = {name: texts.rows.join(ids, on="id", how="anti")["id"] for name, texts in hypotheses.items()}
    notes: dict[str, tuple[str, ...]] = {}
    for name, texts in hypotheses.items():
        lacking = absent[name]["id"]
        _refuse(reference, texts, lacking, strange[name], missing, extra)
        done = "scored as empty" if missing == "empty" else "left out of the scoring"
        notes[name] = (
            *(
                (f"{counted(len(lacking), 'reference')} without a hypothesis, {done}: {_some(lacking)}",)
                if len(lacking)
                else ()
            ),
            *(
                (f"{counted(len(strange[name]), 'id')} without a reference, left out: {_some(strange[name])}",)
                if len(strange[name])
                else ()
            ),
        )
    kept = reference.rows
    if missing == "skip":
        for ids_of_none in absent.values():
            kept = kept.join(ids_of_none, on="id", how="anti", maintain_order="left")
    if kept.is_empty():
        raise ScoringError(f"{reference.path}: no reference is left that all hypotheses have")
    laid = {
        name: kept.select("id").join(texts.rows, on="id", how="left", maintain_order="left")
        for name, texts in hypotheses.items()
    }
    counts = [{name: len(found) for name, found in each.items()} for each in (absent, strange)]
    filled = {name: rows.with_columns(pl.col("text").fill_null("")) for name, rows in laid.items()}
    return Given(kept, filled, counts[0], counts[1], notes, len(reference.rows) - len(kept))


def _refuse(
    reference: Texts, texts: Texts, lacking: pl.Series, strange: pl.Series, missing: Missing, extra: Extra
) -> None:
    if len(lacking) == len(reference.rows):
        raise ScoringError(
            f"{texts.path}: none of its ids is in {reference.path}: it has {_some(texts.rows['id'])}, the references "
            f"{_some(reference.rows['id'])}"
        )
    if len(lacking) and missing == "error":
        raise ScoringError(
            f"{texts.path}: no hypothesis for {len(lacking)} of {len(reference.rows)} references: {_some(lacking)}; "
            "--missing empty counts their words as deleted, --missing skip leaves them out"
        )
    if len(strange) and extra == "error":
        raise ScoringError(
            f"{texts.path}: {counted(len(strange), 'id')} without a reference in {reference.path}: {_some(strange)}; "
            "--extra skip leaves them out"
        )


def _some(ids: pl.Series) -> str:
    return ", ".join(ids[:_NAMED]) + (", ..." if len(ids) > _NAMED else "")
