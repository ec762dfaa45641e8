"""Alarms: signs that self-training goes astray, each a statistic with a limit. They warn, and decide nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import polars as pl
from pydantic import Field

from nst_asr.align import Unit, align_counts
from nst_asr.aligned import edits
from nst_asr.census import Census, Measure, count, kinds_among, length
from nst_asr.config import Record
from nst_asr.corpus import Corpus, Labeled
from nst_asr.labels import Labels
from nst_asr.lost_shares import bands, shares
from nst_asr.percent import percent
from nst_asr.side_by_side import pieces, side_by_side
from nst_asr.terms import Terms

_NAMED = 5  # parts of the pool that a message names
_FEWEST_WORDS = 1000  # of either generation, to compare their vocabularies


class AlarmPlan(Record):
    """The limit of each alarm; null switches it off. docs/ledger.md says how each statistic is made."""

    words_per_second: float | None = Field(0.25, gt=0)  # kept labels' rate / labeled set's - 1, either way
    vocabulary: float | None = Field(0.1, gt=0, lt=1)  # share of the words that the generation before used
    short_labels: float | None = Field(0.1, gt=0, lt=1)  # share of all labels, above that in the labeled set
    short_labels_growth: float | None = Field(0.05, gt=0, lt=1)  # the same, above that of the generation before
    repeated_errors: float | None = Field(0.75, gt=0, lt=1)  # share of the teacher's errors that its student repeats
    group_share: float | None = Field(0.2, gt=0, lt=1)  # a speaker's share of the kept hours / of the pool's
    size_share: float | None = Field(0.2, gt=0, lt=1)  # the same of a band of durations
    fewest: int = Field(20, ge=1)  # labels, or errors, without which nothing is judged


@dataclass(frozen=True)
class Turn:
    """One generation as far as its labels: its number, that of its teacher, dev and pool as heard, what is kept."""

    number: int
    teacher: int
    heard: Labels
    labels: Labels
    kept: pl.Series


@dataclass(frozen=True)
class Alarm:
    """One alarm, raised or not.

    name: its key in the plan. value: the statistic, null where there is none to tell, and then `facts` says why.
    facts: what the value is made of, in words. advice: what to do where it is raised.
    """

    name: str
    value: float | None
    limit: float
    raised: bool
    facts: str
    advice: str

    def to_json(self) -> dict[str, Any]:
        """The fields."""
        return asdict(self)


def describe(alarm: Mapping[str, Any]) -> str:
    """One line for a log or a table, of an alarm as `to_json` gives it."""
    return (
        f"alarm {alarm['name']}: {alarm['facts']} (statistic {alarm['value']:.3g}, limit {alarm['limit']:g}); "
        f"{alarm['advice']}"
    )


@dataclass(frozen=True)
class _Found:
    """A statistic and how it came about; `value` is null where there is none."""

    value: float | None
    facts: str


def check(corpus: Corpus, turn: Turn, before: Turn | None, plan: AlarmPlan, terms: Terms | None = None) -> list[Alarm]:
    """Every alarm that the plan has on, raised or not, for the labels of `turn`; `before` is the previous generation.

    The tables are read piece by piece. Labels are counted in words, or in characters where the labeled set has no
    blanks. A statistic that few labels or errors would make noise is not judged (`plan.fewest`); nor are rates and
    durations where all examples are of one size.
    """
    return list(_Checks(corpus, turn, before, plan, terms or Terms()).alarms())


class _Checks:
    """The statistics of one generation; each method is one alarm of that name."""

    def __init__(self, corpus: Corpus, turn: Turn, before: Turn | None, plan: AlarmPlan, terms: Terms) -> None:
        self.corpus, self.turn, self.before, self.plan, self.terms = corpus, turn, before, plan, terms
        self.measure = Measure.of(corpus.labeled.rows)
        self.unit: Unit = self.measure.unit
        self.symbol = terms.token if self.unit == "word" else "character"

    @cached_property
    def given(self) -> Census:
        labeled = self.corpus.labeled.rows.select("size", "label").with_columns(used=pl.lit(True))
        return count([labeled], self.measure)

    @cached_property
    def now(self) -> Census:
        return count(_with_used(self.turn), self.measure)

    @cached_property
    def then(self) -> Census | None:
        return count(_with_used(self.before), self.measure) if self.before else None

    def alarms(self) -> Iterator[Alarm]:
        for name, advice in _ADVICE.items():
            limit = getattr(self.plan, name)
            if limit is not None:
                found: _Found = getattr(self, name)()
                yield Alarm(name, found.value, limit, _beyond(name, found.value, limit), found.facts, advice)

    def words_per_second(self) -> _Found:
        if not self.measure.sized:
            return _Found(None, "all examples are of one size")
        if self.now.used < self.plan.fewest:
            return self._too_few(self.now.used, "kept labels")
        facts = f"kept labels have {self.now.rate:.3g} {self.symbol}s a second, the labeled set {self.given.rate:.3g}"
        return _Found(self.now.rate / self.given.rate - 1 if self.given.rate else None, facts)

    def vocabulary(self) -> _Found:
        if self.then is None:
            return _Found(None, "there is no generation before")
        known = self.given.vocabulary.select("word")
        counts = [
            each.vocabulary.join(known, on="word", how="semi")["count"].to_numpy() for each in (self.then, self.now)
        ]
        number = min(int(each.sum()) for each in counts)
        if number < _FEWEST_WORDS:
            return self._too_few(number, f"{self.symbol}s of the labeled set in the kept labels", _FEWEST_WORDS)
        then, now = (kinds_among(each, number) for each in counts)
        facts = (
            f"{number:,} {self.symbol}s of kept labels are of {now:,.0f} kinds that the labeled set has, of the "
            f"generation before of {then:,.0f}"
        )
        return _Found(1 - now / then, facts)

    def short_labels(self) -> _Found:
        if self.now.rows < self.plan.fewest:
            return self._too_few(self.now.rows, "labels")
        now, given = self.now.short_share, self.given.short_share
        facts = f"{percent(now)} of all labels are empty or very short, {percent(given)} of the labeled set's"
        return _Found(now - given, facts)

    def short_labels_growth(self) -> _Found:
        if self.then is None:
            return _Found(None, "there is no generation before")
        if self.now.rows < self.plan.fewest:
            return self._too_few(self.now.rows, "labels")
        now, then = self.now.short_share, self.then.short_share
        facts = f"{percent(now)} of all labels are empty or very short, {percent(then)} in the generation before"
        return _Found(now - then, facts)

    def repeated_errors(self) -> _Found:
        before, turn = self.before, self.turn
        if before is None or before.teacher == turn.teacher:
            return _Found(None, "there is no generation before" if before is None else "both have the same teacher")
        counts = [_errors(self.corpus.dev, each.heard, self.unit) for each in (before, turn)]
        fewest = min(errors for errors, _ in counts)
        if fewest < self.plan.fewest:
            return self._too_few(fewest, "errors on dev")
        rates = [errors / words for errors, words in counts]
        changed, words = _edits(before.labels, turn.labels, self.unit)
        apart = changed / max(words, 1)
        facts = (
            f"teacher and student disagree in {percent(apart)} of the pool's {self.symbol}s, on dev they are wrong in "
            f"{percent(rates[0])} and {percent(rates[1])}"
        )
        return _Found(1 - apart / min(rates), facts)

    def group_share(self) -> _Found:
        rows = self.corpus.unlabeled.rows.select("group", "size")
        return self._least_share(rows, "group", f"{self.terms.group}s")

    def size_share(self) -> _Found:
        rows = self.corpus.unlabeled.rows.select("size").with_columns(bands(self.corpus.unlabeled.rows["size"]))
        return self._least_share(rows, "band", "bands of seconds")

    def _least_share(self, rows: pl.DataFrame, name: str, nouns: str) -> _Found:
        if rows[name].n_unique() - bool(rows[name].null_count()) < 2:
            return _Found(None, f"there are no two {nouns}" if name == "group" else "all examples are of one size")
        found = shares(rows, self.turn.kept, name, self.plan.fewest)
        if found.is_empty():
            return self._too_few(0, f"kept {self.terms.example}s to be expected of any of the {nouns}")
        limit = self.plan.group_share if name == "group" else self.plan.size_share
        below = found.filter(pl.col("ratio") < limit)
        names = ", ".join(f"{part} ({ratio:.2f})" for part, ratio in found.head(_NAMED).select(name, "ratio").rows())
        facts = (
            f"{len(below)} of {len(found)} {nouns} have under {limit:g} of their share of the pool in what is kept; "
            f"the least: {names}"
        )
        return _Found(float(found["ratio"][0]), facts)

    def _too_few(self, number: int, noun: str, fewest: int | None = None) -> _Found:
        return _Found(None, f"not judged: {number} {noun}, fewer than {fewest or self.plan.fewest}")


_ADVICE = {
    "words_per_second": "the labels may have deletions (or loops, where they are too fast): look at `nst-asr why`, set "
    "filter.rate, or give a length bonus",
    "vocabulary": "the student forgets words: loosen the filter, balance by tokens, raise the labeled share",
    "short_labels": "the teacher falls silent, or there is no speech in these: keep filter.empty on, set filter.rate",
    "short_labels_growth": "the student falls silent: train it for longer, raise the labeled share, set filter.rate",
    "repeated_errors": "the student learns its teacher's mistakes: more noise, fewer updates, a stricter filter",
    "group_share": "the student hears little of them: loosen the filter, or look at their labels with `nst-asr why`",
    "size_share": "the student hears little of these: loosen the filter, or look at their labels with `nst-asr why`",
}


def _beyond(name: str, value: float | None, limit: float) -> bool:
    """Whether the statistic is on the wrong side of its limit."""
    if value is None:
        return False
    if name in ("group_share", "size_share"):
        return value < limit
    return (abs(value) if name == "words_per_second" else value) > limit


def _with_used(turn: Turn) -> Iterator[pl.DataFrame]:
    """The generation's labels in pieces, with `used` true for those that are kept."""
    start = 0
    for piece in pieces(turn.labels.paths(), ["size", "label"]):
        yield piece.with_columns(used=turn.kept.slice(start, len(piece)))
        start += len(piece)


def _errors(dev: Labeled, heard: Labels, unit: Unit) -> tuple[int, int]:
    """Errors of dev as it was heard, and its words."""
    labels = pl.concat(pieces(heard.paths(), ["id", "label"]))
    pairs = dev.rows.select("id", true="label").join(labels, on="id", how="left", maintain_order="left")
    counts = align_counts(pairs["true"].to_list(), pairs["label"].fill_null("").to_list(), unit)
    return int(counts[:, :3].sum()), max(int(counts[:, 3].sum()), 1)


def _edits(old: Labels, new: Labels, unit: Unit) -> tuple[int, int]:
    """Edits that lead from the old labels of the pool to the new ones, and the words of the old."""
    total, words = 0, 0
    for piece in side_by_side(old.paths(), new.paths()):
        words += int(piece.select(length(unit, "old").sum()).item())
        changed = piece.filter(pl.col("old") != pl.col("new"))
        total += int(edits(changed["old"].to_list(), changed["new"].to_list(), unit).sum())
    return total, words
