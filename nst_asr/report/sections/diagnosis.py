"""Why a run failed, or what may have done it harm."""

from __future__ import annotations

from itertools import cycle
from typing import Any

from markupsafe import Markup

from nst_asr.report.material import Material

NAME, TITLE = "diagnosis", "Why?"


def context(material: Material) -> dict[str, Any] | None:
    """What could not be looked at; the findings stand in results.json. None where nothing can be told yet."""
    if material.students():
        return {"unknown": list(_unknown(material)), "with_code": with_code}
    return {"unknown": [], "with_code": with_code} if material.results["diagnosis"] else None


def with_code(text: str) -> Markup:
    """A text in which what stands between backticks is set as code."""
    styles = cycle((Markup("{}"), Markup("<code>{}</code>")))
    return Markup("").join(style.format(part) for style, part in zip(styles, text.split("`"), strict=False))


def _unknown(material: Material) -> list[str]:
    """What the rules would have needed and the run does not have."""
    results = material.results
    missing = {
        "the pool's truth, and so the errors of the labels": any(
            results["generations"][place]["label_error"] for place in material.students()
        ),
        "an oracle": results["oracle"],
        "errors on a test set": results["generations"][-1]["test"],
    }
    return [name for name, known in missing.items() if not known]
