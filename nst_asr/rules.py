"""The rules of a filter as expressions over a label table that a gauge has judged (`Gauge.judged`)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from nst_asr.filter_plan import FilterPlan, Limits
from nst_asr.measures import MEASURES, tokens, words_per_second
from nst_asr.repeat import repeats
from nst_asr.risk import RiskCurve
from nst_asr.target import Cut, loosened
from nst_asr.verdicts import RULES

_STEP = 1e-4  # cut-offs are suggested to this precision


@dataclass(frozen=True)
class Cutoff:
    """A number in the plan that rows are compared with."""

    key: str
    value: float
    measure: pl.Expr
    rejects: pl.Expr
    from_below: bool = True  # rows below the value are rejected, not those above it
    signed: bool = False  # the value may be negative

    @property
    def rule(self) -> str:
        """The rule that it belongs to."""
        rule = self.key.partition(".")[0]
        return "confidence" if rule == "confidence_below" else rule

    def relaxed(self, measures: np.ndarray) -> tuple[float, int] | None:
        """The cut-off nearest to the plan's, in steps of 0.0001, that keeps one of these rows; how many it keeps."""
        best = float(measures.max() if self.from_below else measures.min())
        value = (math.ceil(best / _STEP) - 1 if self.from_below else math.floor(best / _STEP) + 1) * _STEP
        value = round(value if self.signed else max(value, 0.0), 4)
        return value, int(((measures > value if self.from_below else measures < value) | (measures == best)).sum())


@dataclass(frozen=True)
class TargetCutoff(Cutoff):
    """The cut-off of a target error rate: the rate is what is relaxed."""

    curve: RiskCurve = field(kw_only=True)

    def relaxed(self, measures: np.ndarray) -> tuple[float, int] | None:
        """The lowest target whose cut-off keeps one of these rows, and how many; None where dev has no such cut-off."""
        found = loosened(self.curve, float(measures.max()))
        return (found[0], int((measures >= found[1]).sum())) if found else None


def rules_of(plan: FilterPlan, cutoffs: list[Cutoff]) -> dict[str, pl.Expr]:
    """Rule -> true where it rejects; `top` is missing, since it looks at more than one row."""
    found: dict[str, pl.Expr] = {}
    if plan.empty:
        found["empty"] = (tokens() == 0) | (pl.col("label").str.strip_chars().fill_null("") == "")
    logprob, score = pl.col("logprob"), pl.col("score")
    found["finite"] = ~(logprob.is_finite().fill_null(False) & score.is_finite().fill_null(True))
    for rule in RULES:
        rejections = [cutoff.rejects for cutoff in cutoffs if cutoff.rule == rule]
        if rejections:
            found[rule] = pl.any_horizontal(rejections)
        elif rule == "repeat" and plan.repeat:
            found[rule] = repeats(plan.repeat)
    return found


def cutoffs_of(plan: FilterPlan, cut: Cut | None, curve: RiskCurve | None) -> list[Cutoff]:
    """The cut-offs of a plan; cut and curve: those of its target error, where it has one."""
    found = [
        *_limits("rate", plan.rate, tokens() / pl.col("size")),
        *_limits("words", plan.words, words_per_second()),
    ]
    for key, value in (("unspoken", plan.unspoken), ("lm_distance", plan.lm_distance)):
        if value is not None:
            measure = pl.col(key).fill_nan(None)
            found.append(Cutoff(key, value, measure, (measure > value).fill_null(True), from_below=False))
    if plan.agreement is not None:
        found.append(_least("agreement", plan.agreement, pl.col("agreement")))
    if plan.score is not None and plan.score > -math.inf:
        score = pl.col("normalised_score")
        found.append(Cutoff("score", plan.score, score, (score <= plan.score).fill_null(False), signed=True))
    if plan.confidence is not None:
        found.append(_least("confidence", plan.confidence, pl.col("confidence")))
    if (below := plan.confidence_below) is not None:
        sure = pl.col("confidence").fill_nan(None)
        too_sure = (sure >= below).fill_null(True)
        found.append(Cutoff("confidence_below", below, sure, too_sure, from_below=False))
    found += [_least(f"least.{name}", value, MEASURES[name].value, signed=True) for name, value in plan.least.items()]
    if plan.target_error and cut and curve:
        measure = MEASURES[cut.by].value.fill_nan(None)
        rejects = (measure < cut.least).fill_null(True)
        found.append(TargetCutoff("target_error", plan.target_error.rate, measure, rejects, curve=curve))
    return found


def _limits(key: str, limits: Limits | None, measure: pl.Expr) -> list[Cutoff]:
    if limits is None:
        return []
    low = Cutoff(f"{key}.low", limits.low, measure, measure < limits.low)
    return [low, Cutoff(f"{key}.high", limits.high, measure, measure > limits.high, from_below=False)]


def _least(key: str, value: float, measure: pl.Expr, *, signed: bool = False) -> Cutoff:
    """Rows without the measure are rejected."""
    # in 32 bits, as the table has it: a confidence of just 0.9 is to pass a limit of 0.9
    there = measure.fill_nan(None).cast(pl.Float32)
    return Cutoff(key, value, there, (there < value).fill_null(True), signed=signed)
