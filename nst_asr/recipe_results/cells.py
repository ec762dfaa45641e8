"""Cells and grids of the Markdown tables."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean

from nst_asr.results_table import NONE


def spread(values: Sequence[float], scale: float = 100, digits: int = 1) -> str:
    """Mean (least to greatest); a rate is scaled to percent."""
    if not values:
        return NONE
    unit = " %" if scale == 100 else ""
    shown = [f"{scale * number:.{digits}f}" for number in (mean(values), min(values), max(values))]
    return f"{shown[0]}{unit}" + (f" ({shown[1]} to {shown[2]})" if shown[1] != shown[2] else "")


def grid(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first row has the titles."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|" + " ---: |" * len(rows[0]), *lines[1:]])
