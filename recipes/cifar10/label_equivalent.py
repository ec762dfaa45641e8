"""How many labels supervised training would need for what a student reaches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

Point = tuple[int, float]  # labeled images, accuracy


def label_equivalent(points: Sequence[Point], accuracy: float) -> tuple[float, str]:
    """The fewest labels at which the line through the points reaches an accuracy: labels, and "", ">" or "<".

    The line is straight in the logarithm of the number of labels. ">" stands before the largest number measured where
    no point reaches the accuracy, "<" before the smallest where that one is above it already.
    """
    ordered = sorted(points)
    if accuracy < ordered[0][1]:
        return ordered[0][0], "<"
    if accuracy == ordered[0][1]:
        return ordered[0][0], ""
    for (fewer, lower), (more, higher) in pairwise(ordered):
        if lower < accuracy <= higher:
            share = (accuracy - lower) / (higher - lower)
            return math.exp(math.log(fewer) + share * (math.log(more) - math.log(fewer))), ""
    return ordered[-1][0], ">"


def describe(labels: float, bound: str) -> str:
    """The number to two places, such as 12,000; "more than 20,000"."""
    if bound:
        return f"{'more' if bound == '>' else 'fewer'} than {labels:,.0f}"
    places = 10 ** max(0, math.floor(math.log10(labels)) - 1)
    return f"{round(labels / places) * places:,}"
