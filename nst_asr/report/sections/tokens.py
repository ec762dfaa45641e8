"""What is in the kept labels: tokens before and after balancing, words a second, durations, speakers."""

from __future__ import annotations

from typing import Any

from nst_asr.report import plots_tokens as plots
from nst_asr.report.material import Material

NAME, TITLE = "tokens", "What is in the kept labels"


def context(material: Material) -> dict[str, Any] | None:
    """For each generation that learnt from labels its place and its plots; the last one is shown open."""
    places = material.students()
    return {"shown": [_shown(material, place) for place in places], "last": places[-1]} if places else None


def _shown(material: Material, place: int) -> dict[str, Any]:
    entry = material.results["generations"][place]
    number, tokens, contents = entry["generation"], entry["tokens"], entry["contents"]
    rate, size = contents["rate"], contents["size"]
    known = tokens["of"] and tokens["frequent"]
    return {
        "place": place,
        "tokens": plots.frequent(tokens, number) if known else None,
        "rate": plots.spread(rate, "rate", f"{rate['unit']}s a second", number) if "edges" in rate else None,
        "size": plots.spread(size, "size", "seconds", number) if "edges" in size else None,
    }
