"""How well probabilities agree with what happens: calibration error, Brier score, reliability."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from nst_asr.bootstrap import percentiles
from nst_asr.key import Key

BINS = 15
_FEWEST = 10  # rows of a bin
_SIMULATIONS = 200
_Z = 1.96


@dataclass(frozen=True)
class Bin:
    """Labels of like probability: mean probability, share that is right, and its 95 % Wilson interval."""

    rows: int
    probability: float
    right: float
    low: float
    high: float


@dataclass(frozen=True)
class Reliability:
    """Probabilities beside what was right.

    error: the expected calibration error (`calibration_error`); perfect: what a perfectly calibrated model with these
    probabilities would show on so many labels, mean and middle 95 % of 200 simulations; brier: mean (p - right)^2.
    """

    rows: int
    error: float
    perfect: tuple[float, float, float]
    brier: float
    bins: tuple[Bin, ...]

    def describe(self) -> str:
        """One line."""
        mean, low, high = self.perfect
        return (
            f"calibration error {self.error:.4f} (a perfect model on {self.rows} labels: {mean:.4f} "
            f"[{low:.4f}, {high:.4f}]), Brier score {self.brier:.4f}"
        )

    def to_json(self) -> dict[str, Any]:
        """The fields as plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Reliability:
        """The record that `to_json` wrote."""
        bins = tuple(Bin(**each) for each in content["bins"])
        return cls(**{**content, "perfect": tuple(content["perfect"]), "bins": bins})


def reliability(probability: np.ndarray, right: np.ndarray, key: Key) -> Reliability:
    """How well probabilities (N,) in [0, 1] agree with outcomes (N,) of 0 or 1. There is at least one."""
    order = np.argsort(probability, kind="stable")
    p, y = probability[order].astype(np.float64), right[order].astype(np.float64)
    draws = (key.generator().random((_SIMULATIONS, len(p))) < p).astype(np.float64)
    errors = calibration_error(p, draws)
    starts = _starts(p)
    rows = np.diff(starts, append=len(p))
    means = zip(rows, np.add.reduceat(p, starts) / rows, np.add.reduceat(y, starts) / rows, strict=True)
    return Reliability(
        len(p),
        float(calibration_error(p, y[None])[0]),
        (float(errors.mean()), *percentiles(errors)),
        float(np.mean((p - y) ** 2)),
        tuple(Bin(int(n), float(chance), float(share), *_wilson(float(share), int(n))) for n, chance, share in means),
    )


def calibration_error(probability: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The expected calibration error of each row of outcomes (R, N), given ascending probabilities (N,).

        ECE = sum over bins of n_b / n |mean probability - share right|

    over 15 bins of equal numbers of labels (fewer where a bin would hold less than 10), but that labels of equal
    probability are in one bin: their order says nothing. It is not 0 for a perfect model: the shares of a few labels
    scatter, and absolute values do not cancel. Source: Guo et al. 2017, with bins of equal mass (Nixon et al. 2019) in
    the place of equal width.

    Out of fold it is a little too small: each outcome is in the fits of all other folds, so that over a bin predictions
    and outcomes cancel. Labels that no calibration has seen tell better.
    """
    starts = _starts(probability)
    away = np.add.reduceat(right - probability, starts, axis=1)
    return np.asarray(np.abs(away).sum(axis=1) / len(probability))


def _starts(probability: np.ndarray) -> np.ndarray:
    """Where the bins of ascending probabilities begin: each with the first of those that are equal."""
    rows = len(probability)
    bins = max(1, min(BINS, rows // _FEWEST))
    return np.unique(np.searchsorted(probability, probability[np.arange(bins) * rows // bins]))


def _wilson(share: float, rows: int) -> tuple[float, float]:
    """Wilson's interval of a share (Wilson 1927)."""
    middle = (share + _Z**2 / (2 * rows)) / (1 + _Z**2 / rows)
    reach = _Z / (1 + _Z**2 / rows) * math.sqrt(share * (1 - share) / rows + _Z**2 / (4 * rows**2))
    return middle - reach, middle + reach
