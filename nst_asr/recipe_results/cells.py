"""Cells and grids of the Markdown tables."""

from __future__ import annotations

from collections.abc import Sequence

from nst_asr.compare_runs import cells as compared
from nst_asr.compare_runs.over_seeds import summary
from nst_asr.results_table import NONE


def spread(values: Sequence[float], scale: float = 100, digits: int = 1) -> str:
    """Mean (least to greatest); a rate is scaled to percent."""
    found = summary(values)
    if found is None:
        return NONE
    return compared.spread(found, scale, f".{digits}f", " %" if scale == 100 else "")


def grid(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first row has the titles."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|" + " ---: |" * len(rows[0]), *lines[1:]])
