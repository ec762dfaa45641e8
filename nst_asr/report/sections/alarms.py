"""Alarms: signs that the labels go astray, less noise than the teacher's, and what the leak guards found."""

from __future__ import annotations

from typing import Any

from nst_asr.report.material import Material

NAME, TITLE = "alarms", "Alarms"


def context(material: Material) -> dict[str, Any]:
    """The places of the generations that learnt from labels; of each the places of its alarms, raised ones first."""
    generations = material.results["generations"]
    places = material.students()
    return {
        "places": places,
        "order": {place: _raised_first(generations[place]["alarms"] or ()) for place in places},
        "raised": sum(alarm["raised"] for place in places for alarm in generations[place]["alarms"] or ()),
        "looked": any(generations[place]["alarms"] is not None for place in places),
    }


def _raised_first(alarms: Any) -> list[int]:
    return sorted(range(len(alarms)), key=lambda place: not alarms[place]["raised"])
