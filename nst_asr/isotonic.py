"""Isotonic regression: the rising curve nearest to noisy values, by pooling adjacent violators."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

_ADDED = 0.1  # average rows; a whole one would raise the low rates of the surest labels by a third


def pool_adjacent_violators(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """For each value the block it is pooled into, counted from 0; the blocks' weighted means rise strictly.

    These means minimise sum w (m - v)^2 among all that do not fall. Source: Ayer et al. 1955; Barlow et al. 1972.
    """
    blocks: list[tuple[float, float, int]] = []  # weighted sum, weight, values
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        total, mass, size = value * weight, weight, 1
        # compared crosswise, so that a block of no weight divides nothing
        while blocks and blocks[-1][0] * mass >= total * blocks[-1][1]:
            before = blocks.pop()
            total, mass, size = total + before[0], mass + before[1], size + before[2]
        blocks.append((total, mass, size))
    return np.repeat(np.arange(len(blocks)), [size for _, _, size in blocks])


@dataclass(frozen=True)
class Curve:
    """A curve through points (x, y), straight between them and level beyond the ends."""

    x: tuple[float, ...]
    y: tuple[float, ...]

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The height at each x."""
        return np.asarray(np.interp(x, self.x, self.y))

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Curve:
        """The curve whose fields these are."""
        return cls(tuple(content["x"]), tuple(content["y"]))


@dataclass(frozen=True)
class Blocks:
    """Neighbouring rows pooled until the rate of the blocks rises: where they lie, and the rate of each."""

    x: np.ndarray
    rate: np.ndarray
    of_row: np.ndarray  # the block of each row
    reach: tuple[float, float]  # where the first and the last row lie

    def curve(self, highest: float = math.inf) -> Curve:
        """Through the centres of the blocks: centred isotonic regression (Oron and Flournoy 2017).

        That is level beyond the outermost centres, and so the mean over the last block would be less than its rate,
        over the first more. Here the curve goes on to the outermost rows with the slope it has, but no more than half
        of the way to 0, or to the `highest` rate there can be.
        """
        if len(self.x) == 1:
            return Curve(tuple(self.x.tolist()), tuple(self.rate.tolist()))
        slope = np.diff(self.rate) / np.diff(self.x)
        first = self.rate[0] - slope[0] * (self.x[0] - self.reach[0])
        last = self.rate[-1] + slope[-1] * (self.reach[1] - self.x[-1])
        ends = max(first, self.rate[0] / 2), min(last, (self.rate[-1] + highest) / 2)
        x = min(self.reach[0], self.x[0]), *self.x, max(self.reach[1], self.x[-1])  # a centre is rounded
        return Curve(tuple(map(float, x)), tuple(map(float, (ends[0], *self.rate, ends[1]))))


def rising_blocks(x: np.ndarray, numerator: np.ndarray, denominator: np.ndarray, fewest: int) -> Blocks:
    """Blocks of rows in the order of x over which the rate, sum numerator / sum denominator, rises.

    Rows of equal x stay together, and at least `fewest` rows are binned before they are pooled; to each bin a tenth of
    an average row is added, so that no bin of a few rows says 0 or 1 for sure. A block lies at the mean x of its rows.
    """
    order = np.argsort(x, kind="stable")
    bins = _bins(x[order], fewest)
    mean = _ADDED * numerator.mean(), _ADDED * denominator.mean()
    top, bottom = (
        np.bincount(bins, part[order]) + average for part, average in zip((numerator, denominator), mean, strict=True)
    )
    blocks = pool_adjacent_violators(top / np.maximum(bottom, 1e-300), bottom)
    of_row = np.empty(len(x), np.int64)
    of_row[order] = blocks[bins]
    rate = np.bincount(blocks, top) / np.maximum(np.bincount(blocks, bottom), 1e-300)
    return Blocks(np.bincount(of_row, x) / np.bincount(of_row), rate, of_row, (float(x.min()), float(x.max())))


def _bins(x: np.ndarray, fewest: int) -> np.ndarray:
    """The bin of each row, x ascending: at least `fewest` rows, and no two bins with the same x."""
    changes = np.flatnonzero(np.diff(x)) + 1  # places where a bin may begin
    starts, last = [], 0
    for place in changes.tolist():
        if place - last >= fewest and len(x) - place >= fewest:
            starts.append(place)
            last = place
    marks = np.zeros(len(x), np.int64)
    marks[starts] = 1
    return np.cumsum(marks)
