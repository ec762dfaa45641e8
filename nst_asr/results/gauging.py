"""What dev says of labels: risk and coverage with the chosen cut-offs, reliability, the measures ranked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nst_asr.gauge import Gauge
from nst_asr.measures import CALIBRATED
from nst_asr.results.bins import thinned
from nst_asr.results.cutoffs import marks
from nst_asr.risk import REFERENCE, RiskCurve
from nst_asr.store import read_json

_SHOWN = 4  # measures whose curves are drawn: the best ones, the reference, the calibrated one, those with a cut-off
_OLD = "this folder is of a version that did not look at how good the measures are"
_NONE = "dev taught nothing about the scores: too few of its labels had tokens and a finite score"


def gauging(folder: Path, cutoffs: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """`curves`, `marks`, `ranking`, `before`, `after`, `estimates`; null each, with a `reason`, where dev taught none.

    None where a generation has no gauge.
    """
    if not (folder / "0-gauge.json").exists():
        return None
    gauge = Gauge.from_json(read_json(folder / "0-gauge.json"))
    about: dict[str, Any] = {"rows": gauge.rows, "left_out": gauge.left_out}
    if not (folder / "0-risk.json").exists() or not gauge.curves:
        blank = dict.fromkeys(("curves", "marks", "ranking", "before", "after", "estimates", "reasons"))
        return {**about, **blank, "reason": _OLD if gauge.rows else _NONE}
    found = read_json(folder / "0-risk.json")
    marked = marks(list(cutoffs), gauge)
    shown = _shown(found["ranking"]["risks"], gauge.curves, [mark["measure"] for mark in marked])
    return {
        **about,
        "reason": None,
        "curves": {name: _drawn(gauge.curves[name]) for name in shown},
        "marks": marked,
        "ranking": found["ranking"],
        **{name: found.get(name) for name in ("before", "after")},
        **{name: found.get(name, []) for name in ("estimates", "reasons")},
    }


def _shown(risks: Sequence[Mapping[str, Any]], curves: Mapping[str, RiskCurve], marked: Sequence[str]) -> list[str]:
    ranked = [risk["measure"] for risk in risks if risk["measure"] in curves]
    wanted = {*ranked[:_SHOWN], CALIBRATED, REFERENCE, *marked}
    return [name for name in ranked if name in wanted]


def _drawn(curve: RiskCurve) -> dict[str, list[float]]:
    coverage, rate = thinned(curve.coverage.tolist(), curve.rates.tolist())
    return {"coverage": coverage, "rate": rate}
