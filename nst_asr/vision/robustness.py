"""How much worse a classifier is on corrupted images, and how often it changes its mind on images that hardly change.

Both are measured against a baseline, corruption by corruption, so that hard ones do not drown the others: AlexNet for
the published ImageNet sets, another model of one's own for all else. Errors and flips are shares in [0, 1]; mCE and mFR
are percent of the baseline's, less is better, 100 is as good as the baseline.
Source: Hendrycks and Dietterich 2019, "Benchmarking neural network robustness", sections 4.1 and 4.2. N sequences.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from nst_asr.vision.corruptions import CORRUPTIONS, SEVERITIES
from nst_asr.vision.perturbations import PERTURBATIONS

# AlexNet's top-1 error on ImageNet-C, the mean over the five severities; published beside the paper's code
ALEXNET_ERRORS: dict[str, float] = {
    "gaussian_noise": 0.886428,
    "shot_noise": 0.894468,
    "impulse_noise": 0.922640,
    "defocus_blur": 0.819880,
    "glass_blur": 0.826268,
    "motion_blur": 0.785948,
    "zoom_blur": 0.798360,
    "snow": 0.866816,
    "frost": 0.826572,
    "fog": 0.819324,
    "brightness": 0.564592,
    "contrast": 0.853204,
    "elastic_transform": 0.646056,
    "pixelate": 0.717840,
    "jpeg_compression": 0.606500,
}
# AlexNet's flip probability on ImageNet-P, of the first difficulty; second hand, not checked against the paper
ALEXNET_FLIPS: dict[str, float] = {
    "gaussian_noise": 0.2365,
    "shot_noise": 0.3006,
    "motion_blur": 0.0930,
    "zoom_blur": 0.0594,
    "snow": 0.1193,
    "brightness": 0.0489,
    "translate": 0.1101,
    "rotate": 0.1310,
    "tilt": 0.0705,
    "scale": 0.2353,
}


class RobustnessError(ValueError):
    """Errors or flips that cannot be summed up; the message names the corruption, the value and the way out."""


def corruption_errors(
    errors: Mapping[str, Sequence[float]], baseline: Mapping[str, float | Sequence[float]] = ALEXNET_ERRORS
) -> dict[str, float]:
    """Corruption -> its error in percent of the baseline's, both summed over the five severities (CE).

    errors: top-1 error at severities 1 to 5, for each of the fifteen corruptions; baseline: the same, or the mean over
    the severities. Raises RobustnessError where a corruption or a severity is missing, unknown or no share.
    """
    _refuse_other_names(errors, CORRUPTIONS, "the model's errors")
    _refuse_other_names(baseline, CORRUPTIONS, "the baseline's errors")
    found = {name: _mean_error(errors[name], name, "the model") for name in CORRUPTIONS}
    base = {name: _baseline_error(baseline[name], name) for name in CORRUPTIONS}
    return {name: 100 * found[name] / base[name] for name in CORRUPTIONS}


def mean_corruption_error(
    errors: Mapping[str, Sequence[float]], baseline: Mapping[str, float | Sequence[float]] = ALEXNET_ERRORS
) -> float:
    """mCE in percent: the mean of `corruption_errors` over the fifteen corruptions."""
    return float(np.mean(list(corruption_errors(errors, baseline).values())))


def flip_probability(predictions: np.ndarray, noise: bool) -> float:
    """The share of frames, but the first of each sequence, whose prediction differs from the one before.

    predictions: classes (N, frames); noise: compare with the first frame instead, as for `perturbations.NOISES`, whose
    frames have no order. Raises RobustnessError.
    """
    if predictions.ndim != 2 or not len(predictions) or predictions.shape[1] < 2:
        raise RobustnessError(
            f"predictions of shape {predictions.shape}: expected (sequences, frames), at least (1, 2)"
        )
    before = predictions[:, :1] if noise else predictions[:, :-1]
    return float(np.mean(predictions[:, 1:] != before))


def flip_rates(flips: Mapping[str, float], baseline: Mapping[str, float] = ALEXNET_FLIPS) -> dict[str, float]:
    """Perturbation -> its flip probability in percent of the baseline's (FR), for all ten. Raises RobustnessError."""
    _refuse_other_names(flips, PERTURBATIONS, "the model's flips")
    _refuse_other_names(baseline, PERTURBATIONS, "the baseline's flips")
    for name in PERTURBATIONS:
        _refuse_no_share(flips[name], name, "the model")
        _refuse_no_share(baseline[name], name, "the baseline")
        _refuse_faultless(baseline[name], name, "flips")
    return {name: 100 * flips[name] / baseline[name] for name in PERTURBATIONS}


def mean_flip_rate(flips: Mapping[str, float], baseline: Mapping[str, float] = ALEXNET_FLIPS) -> float:
    """mFR in percent: the mean of `flip_rates` over the ten perturbations."""
    return float(np.mean(list(flip_rates(flips, baseline).values())))


def _mean_error(found: Sequence[float], name: str, whose: str) -> float:
    if len(found) != len(SEVERITIES):
        raise RobustnessError(f"{whose}: {name} has {len(found)} errors; give one for each of the five severities")
    for error in found:
        _refuse_no_share(error, name, whose)
    return float(np.mean(found))


def _baseline_error(given: float | Sequence[float], name: str) -> float:
    mean = _mean_error(given, name, "the baseline") if isinstance(given, Sequence) else float(given)
    _refuse_no_share(mean, name, "the baseline")
    _refuse_faultless(mean, name, "errors")
    return mean


def _refuse_other_names(given: Mapping[str, object], wanted: Sequence[str], what: str) -> None:
    for names, problem in (
        ([name for name in wanted if name not in given], "lack"),
        ([name for name in given if name not in wanted], "have besides"),
    ):
        if names:
            raise RobustnessError(f"{what} {problem} {', '.join(names)}; expected {', '.join(wanted)}")


def _refuse_no_share(value: float, name: str, whose: str) -> None:
    if not 0 <= value <= 1:
        raise RobustnessError(f"{whose}: {name} = {value:g}; expected a share from 0 to 1, not percent")


def _refuse_faultless(value: float, name: str, what: str) -> None:
    if value == 0:
        raise RobustnessError(
            f"the baseline makes no {what} on {name}: nothing can be measured by it; take a weaker one"
        )
