"""Which labels the student learns from: each rule rejects with its name as the reason, the rest are kept."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
import polars as pl
import pydantic

from nst_asr.config import Record
from nst_asr.gauge import Gauge
from nst_asr.repeat import Repeat, repeats
from nst_asr.verdicts import KEPT as KEPT  # part of what this module offers
from nst_asr.verdicts import RULES, VERDICT, Step, Verdicts

Measure = Literal["normalised_score", "logprob_per_token", "confidence", "entropy_confidence", "min_confidence"]

_PIECE = 250_000  # rows judged at once: memory stays flat however long a lazy table is
_COLUMNS = ("id", "size", "label", "tokens", "logprob", "score", "confidence")
_STEP = 1e-4  # cut-offs are suggested to this precision


class NothingKept(ValueError):  # noqa: N818 - the name says what happened
    """A filter that rejects every label; the message has the waterfall and the nearest cut-offs that keep some."""


class Limits(Record):
    """Tokens a second that a label may have, both ends included."""

    low: float = pydantic.Field(default=0.0, ge=0)
    high: float = pydantic.Field(default=math.inf, allow_inf_nan=True)

    @pydantic.model_validator(mode="after")
    def _low_is_below_high(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low = {self.low:g} is not below high = {self.high:g}; no rate lies between them")
        return self


class Top(Record):
    """The share of rows, by number and not by hours, that is kept: those that are best by a measure."""

    share: float = pydantic.Field(gt=0, le=1)
    by: Measure = "normalised_score"


class FilterPlan(Record):
    """Which rules judge the labels, and their cut-offs; a rule that is null is off."""

    empty: bool = True  # reject labels without tokens or without text
    rate: Limits | None = None
    repeat: Repeat | None = None
    # the normalised score must be greater (Park et al.: 1, 0.5, 0, -1, -inf by generation)
    score: float | None = pydantic.Field(default=None, allow_inf_nan=True)
    confidence: float | None = pydantic.Field(default=None, ge=0, le=1)  # the confidence must be at least this
    top: Top | None = None  # applied to the rows that no other rule rejected

    @property
    def needs_gauge(self) -> bool:
        """Whether a rule looks at normalised scores."""
        return self.score is not None or (self.top is not None and self.top.by == "normalised_score")

    @pydantic.field_validator("score")
    @classmethod
    def _score_is_a_number(cls, value: float | None) -> float | None:
        if value is not None and not value < math.inf:
            raise ValueError(f"{value} keeps nothing; give a number, or null for no filter")
        return value


def filter(labels: pl.DataFrame | pl.LazyFrame, gauge: Gauge, plan: FilterPlan) -> Verdicts:
    """The verdict on every row of a label table (`labels.SCHEMA`), and the waterfall.

    A row is judged by itself, except by `top`, whose ties are broken by id: the order of the rows does not matter.
    The rule `finite` is always on: a label whose logprob or score is missing or not finite (more tokens than frames,
    a teacher that diverged) is never kept. Where `empty` is off, `score` lets empty labels pass: they have no
    normalised score. Rows without the confidence or the measure that `confidence` or `top` asks for are rejected.

    A lazy table is read in pieces of 250,000 rows, only the columns that the rules need. Source: normalised score
    Park et al. 2020; repeated n-grams and the top share by score Kahn et al. 2020.
    """
    normalised = gauge.normalised().cast(pl.Float32).alias("normalised_score")
    measure = [pl.col("id"), _measures()[plan.top.by].alias("measure")] if plan.top else []
    rules = _rules(plan)
    facts = pl.concat(
        piece.with_columns(normalised).select("size", "normalised_score", *measure, **rules)
        for piece in _pieces(labels, plan)
    )
    alone = {rule: facts[rule].to_numpy() for rule in rules}
    if plan.top:
        alone["top"] = ~_top(facts, np.ones(len(facts), bool), plan.top.share)
    code, steps = _judge(facts, alone, plan)
    verdict = pl.Series("verdict", VERDICT.categories, dtype=VERDICT).gather(code)
    table = pl.DataFrame([verdict, facts["normalised_score"]])
    return Verdicts(table, steps, len(facts), _hours(facts["size"].to_numpy()))


def require_some(verdicts: Verdicts, labels: pl.DataFrame | pl.LazyFrame, plan: FilterPlan) -> None:
    """Nothing, if any label is kept. Raises NothingKept with the waterfall and cut-offs that keep something."""
    if not verdicts.kept.any():
        raise NothingKept(
            f"the filter keeps none of {verdicts.rows} labels\n{verdicts.describe()}\n"
            + "\n".join(_ways_out(verdicts, labels, plan))
        )


@dataclass(frozen=True)
class _Cutoff:
    """A number in the plan that rows are compared with."""

    key: str
    value: float
    measure: pl.Expr
    rejects: pl.Expr
    from_below: bool = True  # rows below the value are rejected, not those above it

    def relaxed(self, measures: np.ndarray) -> tuple[float, int]:
        """The cut-off nearest to the plan's, in steps of 0.0001, that keeps one of these rows; how many it keeps."""
        best = float(measures.max() if self.from_below else measures.min())
        value = (math.ceil(best / _STEP) - 1 if self.from_below else math.floor(best / _STEP) + 1) * _STEP
        value = round(value if self.key == "score" else max(value, 0.0), 4)
        return value, int(((measures > value if self.from_below else measures < value) | (measures == best)).sum())


