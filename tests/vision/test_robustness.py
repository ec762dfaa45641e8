"""mCE and mFR: fractions worked by hand, the published normalisers, and what is refused."""

import numpy as np
import pytest

from nst_asr.vision.corruptions import CORRUPTIONS
from nst_asr.vision.perturbations import PERTURBATIONS
from nst_asr.vision.robustness import (
    ALEXNET_ERRORS,
    ALEXNET_FLIPS,
    RobustnessError,
    corruption_errors,
    flip_probability,
    flip_rates,
    mean_corruption_error,
    mean_flip_rate,
)


def same(value: float) -> dict[str, list[float]]:
    return {name: [value] * 5 for name in CORRUPTIONS}


def test_mce_is_the_mean_of_ratios_worked_by_hand() -> None:
    # fourteen corruptions at half of the baseline's errors, one at (.1 + .2 + .3 + .4 + .5) / (5 * .6) = a half too
    errors = same(0.2) | {"fog": [0.1, 0.2, 0.3, 0.4, 0.5]}
    baseline = same(0.4) | {"fog": [0.6] * 5}
    assert mean_corruption_error(errors, baseline) == pytest.approx(50)
    # with another baseline for fog, 1.5 / 1 = 150 %, the mean is (14 * 50 + 150) / 15
    assert mean_corruption_error(errors, baseline | {"fog": 0.2}) == pytest.approx((14 * 50 + 150) / 15)


def test_sums_are_divided_and_not_severities() -> None:
    errors = same(0.5) | {"snow": [0.0, 0.0, 0.0, 0.0, 1.0]}
    baseline = same(0.5) | {"snow": [0.1, 0.1, 0.1, 0.1, 0.1]}
    assert corruption_errors(errors, baseline)["snow"] == pytest.approx(200)


def test_the_baseline_itself_has_100() -> None:
    draw = np.random.default_rng(0)
    errors = {name: draw.uniform(0.1, 0.9, 5).tolist() for name in CORRUPTIONS}
    assert mean_corruption_error(errors, errors) == pytest.approx(100)
    flips = {name: float(draw.uniform(0.1, 0.9)) for name in PERTURBATIONS}
    assert mean_flip_rate(flips, flips) == pytest.approx(100)


def test_alexnet_has_100_and_a_perfect_model_0() -> None:
    assert mean_corruption_error({name: [error] * 5 for name, error in ALEXNET_ERRORS.items()}) == pytest.approx(100)
    assert mean_corruption_error(same(0)) == 0
    assert mean_flip_rate(ALEXNET_FLIPS) == pytest.approx(100)
    assert mean_flip_rate(dict.fromkeys(PERTURBATIONS, 0.0)) == 0


@pytest.mark.parametrize(
    ("name", "severities"),
    [
        # AlexNet's errors severity by severity, which the authors gave later
        ("gaussian_noise", (0.69528, 0.82542, 0.93554, 0.98138, 0.99452)),
        ("glass_blur", (0.64308, 0.75054, 0.88806, 0.91622, 0.93344)),
        ("snow", (0.71726, 0.88392, 0.86468, 0.9187, 0.94952)),
        ("brightness", (0.4514, 0.48502, 0.54048, 0.62166, 0.7244)),
        ("contrast", (0.64548, 0.7615, 0.88874, 0.9776, 0.9927)),
        ("elastic_transform", (0.52596, 0.70116, 0.55686, 0.64076, 0.80554)),
    ],
)
def test_alexnet_s_errors_are_the_means_over_its_severities(name: str, severities: tuple[float, ...]) -> None:
    assert ALEXNET_ERRORS[name] == pytest.approx(np.mean(severities), abs=1e-9)


