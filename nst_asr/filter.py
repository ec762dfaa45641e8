"""Which labels the student learns from: each rule rejects with its name as the reason, the rest are kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import polars as pl

from nst_asr.filter_plan import FilterPlan as FilterPlan  # part of what this module offers, as the next ones
from nst_asr.filter_plan import Limits as Limits
from nst_asr.filter_plan import Top as Top
from nst_asr.gauge import Gauge
from nst_asr.measures import ADDED, MEASURES, columns_of, tokens
from nst_asr.rules import Cutoff, cutoffs_of, rules_of
from nst_asr.target import Cut, find_cut
from nst_asr.target import OutOfReach as OutOfReach
from nst_asr.target import Target as Target
from nst_asr.verdicts import KEPT as KEPT
from nst_asr.verdicts import RULES, VERDICT, Expected, Step, Verdicts
from nst_asr.ways_out import ways_out, within_reach

_PIECE = 250_000  # rows judged at once: memory stays flat however long a lazy table is
_THREADS = 2  # pieces that are judged at the same time
_COLUMNS = ("size", "label", "tokens", "logprob", "score", "confidence")

F = TypeVar("F")


class NothingKept(ValueError):  # noqa: N818 - the name says what happened
    """A filter that rejects every label; the message has the waterfall and the nearest cut-offs that keep some."""


def filter(labels: pl.DataFrame | pl.LazyFrame, gauge: Gauge, plan: FilterPlan) -> Verdicts:
    """The verdict on every row of a label table (`labels.SCHEMA`), and the waterfall.

    A row is judged by itself, except by `top`, whose ties are broken by id: the order of the rows does not matter.
    The rule `finite` is always on: a label whose logprob or score is missing or not finite (more tokens than frames,
    a teacher that diverged) is never kept. Where `empty` is off, `score` lets empty labels pass: they have no
    normalised score. Rows that lack what `unspoken`, `lm_distance`, `agreement`, `confidence`, `least`, `target_error`
    or `top` look at are rejected.

    A lazy table is read in pieces of 250,000 rows, only the columns that the rules and the calibration need. Raises
    OutOfReach where no cut-off gives the error rate that `target_error` asks for. Source: normalised score Park et al.
    2020; repeated n-grams and the top share by score Kahn et al. 2020.
    """
    judging = _Judging.of(gauge, plan)
    ranked = [pl.col("id"), MEASURES[plan.top.by].value.alias("measure")] if plan.top else []
    rules = rules_of(plan, judging.cutoffs)
    facts = pl.concat(
        judging.each(labels, lambda piece: piece.select("size", *ADDED, "expected_words", *ranked, **rules))
    )
    alone = {rule: facts[rule].to_numpy() for rule in rules}
    if plan.top:
        alone["top"] = ~_top(facts, np.ones(len(facts), bool), plan.top.share)
    code, steps = _judge(facts, alone, plan, judging.cut)
    verdict = pl.Series("verdict", VERDICT.categories, dtype=VERDICT).gather(code)
    table = pl.DataFrame([verdict, *facts.select(ADDED)])
    expected = _expected(facts, code) if gauge.calibrated else None
    return Verdicts(table, steps, len(facts), _hours(facts["size"].to_numpy()), expected, judging.cut)


def require_some(verdicts: Verdicts, labels: pl.DataFrame | pl.LazyFrame, gauge: Gauge, plan: FilterPlan) -> None:
    """Nothing, if any label is kept. Raises NothingKept with the waterfall and cut-offs that keep something."""
    if not verdicts.kept.any():
        judging = _Judging.of(gauge, plan)
        near = judging.each(labels, lambda piece: within_reach(piece, plan, judging.cutoffs))
        ways = ways_out(near, plan, judging.cutoffs)
        raise NothingKept(f"the filter keeps none of {verdicts.rows} labels\n{verdicts.describe()}\n" + "\n".join(ways))


def refuse_blind(heard: pl.DataFrame | pl.LazyFrame, plan: FilterPlan) -> None:
    """Nothing, unless a measure that the plan names is missing in all dev labels: the pool's will not have it either.

    heard: dev, decoded as the pool is. Raises NothingKept, before the pool is labeled.
    """
    asked = [name for name in plan.measures if not {*MEASURES[name].columns, name} & {*ADDED}]
    known = heard.lazy().filter(tokens() > 0)
    counts = known.select(pl.len(), **{name: MEASURES[name].value.is_not_null().sum() for name in asked}).collect()
    lacking = [plan.measures[name] for name in asked if not counts[name].item()] if counts["len"].item() else []
    if lacking:
        raise NothingKept(
            f"{', '.join(lacking)}: no label of dev has this measure, so no label of the pool would have it, and all "
            "would be rejected. There is no margin and no score of a search where decoding is greedy, as it is too "
            "where dev gave the language model the weight 0 (the log says so); give another measure, or the weight"
        )


@dataclass(frozen=True)
class _Judging:
    """A gauge and a plan, with the cut-offs that these two make together."""

    gauge: Gauge
    plan: FilterPlan
    cut: Cut | None
    cutoffs: list[Cutoff]

    @classmethod
    def of(cls, gauge: Gauge, plan: FilterPlan) -> _Judging:
        cut = find_cut(gauge.curves, plan.target_error) if plan.target_error else None
        return cls(gauge, plan, cut, cutoffs_of(plan, cut, gauge.curves[cut.by] if cut else None))

    def each(self, labels: pl.DataFrame | pl.LazyFrame, find: Callable[[pl.DataFrame], F]) -> Iterator[F]:
        """What is found in the table as the gauge judges it, some rows at a time, in order."""
        looked_at = [*rules_of(self.plan, self.cutoffs).values(), *self.gauge.needed()]
        looked_at += [MEASURES[self.plan.top.by].value, pl.col("id")] if self.plan.top else []
        table = labels.lazy().select(sorted({*_COLUMNS, *columns_of(looked_at)}))
        rows = int(table.select(pl.len()).collect().item())

        def found(start: int) -> F:
            return find(self.gauge.judged(table.slice(start, _PIECE).collect()))

        # a few pieces at a time: much of the work is done on one core each
        with ThreadPoolExecutor(_THREADS) as threads:
            yield from threads.map(found, range(0, max(rows, 1), _PIECE))


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


def _judge(
    facts: pl.DataFrame, alone: dict[str, np.ndarray], plan: FilterPlan, cut: Cut | None
) -> tuple[np.ndarray, tuple[Step, ...]]:
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
        found = cut.least if cut and rule == "target_error" else None
        steps.append(Step(rule, *counts[0], *counts[1], *counts[2], found))
    return code, tuple(steps)


def _hours(size: np.ndarray) -> float:
    return float(size.sum(dtype=np.float64)) / 3600


def _expected(facts: pl.DataFrame, code: np.ndarray) -> Expected:
    """What the calibration expects of the kept labels."""
    kept = facts.select("expected_error", "expected_words").filter(pl.Series(code == 0))
    rate, words = (column.cast(pl.Float64).to_numpy() for column in kept.drop_nulls())
    return Expected(float(rate @ words), float(words.sum()), len(kept) - len(words))
