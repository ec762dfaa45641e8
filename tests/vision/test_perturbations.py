"""Perturbation sequences: frames worked by hand, PIL and numpy as references, seeds and steadiness."""

import numpy as np
import pytest
from PIL import Image

from nst_asr.vision.corruptions import CorruptionError
from nst_asr.vision.perturbations import NOISES, PERTURBATIONS, perturbed

MOVED = ("translate", "rotate", "tilt", "scale")


def picture(side: int = 32, seed: int = 0) -> np.ndarray:
    """A colour gradient with a bright square, so that moves can be seen."""
    rows, columns = np.indices((side, side)) / side
    image = np.stack([rows, columns, 0.5 * (rows + columns)], axis=2) * 200
    image[side // 4 : side // 2, side // 4 : side // 2] = 230
    return np.asarray((image + np.random.default_rng(seed).uniform(0, 20, image.shape)).astype(np.uint8))


def middle(sequence: np.ndarray) -> np.ndarray:
    return np.asarray(sequence[(len(sequence) - 1) // 2])


def test_there_are_ten_two_of_them_noise() -> None:
    assert len(set(PERTURBATIONS)) == 10
    assert set(NOISES) < set(PERTURBATIONS)


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_a_sequence_is_bytes_of_the_image_s_shape_and_follows_from_the_seed(name: str) -> None:
    image = picture()
    found = perturbed(image, name, 3, 31)
    assert found.dtype == np.uint8
    assert found.shape == (31, 32, 32, 3)
    np.testing.assert_array_equal(found, perturbed(image, name, 3, 31))
    other = perturbed(image, name, 4, 31)
    assert (found != other).any() == (name in (*NOISES, "snow"))


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_any_size_is_taken(name: str) -> None:
    for shape in ((1, 1), (8, 8), (9, 50)):
        assert perturbed(np.full((*shape, 3), 90, np.uint8), name, 0, 3).shape == (3, *shape, 3)


@pytest.mark.parametrize(
    ("side", "name", "frames"),
    [(32, "motion_blur", 21), (32, "translate", 16), (64, "translate", 31), (224, "translate", 41), (32, "snow", 31)],
)
def test_without_a_number_there_are_as_many_frames_as_published(side: int, name: str, frames: int) -> None:
    assert len(perturbed(picture(side), name, 0)) == frames


@pytest.mark.parametrize("name", [*NOISES, "zoom_blur"])
def test_noise_and_zoom_begin_with_the_image_itself(name: str) -> None:
    found = perturbed(picture(), name, 0)
    np.testing.assert_array_equal(found[0], picture())
    assert (found[1:] != picture()).any(axis=(1, 2, 3)).all()


@pytest.mark.parametrize("name", ["brightness", "translate", "rotate", "tilt", "scale"])
def test_what_goes_from_one_side_to_the_other_passes_through_the_image(name: str) -> None:
    np.testing.assert_array_equal(middle(perturbed(picture(), name, 0)), picture())


@pytest.mark.parametrize("name", sorted(set(PERTURBATIONS) - set(NOISES)))
def test_frames_are_nearer_to_the_next_than_to_the_last(name: str) -> None:
    found = perturbed(picture(), name, 0, 15).astype(float)
    steps = np.abs(np.diff(found, axis=0)).mean(axis=(1, 2, 3))
    assert steps.max() < np.abs(found[0] - found[-1]).mean()


def test_each_noisy_frame_has_its_own_noise_of_the_published_deviation() -> None:
    grey = np.full((32, 32, 3), 128, np.uint8)
    found = perturbed(grey, "gaussian_noise", 0)[1:] / 255
    assert found.std() == pytest.approx(0.02, rel=0.03)
    assert np.abs(np.corrcoef(found.reshape(30, -1)) - np.eye(30)).max() < 0.1


def test_translating_by_a_pixel_a_frame_is_a_slice_with_black_behind_it() -> None:
    image = picture()
    found = perturbed(image, "translate", 0)
    np.testing.assert_array_equal(found[0][:, :-7], image[:, 7:])
    np.testing.assert_array_equal(found[0][:, -7:], 0)
    np.testing.assert_array_equal(found[-1][:, 8:], image[:, :-8])


def test_rotating_is_that_of_pil() -> None:
    image = picture()
    found = perturbed(image, "rotate", 0, 31)
    for place in (0, 10, 30):
        expected = np.asarray(Image.fromarray(image).rotate(15 - place, Image.Resampling.BILINEAR))
        inner = np.s_[4:-4, 4:-4]
        turned = [np.abs(found[f][inner].astype(float) - expected[inner]).max() for f in (place, 30 - place)]
        assert min(turned) <= 1


def test_scaling_by_seven_tenths_is_that_of_pil() -> None:
    image = picture()
    a = 1 / 0.7
    shift = 16 - a * 16
    expected = Image.fromarray(image).transform(
        (32, 32), Image.Transform.AFFINE, (a, 0, shift, 0, a, shift), Image.Resampling.BILINEAR
    )
    found = perturbed(image, "scale", 0)[0].astype(float)
    assert np.abs(found - np.asarray(expected))[7:-7, 7:-7].max() <= 1
    np.testing.assert_array_equal(found[:4], 0)


def test_tilting_enlarges_the_side_that_comes_nearer() -> None:
    # a white plane: more of the frame stays filled at one end of the diagonal than at the other
    found = perturbed(np.full((64, 64, 3), 255, np.uint8), "tilt", 0)
    for frame, nearer, farther in (
        (found[0], np.s_[-8:, -8:], np.s_[:8, :8]),
        (found[-1], np.s_[:8, :8], np.s_[-8:, -8:]),
    ):
        assert frame[nearer].mean() != frame[farther].mean()
    np.testing.assert_array_equal(found[0], found[-1][::-1, ::-1])


def test_brightness_moves_by_the_published_step() -> None:
    grey = np.full((8, 8, 3), 128, np.uint8)
    found = perturbed(grey, "brightness", 0)[:, 0, 0, 0]
    np.testing.assert_allclose(found, 128 + 255 * 0.015 * np.arange(-15, 16), atol=0.51)


def test_wrong_names_and_too_few_frames_are_named() -> None:
    with pytest.raises(CorruptionError, match="'fog' is no perturbation; there are gaussian_noise"):
        perturbed(picture(), "fog", 0)
    with pytest.raises(CorruptionError, match="tilt: 1 frames"):
        perturbed(picture(), "tilt", 0, 1)
