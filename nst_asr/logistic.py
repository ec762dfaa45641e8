"""Logistic regression whose coefficients are not negative: more of a feature never makes the outcome less probable."""

from __future__ import annotations

import numba
import numpy as np

_STEPS = 100  # of Newton's method at most
_SWEEPS = 1000  # over the coordinates in one of them, at most
_CLOSE = 1e-10


def fit_logistic(features: np.ndarray, outcome: np.ndarray, weights: np.ndarray, ridge: float) -> np.ndarray:
    """Intercept and coefficients >= 0, shape (1 + K,), of features (N, K), an outcome in [0, 1] and weights (N,).

    They minimise  sum w (log(1 + exp(f)) - y f) + ridge / 2 sum b^2  with  f = a + x b;  the intercept is not held
    back. Newton's method (iteratively reweighted least squares); each quadratic is solved by coordinate descent within
    the bounds, and a step that does not descend is halved.
    """
    x = np.column_stack([np.ones(len(features)), features])
    penalty = np.full(x.shape[1], ridge)
    penalty[0] = 1e-9  # keeps the equations solvable where all outcomes are equal
    found = np.zeros(x.shape[1])
    cost = _cost(x, outcome, weights, penalty, found)
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(x @ found, -500, 500)))
        slope = x.T @ (weights * (chance - outcome)) + penalty * found
        curvature = (x * (weights * chance * (1 - chance))[:, None]).T @ x + np.diag(penalty)
        step, size = _bounded_minimum(curvature, slope, found) - found, 1.0
        while (tried := _cost(x, outcome, weights, penalty, found + size * step)) > cost and size > _CLOSE:
            size /= 2
        if cost - tried <= _CLOSE * (1 + abs(cost)):
            break
        found, cost = found + size * step, tried
    return found


def _cost(x: np.ndarray, outcome: np.ndarray, weights: np.ndarray, penalty: np.ndarray, at: np.ndarray) -> float:
    f = x @ at
    return float(weights @ (np.logaddexp(0, f) - outcome * f) + penalty @ at**2 / 2)


@numba.njit(cache=True)
def _bounded_minimum(
    curvature: np.ndarray, slope: np.ndarray, at: np.ndarray
) -> np.ndarray:  # pragma: no cover - compiled
    """Where the quadratic with this slope and curvature at `at` is least, all places but the first being >= 0."""
    found, slope = at.copy(), slope.copy()
    for _ in range(_SWEEPS):
        largest = 0.0
        for place in range(len(found)):
            moved = found[place] - slope[place] / curvature[place, place]
            change = (moved if place == 0 else max(moved, 0.0)) - found[place]
            found[place] += change
            slope += curvature[:, place] * change
            largest = max(largest, abs(change))
        if largest < _CLOSE:
            break
    return found