def _rules(plan: FilterPlan) -> dict[str, pl.Expr]:
    """Rule -> true where it rejects; `top` is missing, since it looks at more than one row."""
    rules: dict[str, pl.Expr] = {}
    if plan.empty:
        rules["empty"] = (_tokens() == 0) | (pl.col("label").str.strip_chars().fill_null("") == "")
    logprob, score = pl.col("logprob"), pl.col("score")
    rules["finite"] = ~(logprob.is_finite().fill_null(False) & score.is_finite().fill_null(True))
    cutoffs = _cutoffs(plan)
    for rule in ("rate", "repeat", "score", "confidence"):
        rejections = [cutoff.rejects for cutoff in cutoffs if cutoff.key.split(".")[0] == rule]
        if rejections:
            rules[rule] = pl.any_horizontal(rejections)
        elif rule == "repeat" and plan.repeat:
            rules[rule] = repeats(plan.repeat)
    return rules


def _cutoffs(plan: FilterPlan) -> list[_Cutoff]:
    cutoffs = []
    if plan.rate:
        rate = _tokens() / pl.col("size")
        cutoffs.append(_Cutoff("rate.low", plan.rate.low, rate, rate < plan.rate.low))
        cutoffs.append(_Cutoff("rate.high", plan.rate.high, rate, rate > plan.rate.high, from_below=False))
    if plan.score is not None and plan.score > -math.inf:
        score = pl.col("normalised_score")
        cutoffs.append(_Cutoff("score", plan.score, score, (score <= plan.score).fill_null(False)))
    if plan.confidence is not None:
        sure = pl.col("confidence").fill_nan(None)
        cutoffs.append(_Cutoff("confidence", plan.confidence, sure, (sure < plan.confidence).fill_null(True)))
    return cutoffs


def _measures() -> dict[Measure, pl.Expr]:
    return {
        "normalised_score": pl.col("normalised_score"),
        "logprob_per_token": pl.col("logprob") / _tokens(),
        "confidence": pl.col("confidence"),
        "entropy_confidence": pl.col("entropy_confidence"),
        "min_confidence": pl.col("token_confidence").list.min(),
    }


def _tokens() -> pl.Expr:
    return pl.col("tokens").list.len().fill_null(0).cast(pl.Float64)


def _top(facts: pl.DataFrame, among: np.ndarray, share: float) -> np.ndarray:
    """True for the best `share` of the rows `among`: to the nearest whole number of rows, at least one."""
    measure = facts["measure"].cast(pl.Float64).fill_null(math.nan).to_numpy()
    wanted = max(1, math.floor(share * int(among.sum()) + 0.5))
    candidates = np.flatnonzero(among & np.isfinite(measure))
    if len(candidates) > wanted:
        lowest = np.partition(measure[candidates], -wanted)[-wanted]
        better = candidates[measure[candidates] > lowest]
        level = candidates[measure[candidates] == lowest]
        first = facts["id"].gather(level).arg_sort().to_numpy()[: wanted - len(better)]
        candidates = np.concatenate((better, level[first]))
    chosen = np.zeros(len(facts), bool)
    chosen[candidates] = True
    return chosen


