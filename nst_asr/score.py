"""Errors of hypotheses against references, with bootstrap intervals and paired comparison.

A class name is a transcript of one word, so the word error rate of an image classifier is its top-1 error.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from nst_asr.align import Costs, align_counts
from nst_asr.bootstrap import blocks, percentiles, rate, resampled_totals
from nst_asr.key import Key
from nst_asr.store import StoreError, read_json, write_json, write_table
from nst_asr.terms import Terms

SCHEMA: dict[str, pl.DataType] = {
    "id": pl.String(),
    "group": pl.String(),  # the speaker; null where unknown
    "substitutions": pl.Int32(),
    "deletions": pl.Int32(),
    "insertions": pl.Int32(),
    "words": pl.Int32(),  # of the reference
    "character_errors": pl.Int32(),
    "characters": pl.Int32(),  # of the reference
}
KINDS = ("substitutions", "deletions", "insertions")
ERRORS = pl.sum_horizontal(KINDS)  # of each utterance


class ScoreError(ValueError):
    """References and hypotheses that cannot be scored or compared; the message names the id and the way out."""


@dataclass(frozen=True)
class Score:
    """The errors of each utterance (columns: `SCHEMA`, and that of `over`) and what they sum to.

    over: what the bootstrap draws, "speaker" (the column group), "utterance" (each by itself), or a column of
    `utterances` such as a chapter; None: `interval_over` chooses. costs: of the alignments that were counted; errors at
    different costs are not compared.
    """

    utterances: pl.DataFrame
    over: str | None = None
    costs: Costs = "unit"

    @cached_property
    def errors(self) -> int:
        """Substitutions, deletions and insertions together."""
        return sum(self._sum(name) for name in KINDS)

    @cached_property
    def words(self) -> int:
        """Words of the references."""
        return self._sum("words")

    @property
    def rate(self) -> float:
        """Errors / words: above 1 where there are many insertions.

        Where the references hold no word at all it is the number of errors, as jiwer has it. An empty reference among
        others adds its insertions to the errors and nothing to the words.
        """
        return float(rate(np.array(self.errors), np.array(self.words)))

    @cached_property
    def sentence_errors(self) -> int:
        """Utterances with at least one error."""
        return int(self.utterances.select((ERRORS > 0).sum()).item())

    @property
    def interval_over(self) -> str:
        """What the bootstrap draws: if nothing else is asked for, speakers where all are known and at least 5.

        Errors of one speaker go together, so utterances alone give too narrow an interval. Of fewer than 5 speakers
        the resamples say nothing about the next speaker, and an interval over utterances is about these speakers only.
        """
        return blocks(self.utterances, self.over)[0]

    @cached_property
    def interval(self) -> tuple[float, float]:
        """The 95 % bootstrap percentile interval of the rate, from 1,000 resamples; the same for the same errors."""
        totals = resampled_totals(paired_units([self]), Key(0)["score"])
        return percentiles(rate(totals[:, 1], totals[:, 0]))

    def describe(self, terms: Terms | None = None) -> str:
        """One line for a log, in the words of a task."""
        low, high = self.interval
        terms = terms or Terms()
        return (
            f"{terms.error} {self.rate:.2%} [{low:.2%}, {high:.2%}], "
            f"{self.errors} errors in {self.words} {terms.token}s; "
            f"{self.sentence_errors} of {len(self.utterances)} {terms.example}s wrong"
        )

    def summary(self) -> dict[str, Any]:
        """The totals as plain values."""
        character_errors, characters = self._sum("character_errors"), self._sum("characters")
        return {
            "errors": self.errors,
            "words": self.words,
            "rate": self.rate,
            "low": self.interval[0],
            "high": self.interval[1],
            "interval_over": self.interval_over,
            "costs": self.costs,
            **{name: self._sum(name) for name in KINDS},
            "sentences": len(self.utterances),
            "sentence_errors": self.sentence_errors,
            "characters": {
                "errors": character_errors,
                "characters": characters,
                "rate": float(rate(np.array(character_errors), np.array(characters))),
            },
        }

    def write(self, path: Path) -> None:
        """The errors of each utterance in `path` with the suffix .parquet, then the summary as JSON in `path`."""
        # the JSON says that the score is complete, so it comes last
        write_table(path.with_suffix(".parquet"), self.utterances)
        write_json(path, self.summary())

    def _sum(self, column: str) -> int:
        return int(self.utterances[column].cast(pl.Int64).sum())


def score(
    reference: pl.DataFrame, hypothesis: pl.DataFrame, costs: Costs = "unit", *, over: str | None = None
) -> Score:
    """The errors of `hypothesis` (id, label) against `reference` (id, group, label), in the order of the reference.

    Text is compared as it stands; `align_counts` says what words and characters are, and which costs there are: of the
    words' alignments and the characters' alike. over: what the bootstrap draws, perhaps another column of `reference`
    (`Score.over`). Raises ScoreError where the ids of the two are not the same, one occurs twice or has no label, or
    there are none; BlockError where it cannot be over that.
    """
    _check_ids(reference, hypothesis)
    _, together = blocks(reference, over)
    pairs = reference.join(
        hypothesis.select("id", heard="label"), on="id", how="left", maintain_order="left", validate="1:1"
    )
    words = align_counts(pairs["label"], pairs["heard"], "word", costs)
    characters = align_counts(pairs["label"], pairs["heard"], "character", costs)
    columns = {
        **dict(zip((*KINDS, "words"), words.T, strict=True)),
        "character_errors": characters[:, :3].sum(1, dtype=np.int32),
        "characters": characters[:, 3],
    }
    found = pairs.select("id", "group").with_columns(**{name: pl.Series(c) for name, c in columns.items()})
    if over is None or together is None or together.name in ("id", "group"):
        return Score(found, over, costs)
    if together.name in SCHEMA:
        raise ScoreError(f"{over} is what a score calls a number of its own; give the column another name")
    return Score(found.with_columns(together), over, costs)


def read_score(path: Path) -> Score:
    """The score that `write` put in `path`, over what it was. Raises StoreError where a part is missing or damaged.

    One that was written before its costs were is at unit costs: there were no others.
    """
    table = path.with_suffix(".parquet")
    if not path.exists() or not table.exists():
        missing = path if not path.exists() else table
        raise StoreError(f"{missing}: missing; move what is left of this score away and give the same command again")
    try:
        rows = pl.read_parquet(table)
        extra = {name: kind for name, kind in rows.schema.items() if name not in SCHEMA}  # what it was over, if that
        summary = read_json(path)
        found = Score(rows.match_to_schema(SCHEMA | extra), costs=summary.get("costs", "unit"))
        over = summary.get("interval_over", found.interval_over)
        return found if over == found.interval_over else replace(found, over=over)
    except pl.exceptions.PolarsError as error:
        raise StoreError(f"{table}: damaged ({error}); move it away and give the same command again") from None


@dataclass(frozen=True)
class Comparison:
    """A paired comparison: the new rate minus the old one, with its 95 % interval, and how surely it is worse.

    p_worse: the share of resamples in which the new one has more errors a word, ties counted half.
    """

    difference: float
    low: float
    high: float
    p_worse: float

    @property
    def significantly_worse(self) -> bool:
        """Whether the whole interval is above 0."""
        return self.low > 0

    @property
    def significantly_better(self) -> bool:
        """Whether the whole interval is below 0."""
        return self.high < 0

    def to_json(self) -> dict[str, Any]:
        """The fields and both judgements."""
        judgement = {name: getattr(self, name) for name in ("significantly_worse", "significantly_better")}
        return asdict(self) | judgement


def compare(old: Score, new: Score, key: Key) -> Comparison:
    """How the rate of `new` differs from that of `old` on the same utterances, by a paired bootstrap.

    Both are resampled together, over what `old.interval_over` says: what makes an utterance hard for both cancels.
    Raises ScoreError where the utterances or the costs of the alignments are not the same.
    """
    words, before, after = resampled_totals(paired_units([old, new]), key).T
    differences = rate(after, words) - rate(before, words)
    low, high = percentiles(differences)
    p_worse = float(np.mean(differences > 0) + np.mean(differences == 0) / 2)
    return Comparison(new.rate - old.rate, low, high, p_worse)


def paired_units(scores: list[Score]) -> np.ndarray:
    """What the bootstrap draws, int64 (units, 1 + scores): words, then the errors of each score on the same words.

    Raises ScoreError where the utterances or the costs of the alignments are not the same.
    """
    first = scores[0]
    _, together = blocks(first.utterances, first.over)
    table = first.utterances.select("id", "words", errors0=ERRORS)
    for place, other in enumerate(scores[1:], 1):
        _check_same(first, other)
        column = other.utterances.select("id", ERRORS.alias(f"errors{place}"))
        table = table.join(column, on="id", how="left", maintain_order="left")
    numbers = table.select(pl.exclude("id").cast(pl.Int64))
    if together is not None:
        numbers = numbers.group_by(together.alias("block")).sum().drop("block")
    return numbers.to_numpy()


def _check_same(first: Score, other: Score) -> None:
    if first.costs != other.costs:
        raise ScoreError(
            f"one score is at {first.costs} costs and the other at those of {other.costs}; score both at the same costs"
        )
    identity = ["id", "words"]
    for one, two in ((first, other), (other, first)):
        odd = one.utterances.join(two.utterances, on=identity, how="anti")
        if len(odd):
            raise ScoreError(
                f"the scores are of different utterances: {odd['id'][0]} with {odd['words'][0]} words is in one only; "
                "score both models on the same data"
            )


def _check_ids(reference: pl.DataFrame, hypothesis: pl.DataFrame) -> None:
    if reference.is_empty():
        raise ScoreError("there are no references: an error rate needs at least one utterance")
    for name, table in (("reference", reference), ("hypothesis", hypothesis)):
        doubled = table.filter(pl.col("id").is_duplicated())
        if len(doubled):
            raise ScoreError(f"the {name} has {doubled['id'][0]} more than once; keep one of them")
        blank = table.filter(pl.col("label").is_null())
        if len(blank):
            raise ScoreError(f"the {name} {blank['id'][0]} has no label; an empty text is '', not null")
    missing = reference.join(hypothesis, on="id", how="anti")
    if len(missing):
        raise ScoreError(f"no hypothesis for {missing['id'][0]} ({len(missing)} such ids); give one, '' if need be")
    extra = hypothesis.join(reference, on="id", how="anti")
    if len(extra):
        raise ScoreError(f"a hypothesis for {extra['id'][0]}, which is no reference ({len(extra)} such ids); remove it")
