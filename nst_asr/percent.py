"""Rates as text, the same way in tables, in messages and in the report."""

from __future__ import annotations

NONE = "-"  # in the place of a figure that is not there


def percent(rate: float | None, digits: int = 2) -> str:
    """A rate as percent; a dash for None."""
    return NONE if rate is None else f"{100 * rate:.{digits}f} %"


def bounds(low: float | None, high: float | None, digits: int = 1) -> str:
    """An interval as percent, in brackets; nothing for None."""
    return "" if low is None or high is None else f"[{100 * low:.{digits}f}, {100 * high:.{digits}f}]"
