"""Guesses beside the truth: what every number of a hypothesis is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from nst_asr.score import Score, score

MEASURES = ("confidence", "soft_index", "soft_prob")


class AccuracyError(ValueError):
    """Tables or options that cannot be scored; the message names them and the way out."""


@dataclass(frozen=True)
class Guesses:
    """What one system says of some images.

    rows: id and label (the guess), and where known confidence, soft_index and soft_prob (`labels.SCHEMA`). classes:
    the names of the numbers in soft_index, None where they are not known.
    """

    rows: pl.DataFrame
    classes: Sequence[str] | None = None


def one_word_score(reference: pl.DataFrame, rows: pl.DataFrame, over: str | None = None) -> Score:
    """Top-1 errors as word errors: each class name, spaces and all, counts as one word.

    over: what the bootstrap draws (`Score.over`). Raises ScoreError where ids do not agree, are doubled, or have no
    label, BlockError where it cannot be over that.
    """
    names = pl.concat([reference["label"], rows["label"]]).drop_nulls().unique().sort()
    word = pl.col("label").replace_strict({name: f"c{place}" for place, name in enumerate(names)}, default=None)
    group = pl.col("group").cast(pl.String) if "group" in reference.columns else pl.lit(None, pl.String)
    truth = reference.with_columns(group.alias("group"), word.cast(pl.String).alias("label"))
    return score(truth, rows.select("id", word.cast(pl.String).alias("label")), over=over)


def beside(reference: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """id, label (the truth), heard (the guess), and the measures of `Guesses` that there are, in reference order."""
    measures = [name for name in MEASURES if name in rows.columns]
    guessed = rows.select("id", pl.col("label").alias("heard"), *measures)
    return reference.select("id", "label").join(guessed, on="id", how="left", maintain_order="left")
