"""The cut-offs that a generation's filter had, and what each keeps of dev."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from nst_asr.gauge import Gauge
from nst_asr.measures import MEASURES
from nst_asr.reasons import filter_plan, measure_of
from nst_asr.results.bins import short
from nst_asr.risk import RiskCurve
from nst_asr.rules import cutoffs_of


def cutoffs(run: Path, number: int, cut: Mapping[str, Any] | None, judged: pl.LazyFrame) -> list[dict[str, Any]]:
    """The cut-offs of measures that a gauge knows: `key` in the plan, `measure`, `value`, and `asks_for` more or less.

    cut: that of a target error, as the waterfall has it; judged: the label table with its verdicts, for `top`, whose
    cut-off is the least that was kept. Empty where the plan is that of another version.
    """
    plan = filter_plan(run, number)
    if plan is None:
        return []
    found = []
    for each in cutoffs_of(plan, None, None):
        name = measure_of(each.key)
        if name in MEASURES:
            found.append((each.key, name, each.value, "more" if each.from_below else "less"))
    if cut:
        found.append(("target_error", cut["by"], cut["least"], "more"))
    if plan.top and (least := _least_kept(judged, plan.top.by)) is not None:
        found.append(("top", plan.top.by, least, "more"))
    return [dict(zip(("key", "measure", "value", "asks_for"), each, strict=True)) for each in found]


def _least_kept(judged: pl.LazyFrame, measure: str) -> float | None:
    values = judged.filter("kept").select(MEASURES[measure].value.fill_nan(None).alias("measure")).collect()["measure"]
    least = values.min()
    return short(float(least)) if isinstance(least, float) else None


def marks(found: list[dict[str, Any]], gauge: Gauge) -> list[dict[str, Any]]:
    """The cut-offs that ask for more, with `coverage` and `rate`: what each by itself keeps of dev, and its error."""
    return [
        {
            **{name: each[name] for name in ("key", "measure", "value")},
            **_point(gauge.curves[each["measure"]], each["value"]),
        }
        for each in found
        if each["asks_for"] == "more" and each["measure"] in gauge.curves
    ]


def _point(curve: RiskCurve, value: float) -> dict[str, float | None]:
    """The loosest point of a curve that a cut-off allows; nothing where even the strictest is looser than that."""
    allowed = [place for place, least in enumerate(curve.least) if least is not None and least >= value]
    if not allowed:
        return {"coverage": 0.0, "rate": None}
    return {"coverage": float(curve.coverage[allowed[-1]]), "rate": float(curve.rates[allowed[-1]])}
