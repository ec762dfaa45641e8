"""Did it work: one sentence, the figures behind it, and whether to go on."""

from __future__ import annotations

from typing import Any

from nst_asr.report.material import Material

NAME, TITLE = "verdict", "Did it work?"


def context(material: Material) -> dict[str, Any]:
    """The place of the last generation; all else stands in results.json."""
    return {"last": len(material.results["generations"]) - 1}
