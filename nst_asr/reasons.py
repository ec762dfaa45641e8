"""Why a rule rejected a label: what it looked at, and the cut-off of that generation's plan."""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from nst_asr.config import ConfigError, parse, read
from nst_asr.filter_plan import FilterPlan
from nst_asr.labels import SCHEMA
from nst_asr.measures import ADDED, MEASURES
from nst_asr.percent import percent
from nst_asr.rules import cutoffs_of
from nst_asr.store import read_json

_MEASURES = {"rate": "tokens_per_second", "words": "words_per_second", "score": "normalised_score"}
_ALIKE = {"confidence_below": "confidence"}


def reason(run: Path, generation: int, rule: str, row: pl.DataFrame) -> dict[str, Any]:
    """The `rule` that rejected a label, and all of it that the label fails.

    row: the label's row with its verdict, as `whole` gives it. failed: for each cut-off its `key` in the plan, the
    `measure`, the label's `value` (null where it lacks the measure), the `cutoff`, and whether it asks for `more` or
    `less`. note: what a rule without a cut-off looks for, or why no cut-off can be told.
    """
    plan = filter_plan(run, generation)
    if plan is None:
        return {"rule": rule, "failed": [], "note": "its cut-off is not in the plan, or in another version's terms"}
    failed = _by_target(run, generation, plan, row) if rule == "target_error" else _by_cutoffs(rule, plan, row)
    return {"rule": rule, "failed": failed, "note": _note(rule, plan, row)}


def whole(row: pl.DataFrame) -> pl.DataFrame:
    """The row of a label table with every column that measures look at, null where it had none."""
    kinds = SCHEMA | dict.fromkeys(ADDED, pl.Float32())
    absent = {name: kind for name, kind in kinds.items() if name not in row.columns}
    return row.with_columns(pl.lit(None, kind).alias(name) for name, kind in absent.items())


def measure_of(key: str) -> str:
    """What a cut-off with this key in the plan, such as `least.margin`, is compared with."""
    first, _, last = key.partition(".")
    return _MEASURES.get(first) or _ALIKE.get(first) or last or first


def plain(value: Any) -> Any:
    """A number as JSON has it: infinities and NaN, which it has not, as text."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def filter_plan(run: Path, generation: int) -> FilterPlan | None:
    """The filter that a run's plan has for a generation; None where it is not there, or is that of another version.

    Raises ConfigError where plan.yaml cannot be read.
    """
    path = run / "plan.yaml"
    generations = _content(path, path.stat().st_mtime_ns).get("generations") if path.exists() else None
    if not isinstance(generations, list) or len(generations) < generation:
        return None
    try:
        return parse(FilterPlan, generations[generation - 1].get("filter") or {})
    except ConfigError:
        return None


@lru_cache(maxsize=1)
def _content(plan: Path, changed: int) -> dict[str, Any]:
    """A plan, which takes its time to read and is asked for label by label; `changed`: when it was written."""
    return read(plan)


def _by_cutoffs(rule: str, plan: FilterPlan, row: pl.DataFrame) -> list[dict[str, Any]]:
    failed = []
    for cutoff in cutoffs_of(plan, None, None):
        if cutoff.rule == rule and row.select(cutoff.rejects).item():
            value = plain(row.select(cutoff.measure).item())
            failed.append(_failure(cutoff.key, measure_of(cutoff.key), value, cutoff.value, cutoff.from_below))
    return failed


def _by_target(run: Path, generation: int, plan: FilterPlan, row: pl.DataFrame) -> list[dict[str, Any]]:
    """The cut-off that the target error led to, which stands beside the waterfall."""
    path = run / f"gen{generation}" / "2-waterfall.json"
    cut = read_json(path).get("cut") if path.exists() else None
    if not cut:
        return []
    value = plain(row.select(MEASURES[cut["by"]].value).item())
    return [_failure("target_error", cut["by"], value, cut["least"], True)]


def _failure(key: str, measure: str, value: Any, cutoff: float, from_below: bool) -> dict[str, Any]:
    asks = "more" if from_below else "less"
    return {"key": key, "measure": measure, "value": value, "cutoff": cutoff, "asks_for": asks}


def _note(rule: str, plan: FilterPlan, row: pl.DataFrame) -> str | None:
    if rule == "empty":
        return "it has no text, or no tokens"
    if rule == "finite":
        return f"its logprob ({row['logprob'].item()}) or its score ({row['score'].item()}) is not a finite number"
    if rule == "repeat" and plan.repeat:
        signs = plan.repeat
        return f"{signs.ngram} {signs.unit}s come back {signs.times} times, or one stands {signs.loop} times in a row"
    if rule == "top" and plan.top:
        value = plain(row.select(MEASURES[plan.top.by].value).item())
        best = percent(plan.top.share, 1)
        return f"its {plan.top.by} ({value}) is not among the best {best} of what the other rules left"
    if rule == "target_error" and plan.target_error:
        return f"of the cut-offs that keep dev at an error rate of {plan.target_error.rate:g} or less it is the loosest"
    return None
