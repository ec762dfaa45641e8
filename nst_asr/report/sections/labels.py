"""How labels were filtered: waterfall, scores, risk and coverage, calibration; and the language model they came by."""

from __future__ import annotations

from typing import Any

from nst_asr.measures import MEASURES
from nst_asr.report import plots_labels as plots
from nst_asr.report.material import Material

NAME, TITLE = "labels", "How labels were filtered"


def context(material: Material) -> dict[str, Any] | None:
    """For each generation that learnt from labels its place and its plots; the last one is shown open."""
    places = material.students()
    if not places:
        return None
    shown = [_shown(material, place) for place in places]
    return {"shown": shown, "last": places[-1], "measures": {name: each.doc for name, each in MEASURES.items()}}


def _shown(material: Material, place: int) -> dict[str, Any]:
    entry, terms = material.results["generations"][place], material.terms
    number, filtered, gauge = entry["generation"], entry["filter"], entry["gauge"]
    drawn = filtered and filtered["waterfall"] and filtered["hours"] is not None
    return {
        "place": place,
        "waterfall": plots.waterfall(filtered, terms, number) if drawn else None,
        "scores": [plots.scores(each, filtered["cutoffs"], number) for each in filtered["scores"]] if filtered else [],
        "risk": plots.risk(gauge, terms, number) if gauge and gauge["curves"] else None,
        "reliability": plots.reliability(gauge, terms, number) if gauge else None,
        "fusion": plots.fusion(entry["fusion"], number) if entry["fusion"] else None,
    }