def _judge(facts: pl.DataFrame, alone: dict[str, np.ndarray], plan: FilterPlan) -> tuple[np.ndarray, tuple[Step, ...]]:
    """Each row's place in `VERDICT`, and the waterfall."""
    size = facts["size"].to_numpy()
    left = np.ones(len(facts), bool)
    code = np.zeros(len(facts), np.uint8)
    steps = []
    for rule, rejected in alone.items():
        here = left & (~_top(facts, left, plan.top.share) if rule == "top" and plan.top else rejected)
        code[here] = RULES.index(rule) + 1
        left &= ~here
        counts = [(int(rows.sum()), _hours(size[rows])) for rows in (rejected, here, left)]
        steps.append(Step(rule, *counts[0], *counts[1], *counts[2]))
    return code, tuple(steps)


def _hours(size: np.ndarray) -> float:
    return float(size.sum(dtype=np.float64)) / 3600


def _pieces(labels: pl.DataFrame | pl.LazyFrame, plan: FilterPlan) -> Iterator[pl.DataFrame]:
    columns = list(_COLUMNS)
    if plan.top and plan.top.by in ("entropy_confidence", "min_confidence"):
        columns.append("token_confidence" if plan.top.by == "min_confidence" else plan.top.by)
    table = labels.lazy().select(columns)
    rows = int(table.select(pl.len()).collect().item())
    for start in range(0, max(rows, 1), _PIECE):
        yield table.slice(start, _PIECE).collect()


def _ways_out(verdicts: Verdicts, labels: pl.DataFrame | pl.LazyFrame, plan: FilterPlan) -> list[str]:
    """What to change: cut-offs that are enough alone, or else those that the best label needs together."""
    cutoffs = _cutoffs(plan)
    facts = _facts_of_cutoffs(verdicts, labels, plan, cutoffs)
    if facts.is_empty():
        return [
            "no cut-off helps: every label is empty, not finite, repeats itself or lacks the confidence that is asked "
            "for; train the teacher for longer, or switch the rule off"
        ]
    nearest = facts.filter(pl.col("failed") == pl.col("failed").min())
    fewest = nearest["failed"][0]
    if fewest == 0:
        return [f"top: no row that reaches it has the measure {plan.top.by if plan.top else ''}; choose another one"]
    return _each(cutoffs, nearest) if fewest == 1 else [_together(cutoffs, nearest)]


def _facts_of_cutoffs(
    verdicts: Verdicts, labels: pl.DataFrame | pl.LazyFrame, plan: FilterPlan, cutoffs: list[_Cutoff]
) -> pl.DataFrame:
    """The rows that a change of cut-offs could keep: each measure, whether it fails, and how many fail."""
    fails = {f"fails {cutoff.key}": cutoff.rejects for cutoff in cutoffs}
    measures = {cutoff.key: cutoff.measure for cutoff in cutoffs}
    others = [rejects for rule, rejects in _rules(plan).items() if rule in ("empty", "finite", "repeat")]
    others += [cutoff.rejects & cutoff.measure.is_null() for cutoff in cutoffs]
    start, pieces = 0, []
    for piece in _pieces(labels, plan):
        scores = verdicts.table["normalised_score"].slice(start, len(piece))
        start += len(piece)
        within_reach = piece.with_columns(scores).filter(~pl.any_horizontal(others))
        pieces.append(within_reach.select("normalised_score", **fails, **measures))
    return pl.concat(pieces).with_columns(failed=pl.sum_horizontal(pl.lit(0), *fails))


def _each(cutoffs: list[_Cutoff], facts: pl.DataFrame) -> list[str]:
    lines = []
    for cutoff in cutoffs:
        measures = facts.filter(pl.col(f"fails {cutoff.key}"))[cutoff.key].to_numpy()
        if len(measures):
            value, rows = cutoff.relaxed(measures)
            lines.append(f"{cutoff.key}: {cutoff.value} keeps nothing; {value} keeps {rows} row{'s' * (rows > 1)}")
    return lines


def _together(cutoffs: list[_Cutoff], facts: pl.DataFrame) -> str:
    best = facts.sort("normalised_score", descending=True, nulls_last=True).head(1)
    changes = [
        f"{cutoff.key}: {cutoff.value} -> {cutoff.relaxed(best[cutoff.key].to_numpy())[0]}"
        for cutoff in cutoffs
        if best[f"fails {cutoff.key}"].item()
    ]
    return f"no single cut-off is enough; together these keep 1 row: {', '.join(changes)}"