@pytest.mark.parametrize(
    ("name", "accuracy", "published"),
    [
        # top-1 in percent and CE of torchvision's ResNet-50, as somebody else reports them
        ("brightness", 68.02, 56.64),
        ("contrast", 39.06, 71.43),
        ("defocus_blur", 38.75, 74.71),
        ("elastic_transform", 45.25, 84.75),
        ("fog", 45.83, 66.11),
        ("frost", 38.14, 74.84),
        ("gaussian_noise", 29.29, 79.77),
        ("glass_blur", 26.79, 88.61),
        ("impulse_noise", 23.81, 82.58),
    ],
)
def test_resnet_50_has_its_reported_corruption_errors(name: str, accuracy: float, published: float) -> None:
    found = corruption_errors(same(0) | {name: [1 - accuracy / 100] * 5})
    assert found[name] == pytest.approx(published, abs=0.02)


def test_flips_between_neighbours_and_from_the_first_frame_worked_by_hand() -> None:
    predictions = np.array([[1, 1, 2, 2, 1], [3, 3, 3, 3, 3]])
    # neighbours: 1-1 1-2 2-2 2-1: two of four, and none of four; from the first: 1 2 2 1 against 1, the same two
    assert flip_probability(predictions, noise=False) == 2 / 8
    assert flip_probability(predictions, noise=True) == 2 / 8
    wandering = np.array([[1, 2, 2, 2, 2]])
    assert flip_probability(wandering, noise=False) == 1 / 4
    assert flip_probability(wandering, noise=True) == 1


def test_sequences_in_another_order_flip_as_often() -> None:
    predictions = np.random.default_rng(0).integers(0, 3, (20, 31))
    for noise in (False, True):
        assert flip_probability(predictions, noise) == flip_probability(predictions[::-1], noise)
    assert flip_probability(predictions, False) == flip_probability(predictions[:, ::-1], False)


def test_the_flip_rate_is_the_mean_of_ratios_worked_by_hand() -> None:
    flips = dict.fromkeys(PERTURBATIONS, 0.1) | {"tilt": 0.3}
    baseline = dict.fromkeys(PERTURBATIONS, 0.2)
    assert flip_rates(flips, baseline)["tilt"] == pytest.approx(150)
    assert mean_flip_rate(flips, baseline) == pytest.approx((9 * 50 + 150) / 10)


def test_missing_and_unknown_corruptions_are_named() -> None:
    lacking = {name: errors for name, errors in same(0.5).items() if name not in ("fog", "frost")}
    with pytest.raises(RobustnessError, match="the model's errors lack frost, fog"):
        mean_corruption_error(lacking)
    with pytest.raises(RobustnessError, match="the model's errors have besides rain"):
        mean_corruption_error(same(0.5) | {"rain": [0.1] * 5})
    with pytest.raises(RobustnessError, match="the baseline's errors lack gaussian_noise"):
        mean_corruption_error(same(0.5), {})
    with pytest.raises(RobustnessError, match="the model's flips lack tilt"):
        mean_flip_rate({name: 0.1 for name in PERTURBATIONS if name != "tilt"})


def test_values_that_are_no_shares_are_named() -> None:
    with pytest.raises(RobustnessError, match=r"the model: fog = 40; expected a share from 0 to 1, not percent"):
        mean_corruption_error(same(0.5) | {"fog": [0.1, 0.2, 40, 0.4, 0.5]})
    with pytest.raises(RobustnessError, match="the model: fog has 4 errors"):
        mean_corruption_error(same(0.5) | {"fog": [0.1] * 4})
    with pytest.raises(RobustnessError, match="the baseline makes no errors on fog"):
        mean_corruption_error(same(0.5), same(0.5) | {"fog": [0.0] * 5})
    with pytest.raises(RobustnessError, match="the model: tilt = nan"):
        mean_flip_rate(dict.fromkeys(PERTURBATIONS, 0.1) | {"tilt": float("nan")})
    with pytest.raises(RobustnessError, match="the baseline makes no flips on tilt"):
        mean_flip_rate(dict.fromkeys(PERTURBATIONS, 0.1), dict.fromkeys(PERTURBATIONS, 0.1) | {"tilt": 0.0})


@pytest.mark.parametrize("shape", [(3,), (0, 5), (4, 1), (2, 3, 4)])
def test_predictions_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(RobustnessError, match="expected \\(sequences, frames\\)"):
        flip_probability(np.zeros(shape, int), noise=False)
