"""Weights of labels under which their tokens occur as often as in the labeled data, for a given number of hours.

R rows, V units; flat tokens have shape (N,), those of row i are tokens[starts[i]:starts[i + 1]].
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

_SMOOTHING = 0.5  # added to every unit's count: one that the selection lacks makes the divergence large, not infinite
_LOWEST = -40.0  # log weight; keeps a row that was pushed out within reach
_LITTLE = 1e-4  # a step that lowers the divergence by a smaller share of it is the last one
_KEPT_OF_PROMISE = 0.3  # the best step on a parabola keeps half
_NEAR = 1e-7  # nats; a divergence below is taken for none


@dataclass(frozen=True)
class Rows:
    """What is weighed: tokens (N,) u16 or i32, starts (R + 1,) i64, hours (R,) f64."""

    tokens: np.ndarray
    starts: np.ndarray
    hours: np.ndarray


@dataclass(frozen=True)
class Weights:
    """weights: (R,) f64 in [0, cap]; kl: KL(target || shares under them), nats; iterations: steps tried."""

    weights: np.ndarray
    kl: float
    iterations: int


def divergence(target: np.ndarray, counts: np.ndarray) -> float:
    """KL(target || q) in nats; q are the shares of `counts` after 0.5 is added to each. target: (V,), sums to 1."""
    present = target > 0
    share = (counts + _SMOOTHING) / (counts.sum() + _SMOOTHING * len(counts))
    return float((target[present] * np.log(target[present] / share[present])).sum())


def count(rows: Rows, weights: np.ndarray, units: int) -> np.ndarray:
    """How often each unit occurs in the weighted rows: (V,) f64."""
    return np.asarray(_count(rows.tokens, rows.starts, weights.astype(np.float64), units))


def weigh(rows: Rows, target: np.ndarray, *, hours: float, cap: float, iterations: int) -> Weights:
    """Weights that minimise KL(target || q(w)), q_v(w) = sum_i w_i c_iv / sum_i w_i |c_i|, in few steps.

    Subject to 0 <= w_i <= cap and sum_i w_i hours_i = hours; `hours` must not exceed cap times what there is. c_iv is
    how often row i holds unit v, |c_i| its number of tokens; q is smoothed as in `divergence`.

    q is a ratio of linear functions of w and the divergence is convex in q, so the objective is quasi-convex: a point
    from which no step descends is the optimum. The method is entropic mirror descent from equal weights,

        w_i <- min(cap, w_i exp(step (m_i - 1) - lambda hours_i / |c_i|)),  m_i = mean over i's tokens of target_v / q_v

    with lambda found so that the hours are met. A step is taken only if it lowers the divergence by a fair part of what
    the slope promised, then the next is twice as long; otherwise it is tried again at half the length. Among the many
    weights that reach the same divergence this ends near the equal ones it started from, so that few rows are lost.
    Rows without tokens keep the weight that all rows would have alike.

    Deviation: Park et al. 2020 balance with a greedy sub-modular selection; this solves the relaxed problem.
    """
    length, pace = np.diff(rows.starts), _pace(rows)
    log_weight = np.full(len(rows.hours), np.log(hours / rows.hours.sum()))
    weights = np.exp(log_weight)
    counts = count(rows, weights, len(target))
    kl, step, tried, gain = divergence(target, counts), 1.0, 0, _gain(rows, target, counts)
    while tried < iterations and kl > _NEAR and step > _LITTLE:
        tried += 1
        trial = _meet_hours(log_weight + step * gain, pace, rows.hours, hours, np.log(cap))
        trial_weights = np.exp(trial)
        trial_counts = count(rows, trial_weights, len(target))
        fall = kl - divergence(target, trial_counts)
        # what the slope promised; a step that overshoots to the other side of the valley keeps little of it
        promised = float((gain * length) @ (trial_weights - weights)) / (counts.sum() + _SMOOTHING * len(counts))
        if not fall > max(0.0, _KEPT_OF_PROMISE * promised):
            step /= 2
            continue
        log_weight, weights, counts, kl, step = trial, trial_weights, trial_counts, kl - fall, step * 2
        if fall < _LITTLE * kl:
            break
        gain = _gain(rows, target, counts)
    return Weights(np.where(log_weight < np.log(cap), weights, cap), kl, tried)


def _pace(rows: Rows) -> np.ndarray:
    """Hours a token of each row in units of the mean row's; 0 for rows without tokens, which nothing moves."""
    length = np.diff(rows.starts)
    pace = np.divide(rows.hours, length, out=np.zeros_like(rows.hours), where=length > 0)
    return np.asarray(pace / max(float(pace.mean()), np.finfo(np.float64).tiny))


def _gain(rows: Rows, target: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """m_i - 1: how much more often the tokens of row i occur in the target than in the selection."""
    ratio = target * (counts.sum() + _SMOOTHING * len(counts)) / (counts + _SMOOTHING)
    return np.asarray(_mean(rows.tokens, rows.starts, ratio)) - 1


def _meet_hours(
    log_weight: np.ndarray, pace: np.ndarray, row_hours: np.ndarray, hours: float, log_cap: float
) -> np.ndarray:
    """Log weights, shifted by lambda times the pace and clipped to the cap, whose hours are `hours`."""
    low, high, shift = -np.inf, np.inf, 0.0
    for _ in range(200):
        found, slope = _hours_at(log_weight, pace, row_hours, shift, log_cap)
        if abs(found - hours) <= 1e-9 * hours:
            break
        low, high = (shift, high) if found > hours else (low, shift)
        newton = shift + (found - hours) / slope if slope > 0 else np.inf
        if low < newton < high and abs(newton - shift) < 1:
            shift = newton
        elif np.isfinite(low) and np.isfinite(high):
            shift = (low + high) / 2
        else:
            shift += 1.0 + abs(shift) if found > hours else -1.0 - abs(shift)
    return np.clip(log_weight - shift * pace, _LOWEST, log_cap)


@numba.njit(nogil=True)
def _count(tokens: np.ndarray, starts: np.ndarray, weights: np.ndarray, units: int) -> np.ndarray:
    counts = np.zeros(units)
    for row in range(len(weights)):
        for place in range(starts[row], starts[row + 1]):
            counts[tokens[place]] += weights[row]
    return counts


@numba.njit(nogil=True)
def _mean(tokens: np.ndarray, starts: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    mean = np.ones(len(starts) - 1)
    for row in range(len(mean)):
        length = starts[row + 1] - starts[row]
        if length:
            total = 0.0
            for place in range(starts[row], starts[row + 1]):
                total += ratio[tokens[place]]
            mean[row] = total / length
    return mean


@numba.njit(nogil=True)
def _hours_at(
    log_weight: np.ndarray, pace: np.ndarray, hours: np.ndarray, shift: float, log_cap: float
) -> tuple[float, float]:
    """The hours under the shifted weights, and how fast they fall as the shift grows."""
    total, slope = 0.0, 0.0
    for row in range(len(hours)):
        place = log_weight[row] - shift * pace[row]
        part = hours[row] * np.exp(min(place, log_cap))
        total += part
        if place < log_cap:
            slope += part * pace[row]
    return total, slope
