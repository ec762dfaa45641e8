"""What labels are like as a whole: how many words, in how many seconds, which words, how many are short."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl

from nst_asr.align import Unit

_PATTERN: dict[Unit, str] = {"word": r"\S+", "character": r"\S"}
_SHORT = 0.25  # of the labeled set's words a second: a label with fewer is short


@dataclass(frozen=True)
class Measure:
    """How labels are counted: in words, or in characters where the labeled set is written without blanks.

    sized: whether examples differ in size, so that a rate means something. rate: words a second of the labeled set.
    """

    unit: Unit
    sized: bool
    rate: float

    @classmethod
    def of(cls, labeled: pl.DataFrame) -> Measure:
        """The measure that suits these labeled rows (size, label)."""
        sized = labeled["size"].n_unique() > 1
        blanks = bool(labeled["label"].str.strip_chars().str.contains(" ", literal=True).any())
        unit: Unit = "character" if sized and not blanks else "word"
        seconds = float(labeled["size"].cast(pl.Float64).sum())
        return cls(unit, sized, float(labeled.select(length(unit).sum()).item()) / seconds)

    def short(self) -> pl.Expr:
        """True for a label that is empty or, where sizes differ, has under a quarter of the labeled set's rate."""
        slow = length(self.unit) < _SHORT * self.rate * pl.col("size").cast(pl.Float64)
        return (length(self.unit) == 0) | (slow if self.sized else pl.lit(False))


@dataclass(frozen=True)
class Census:
    """What was counted: labels, those that are short, and of the labels that are `used` words, seconds, vocabulary.

    vocabulary: word (or character) and its count, i64.
    """

    rows: int
    short: int
    used: int
    words: int
    seconds: float
    vocabulary: pl.DataFrame

    @property
    def rate(self) -> float:
        """Words a second."""
        return self.words / self.seconds if self.seconds else 0.0

    @property
    def short_share(self) -> float:
        """The share of labels that are empty or very short."""
        return self.short / self.rows if self.rows else 0.0


def count(tables: Iterable[pl.DataFrame], measure: Measure) -> Census:
    """The census of tables with the columns size, label and used (bool), which come piece by piece."""
    rows = short = kept = words = 0
    seconds = 0.0
    vocabulary = pl.DataFrame(schema={"word": pl.String, "count": pl.Int64})
    for table in tables:
        used = table.filter("used")
        rows, kept = rows + len(table), kept + len(used)
        short += int(table.select(measure.short().sum()).item())
        words += int(used.select(length(measure.unit).sum()).item())
        seconds += float(used["size"].cast(pl.Float64).sum())
        vocabulary = pl.concat([vocabulary, counted(used["label"], measure.unit)]).group_by("word").sum()
    return Census(rows, short, kept, words, seconds, vocabulary)


def length(unit: Unit, column: str = "label") -> pl.Expr:
    """The words or the characters (blanks left out) of each label, i64; 0 for one that is null."""
    return pl.col(column).fill_null("").str.count_matches(_PATTERN[unit]).cast(pl.Int64)


def counted(labels: pl.Series, unit: Unit, times: pl.Series | None = None) -> pl.DataFrame:
    """Each word (or character) of the labels and its `count`, i64; a label counts as often as `times` says, or once."""
    words = labels.str.extract_all(_PATTERN[unit]).alias("word")
    once = pl.lit(1, pl.Int64) if times is None else times.cast(pl.Int64)
    table = words.to_frame().with_columns(once.alias("count")).drop_nulls("word")
    return table.explode("word", empty_as_null=False).group_by("word").agg(pl.col("count").sum())


def kinds_among(counts: np.ndarray, number: int) -> float:
    """The kinds to be expected among `number` words drawn, without putting any back, from words with these counts.

        E[kinds] = sum over kinds i of 1 - C(N - N_i, n) / C(N, n),  N = sum of N_i

    Two texts of different lengths are compared at the same n. Source: Hurlbert 1971, "The nonconcept of species
    diversity" (rarefaction). Raises ValueError where there are fewer words than that.
    """
    total = int(counts.sum())
    if number > total:
        raise ValueError(f"{number} words cannot be drawn from {total}")
    distinct, kinds = np.unique(counts, return_counts=True)
    missing = [_share_without(int(each), total, number) for each in distinct]
    return float(kinds @ (1 - np.array(missing, np.float64)))


def _share_without(each: int, total: int, number: int) -> float:
    """The probability that none of `each` words is among `number` drawn from `total`."""
    if total - each < number:
        return 0.0
    logs = (total - each + 1, total - number + 1), (total - each - number + 1, total + 1)
    return math.exp(sum(map(math.lgamma, logs[0])) - sum(map(math.lgamma, logs[1])))
