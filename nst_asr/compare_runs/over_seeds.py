"""One number of several runs: mean, least, greatest and spread."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean, stdev
from typing import Any

Summary = dict[str, Any]


def summary(values: Sequence[float]) -> Summary | None:
    """Mean, least, greatest, standard deviation over the runs (n - 1; None for one run) and their number."""
    if not values:
        return None
    spread = stdev(values) if len(values) > 1 else None
    return {
        "mean": mean(values),
        "least": min(values),
        "greatest": max(values),
        "spread": spread,
        "runs": len(values),
    }
