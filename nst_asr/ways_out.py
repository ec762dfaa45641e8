"""What to change in a filter that keeps nothing."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from nst_asr.filter_plan import FilterPlan
from nst_asr.rules import Cutoff, rules_of

_NO_CUTOFF = ("empty", "finite", "repeat")  # rules without a number that could be moved


def ways_out(near: Iterable[tuple[pl.DataFrame, set[str]]], plan: FilterPlan, cutoffs: list[Cutoff]) -> list[str]:
    """What to change: cut-offs that are enough alone, or else those that the best label needs together.

    near: what `within_reach` says of the label table, piece by piece.
    """
    tables, known = zip(*near, strict=True)
    facts, there = pl.concat(tables), set().union(*known)
    lacking = [cutoff.key for cutoff in cutoffs if cutoff.key not in there and cutoff.key != "score"]
    if lacking:  # but the score, which lets labels pass that have none
        return [f"no cut-off helps: no label has what {key} looks at; switch this rule off" for key in lacking]
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


def within_reach(piece: pl.DataFrame, plan: FilterPlan, cutoffs: list[Cutoff]) -> tuple[pl.DataFrame, set[str]]:
    """The rows that a change of cut-offs could keep: each measure, whether it fails, and how many fail.

    And the cut-offs whose measure any row at all has. piece: labels as the gauge judged them.
    """
    fails = {f"fails {cutoff.key}": cutoff.rejects for cutoff in cutoffs}
    measures = {cutoff.key: cutoff.measure for cutoff in cutoffs}
    others = [rejects for rule, rejects in rules_of(plan, cutoffs).items() if rule in _NO_CUTOFF]
    others += [cutoff.rejects & cutoff.measure.is_null() for cutoff in cutoffs]
    known = piece.select(measure.is_not_null().any().alias(key) for key, measure in measures.items())
    near = piece.filter(~pl.any_horizontal(others)).select("normalised_score", **fails, **measures)
    there = {key for key in measures if known[key].item()}
    return near.with_columns(failed=pl.sum_horizontal(pl.lit(0), *fails)), there


def _each(cutoffs: list[Cutoff], facts: pl.DataFrame) -> list[str]:
    lines = []
    for cutoff in cutoffs:
        measures = facts.filter(pl.col(f"fails {cutoff.key}"))[cutoff.key].to_numpy()
        if not len(measures):
            continue
        if relaxed := cutoff.relaxed(measures):
            value, rows = relaxed
            lines.append(f"{cutoff.key}: {cutoff.value} keeps nothing; {value} keeps {rows} row{'s' * (rows > 1)}")
        else:
            lines.append(_beyond(cutoff))
    return lines


def _together(cutoffs: list[Cutoff], facts: pl.DataFrame) -> str:
    best = facts.sort("normalised_score", descending=True, nulls_last=True).head(1)
    changes = []
    for cutoff in cutoffs:
        if best[f"fails {cutoff.key}"].item():
            relaxed = cutoff.relaxed(best[cutoff.key].to_numpy())
            changes.append(f"{cutoff.key}: {cutoff.value} -> {relaxed[0]}" if relaxed else _beyond(cutoff))
    return f"no single cut-off is enough; together these keep 1 row: {', '.join(changes)}"


def _beyond(cutoff: Cutoff) -> str:
    return f"{cutoff.key}: every label is less sure than all of dev; switch it off"
