"""How sure a token is by Tsallis entropy, against numbers worked by hand."""

import math

import numpy as np
import pytest
import torch

from nst_asr.speech.alignment import align
from nst_asr.speech.confidence import confidences, tsallis_confidence


def of(*probabilities: float, alpha: float = 1 / 3) -> float:
    with np.errstate(divide="ignore"):
        return float(tsallis_confidence(np.log(np.array([probabilities])), alpha)[0])


@pytest.mark.parametrize("units", [2, 3, 30, 1000])
def test_an_even_frame_has_none_and_a_certain_one_has_all(units: int) -> None:
    assert of(*[1 / units] * units) == pytest.approx(0, abs=1e-12)
    assert of(1.0, *[0.0] * (units - 1)) == pytest.approx(1)


def test_the_cube_roots_of_a_frame_are_worked_by_hand() -> None:
    # cube roots of 27/64, 27/64, 8/64, 2/64: 3/4, 3/4, 1/2 and the cube root of 1/32, 0.314980; they sum to 2.314980
    # H = (2.314980 - 1) * 3/2 = 1.972470; H_max = (4^(2/3) - 1) * 3/2 = (2.519842 - 1) * 3/2 = 2.279763
    expected = (math.exp(-1.972470) - math.exp(-2.279763)) / (1 - math.exp(-2.279763))
    assert expected == pytest.approx(0.040999, abs=1e-6)
    assert of(27 / 64, 27 / 64, 8 / 64, 2 / 64) == pytest.approx(expected, abs=1e-6)


def test_with_alpha_2_it_is_the_sum_of_squares_in_the_exponent() -> None:
    # H = 1 - (0.64 + 0.04) = 0.32, H_max = 1/2
    expected = (math.exp(-0.32) - math.exp(-0.5)) / (1 - math.exp(-0.5))
    assert of(0.8, 0.2, alpha=2) == pytest.approx(expected)


def test_it_grows_with_the_probability_of_the_likeliest_unit() -> None:
    found = [of(p, *[(1 - p) / 9] * 9) for p in (0.1, 0.3, 0.5, 0.8, 0.99)]
    assert found == sorted(found)
    assert len(set(found)) == 5


def test_a_token_has_the_mean_over_the_frames_that_carry_it() -> None:
    probabilities = torch.tensor([[[0.2, 0.8, 0.0], [0.25, 0.5, 0.25], [0.9, 0.1, 0.0], [0.0, 0.0, 1.0]]])
    (found,) = confidences(probabilities.log(), torch.tensor([4]), [[1, 2]])
    assert found.token_tsallis == pytest.approx([(of(0.2, 0.8, 0.0) + of(0.25, 0.5, 0.25)) / 2, 1.0])


def test_a_label_of_no_tokens_has_no_token_confidences() -> None:
    (found,) = confidences(torch.full((1, 2, 3), 1 / 3).log(), torch.tensor([2]), [[]])
    assert found.token_tsallis == []


def test_an_alignment_that_is_known_is_not_looked_for_again() -> None:
    frames = torch.randn(3, 12, 5, generator=torch.Generator().manual_seed(0)).log_softmax(-1)
    lengths, labels = torch.tensor([12, 9, 5]), [[1, 2], [3], [4, 4]]
    paths = align(frames, lengths, labels)
    assert confidences(frames, lengths, labels, paths) == confidences(frames, lengths, labels)
