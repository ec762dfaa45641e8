"""Why a run failed, or what may have done it harm."""

from __future__ import annotations

from typing import Any

from nst_asr.report.material import Material

NAME, TITLE = "diagnosis", "Why?"


def context(material: Material) -> dict[str, Any] | None:
    """What could not be looked at; the findings stand in results.json. None where nothing can be told yet."""
    if material.students():
        return {"unknown": list(_unknown(material))}
    return {"unknown": []} if material.results["diagnosis"] else None


def _unknown(material: Material) -> list[str]:
    """What the rules would have needed and the run does not have."""
    results = material.results
    students = [results["generations"][place] for place in material.students()]
    missing = {
        "the pool's truth, and so the errors of the labels": any(entry["label_error"] for entry in students),
        "an oracle": results["oracle"],
        "errors on a test set": results["generations"][-1]["test"],
        # older versions noted neither
        "alarms on the labels": any(entry["alarms"] is not None for entry in students),
        "the noise of teacher and student": any(entry["noise"] is not None for entry in students),
    }
    return [name for name, known in missing.items() if not known]
