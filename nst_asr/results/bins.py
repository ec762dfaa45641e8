"""Numbers for plots: histograms over one set of edges, and curves of few points."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

_BINS = 40
_MIDDLE = (0.5, 99.5)  # percentiles between which the bins lie, so that one odd value does not flatten the rest
_POINTS = 200  # of a curve at most


def histograms(values: Mapping[str, np.ndarray], bins: int = _BINS) -> dict[str, Any] | None:
    """Counts of each array over the same bins, and each array's median; None where no array has a finite value.

    `edges`: one more than there are counts, over the middle 99 % of all values together; what lies beyond is counted in
    the outermost bin. `missing`: values of each that are not finite.
    """
    finite = {name: each[np.isfinite(each)] for name, each in values.items()}
    together = np.concatenate(list(finite.values()))
    if not len(together):
        return None
    low, high = (float(edge) for edge in np.percentile(together, _MIDDLE))
    margin = 1e-6 * max(abs(low), abs(high), 1e-6)
    edges = np.linspace(low - margin, high + margin, bins + 1)
    counts = {name: np.histogram(np.clip(each, edges[0], edges[-1]), edges)[0] for name, each in finite.items()}
    return {
        "edges": rounded(edges),
        **{name: [int(count) for count in each] for name, each in counts.items()},
        "missing": {name: len(values[name]) - len(finite[name]) for name in values},
        "median": {name: short(float(np.median(each))) if len(each) else None for name, each in finite.items()},
    }


def thinned(*columns: Sequence[float]) -> list[list[float]]:
    """Columns of a curve at no more than 200 places, evenly among its points, first and last among them."""
    size = len(columns[0])
    places = np.unique(np.linspace(0, max(size - 1, 0), min(size, _POINTS)).round().astype(int))
    return [rounded([column[place] for place in places]) for column in columns]


def rounded(values: Sequence[float] | np.ndarray) -> list[float]:
    """Numbers with six digits: a plot shows no more."""
    return [short(float(value)) for value in values]


def short(value: float) -> float:
    """A number with six digits. Raises ValueError for one that is not finite, which JSON does not have."""
    if not math.isfinite(value):
        raise ValueError(f"{value} has no place in results.json")
    return float(f"{value:.6g}")


def points(rate: float) -> str:
    """A difference of rates in points, with its sign; +0.00 for what rounds to nothing, from either side."""
    return f"{round(100 * rate, 2) + 0.0:+.2f}"
