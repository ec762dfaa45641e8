"""Corruptions: against PIL, scipy and hand-worked pixels; seeds, sizes, and growth with severity."""

import colorsys
import io
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from nst_asr.vision.corruptions import CORRUPTIONS, CorruptionError, corrupt
from nst_asr.vision.corruptions.blur import disk, motion_blurred, zoomed
from nst_asr.vision.corruptions.scale import published_side
from nst_asr.vision.corruptions.weather import brightened, frost_pane, plasma

DRAWN = ("gaussian_noise", "shot_noise", "impulse_noise", "glass_blur", "motion_blur", "snow", "frost", "fog")
DETERMINED = ("defocus_blur", "zoom_blur", "brightness", "contrast", "pixelate", "jpeg_compression")


def picture(height: int = 32, width: int = 32, seed: int = 0) -> np.ndarray:
    """Smooth shapes with some edges and grain, as photographs have."""
    draw = np.random.default_rng(seed)
    shapes = ndimage.gaussian_filter(draw.random((height, width, 3)), (height / 10, width / 10, 0))
    shapes = (shapes - shapes.min()) / np.ptp(shapes)
    edges = 0.2 * (np.indices((height, width)).sum(0) % max(height // 2, 2) > height // 4)[:, :, None]
    return np.asarray((255 * (0.1 + 0.5 * shapes + edges + 0.05 * draw.random((height, width, 3)))).astype(np.uint8))


def distance(name: str, severity: int, image: np.ndarray, draws: int) -> float:
    """The mean absolute change of a pixel over some seeds."""
    found = [corrupt(image, name, severity, seed).astype(float) - image for seed in range(draws)]
    return float(np.abs(found).mean())


def test_there_are_fifteen() -> None:
    assert len(set(CORRUPTIONS)) == 15


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_the_same_seed_gives_the_same_bytes_and_the_input_stays(name: str) -> None:
    image = picture()
    before = image.copy()
    first = corrupt(image, name, 3, 5)
    np.testing.assert_array_equal(first, corrupt(image, name, 3, 5))
    np.testing.assert_array_equal(image, before)
    assert first.dtype == np.uint8
    assert first.shape == image.shape
    assert (first != image).any()


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_global_random_state_is_left_alone(name: str) -> None:
    np.random.seed(1)
    before = np.random.get_state()[1].tolist()  # type: ignore[index]
    corrupt(picture(), name, 2, 0)
    assert np.random.get_state()[1].tolist() == before  # type: ignore[index]


@pytest.mark.parametrize("name", [*DRAWN, "elastic_transform"])
def test_another_seed_gives_another_draw(name: str) -> None:
    assert (corrupt(picture(), name, 3, 1) != corrupt(picture(), name, 3, 2)).any()


@pytest.mark.parametrize("name", DETERMINED)
def test_what_is_not_drawn_does_not_depend_on_the_seed(name: str) -> None:
    np.testing.assert_array_equal(corrupt(picture(), name, 3, 1), corrupt(picture(), name, 3, 2))


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (8, 8), (8, 13), (45, 70), (130, 121)])
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_any_size_is_taken(name: str, shape: tuple[int, int]) -> None:
    for severity in (1, 5):
        assert corrupt(picture(*shape), name, severity, 0).shape == (*shape, 3)


@pytest.mark.parametrize("level", [0, 255])
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_black_and_white_images_are_taken(name: str, level: int) -> None:
    corrupt(np.full((8, 8, 3), level, np.uint8), name, 5, 0)


# Where the published numbers themselves do not grow in one direction (glass blur's passes, frost's weights, the affine
# part of the elastic transform) the distance of pixels need not either; these are held at their ends or left out.
@pytest.mark.parametrize("side", [32, 64, 224])
@pytest.mark.parametrize("name", sorted(set(CORRUPTIONS) - {"glass_blur", "frost", "elastic_transform", "fog"}))
def test_distortion_grows_with_severity(name: str, side: int) -> None:
    image = picture(side, side)
    draws = 1 if name in DETERMINED else 2 if side == 224 else 6
    found = [distance(name, severity, image, draws) for severity in (1, 2, 3, 4, 5)]
    assert found[0] < found[2] < found[4]
    assert all(after > 0.9 * before for before, after in pairwise(found))


@pytest.mark.parametrize("side", [32, 64, 224])
def test_the_strongest_glass_distorts_more_than_the_weakest(side: int) -> None:
    image = picture(side, side)
    assert distance("glass_blur", 5, image, 4) > 1.1 * distance("glass_blur", 1, image, 4)


@pytest.mark.parametrize("side", [32, 64, 224])
def test_the_picture_behind_stronger_frost_is_less_like_itself(side: int) -> None:
    image = picture(side, side)

    def likeness(severity: int) -> float:
        found = [np.corrcoef(corrupt(image, "frost", severity, seed).ravel(), image.ravel()) for seed in range(3)]
        return float(np.mean([one[0, 1] for one in found]))

    assert likeness(1) - 0.02 > likeness(3)
    assert likeness(3) - 0.02 > likeness(5)


def test_fog_takes_contrast_away_the_more_the_denser_it_is() -> None:
    image = picture(64, 64)
    edges = [np.abs(np.diff(corrupt(image, "fog", s, 0).astype(float), axis=1)).mean() for s in (1, 3, 5)]
    assert edges[0] > edges[1] > edges[2]


def test_the_wobble_of_the_elastic_transform_grows_where_the_affine_part_is_the_same() -> None:
    image = picture(224, 224)
    found = [distance("elastic_transform", severity, image, 3) for severity in (3, 4, 5)]
    assert found[0] < found[1] < found[2]


def test_gaussian_noise_has_the_published_deviation() -> None:
    grey = np.full((64, 64, 3), 128, np.uint8)
    for severity, deviation in enumerate((0.04, 0.08, 0.12), 1):
        assert corrupt(grey, "gaussian_noise", severity, 0).std() / 255 == pytest.approx(deviation, rel=0.03)


def test_shot_noise_has_the_variance_of_counted_photons() -> None:
    grey = np.full((64, 64, 3), 51, np.uint8)  # a fifth of full brightness
    found = corrupt(grey, "shot_noise", 1, 0) / 255  # 250 photons: 50 expected, variance 50 / 250^2
    assert found.mean() == pytest.approx(0.2, rel=0.01)
    assert found.var() == pytest.approx(50 / 250**2, rel=0.05)


def test_impulses_hit_the_published_share_half_of_them_white() -> None:
    grey = np.full((100, 100, 3), 128, np.uint8)
    found = corrupt(grey, "impulse_noise", 5, 0)
    assert (found != 128).mean() == pytest.approx(0.14, abs=0.01)
    assert (found == 255).sum() == pytest.approx((found == 0).sum(), rel=0.1)
    assert set(np.unique(found)) == {0, 128, 255}


def test_jpeg_is_that_of_pil() -> None:
    image = picture(224, 224)
    for severity, quality in enumerate((25, 18, 15, 10, 7), 1):
        stored = io.BytesIO()
        Image.fromarray(image).save(stored, "JPEG", quality=quality)
        np.testing.assert_array_equal(corrupt(image, "jpeg_compression", severity, 0), np.asarray(Image.open(stored)))


def test_pixelating_by_half_is_the_mean_of_squares_of_four() -> None:
    image = picture(64, 64)
    squares = image.reshape(32, 2, 32, 2, 3).mean(axis=(1, 3)).repeat(2, 0).repeat(2, 1)
    np.testing.assert_allclose(corrupt(image, "pixelate", 5, 0), squares, atol=1.01)  # PIL rounds twice


def test_contrast_of_two_pixels_worked_by_hand() -> None:
    # side 32, severity 5: 0.15 of the distance to the mean, 100: 50 -> 92.5, 150 -> 107.5
    image = np.tile(np.array([50, 150], np.uint8)[None, :, None], (32, 16, 3))
    found = corrupt(image, "contrast", 5, 0)
    assert set(np.unique(found)) <= {92, 93, 107, 108}


def test_brightness_is_that_of_hue_saturation_value() -> None:
    image = picture(8, 8)
    found = brightened(image / 255, 0.15)
    for row, column in np.ndindex(8, 8):
        hue, saturation, value = colorsys.rgb_to_hsv(*(image[row, column] / 255))
        np.testing.assert_allclose(found[row, column], colorsys.hsv_to_rgb(hue, saturation, min(value + 0.15, 1)))


def test_black_brightens_to_grey() -> None:
    np.testing.assert_allclose(brightened(np.zeros((1, 1, 3)), 0.2), 0.2)


def test_defocus_leaves_a_point_as_its_disk() -> None:
    point = np.zeros((41, 41, 3), np.uint8)
    point[20, 20] = 255
    found = corrupt(point, "defocus_blur", 5, 0)[:, :, 0] / 255.0
    kernel = disk(0.5, 0.6)  # what is published for 64 pixels at severity 1; 41 pixels count as 32: radius 1.5
    assert found.sum() == pytest.approx(1, abs=0.02)
    assert kernel.sum() == pytest.approx(1)
    assert (found[19:22, 19:22] > 0.1).all()
    assert found[20, 24] == 0


def test_a_disk_without_softening_is_even() -> None:
    kernel = disk(2, 1e-3)
    np.testing.assert_allclose(kernel[kernel > 0], 1 / 13)  # the pixels within 2 of one: 1 + 4 + 4 + 4
    assert (kernel > 0).sum() == 13


def test_motion_at_0_degrees_is_half_a_gaussian_along_the_row() -> None:
    point = np.zeros((5, 21, 1))
    point[2, 10] = 1
    found = motion_blurred(point, 3, 1.5, 0)
    weights = np.exp(-np.square(np.arange(7) / 1.5) / 2)
    np.testing.assert_allclose(found[2, 10 - np.arange(7), 0], weights / weights.sum())
    assert found.sum() == pytest.approx(1)


def test_motion_at_90_degrees_is_that_at_0_of_the_transposed() -> None:
    image = picture(16, 16) / 255
    np.testing.assert_allclose(
        motion_blurred(image, 4, 2, 90), motion_blurred(image.swapaxes(0, 1), 4, 2, 0).swapaxes(0, 1)
    )


def test_glass_moves_pixels_to_neighbours_only() -> None:
    # each pixel has its own value; with almost no blur and one pass a value moves one pixel at most for each copy
    image = np.zeros((32, 32, 3), np.uint8)
    image[:, :, 0], image[:, :, 1] = np.indices((32, 32)) * 8
    found = corrupt(image, "glass_blur", 1, 0).astype(int) // 8
    rows, columns = np.indices((32, 32))
    moved = np.abs(found[:, :, 0] - rows)[2:-2, 2:-2], np.abs(found[:, :, 1] - columns)[2:-2, 2:-2]
    assert 0.5 < np.mean((moved[0] > 0) | (moved[1] > 0)) <= 1
    np.testing.assert_array_equal(found[0, :, 0], 0)  # the edge has no neighbours on all sides and stays


def test_zooming_by_two_about_the_centre_is_that_of_scipy() -> None:
    image = picture(33, 33) / 255
    expected = ndimage.zoom(image[8:25, 8:25], (33 / 17, 33 / 17, 1), order=1)
    np.testing.assert_allclose(zoomed(image, 2), expected, atol=1e-9)


def test_a_plasma_fills_0_to_1_wraps_around_and_is_smoother_where_it_fades_faster() -> None:
    rough, smooth = (plasma(64, fading, np.random.default_rng(0)) for fading in (1.4, 3))
    for heights in (rough, smooth):
        assert heights.shape == (64, 64)
        assert (heights.min(), heights.max()) == (0, 1)
    assert np.abs(np.diff(rough, axis=0)).mean() > 2 * np.abs(np.diff(smooth, axis=0)).mean()
    seam, inner = np.abs(smooth[0] - smooth[-1]).mean(), np.abs(np.diff(smooth, axis=0)).mean()
    assert seam < 3 * inner


def test_a_frosted_pane_is_bright_in_part_and_bluish() -> None:
    panes = np.stack([frost_pane((48, 48), np.random.default_rng(seed)) for seed in range(8)])
    assert 0.3 < panes.mean() < 0.55
    assert panes.std() > 0.15
    red, _, blue = panes.mean(axis=(0, 1, 2))
    assert blue > red


def test_strengths_are_those_of_the_nearest_published_side() -> None:
    sides = [published_side(np.zeros((side, 300, 3))) for side in (1, 32, 45, 46, 96, 119, 120, 224, 300)]
    assert sides == [32, 32, 32, 64, 64, 64, 224, 224, 224]


def test_wrong_names_severities_and_images_are_named() -> None:
    with pytest.raises(CorruptionError, match=r"'rain' is no corruption; there are gaussian_noise"):
        corrupt(picture(), "rain", 1, 0)
    with pytest.raises(CorruptionError, match="fog: severity 6"):
        corrupt(picture(), "fog", 6, 0)
    with pytest.raises(CorruptionError, match=r"float64 \(32, 32, 3\)"):
        corrupt(picture() / 255, "fog", 1, 0)
    with pytest.raises(CorruptionError, match=r"uint8 \(0, 3, 3\)"):
        corrupt(np.zeros((0, 3, 3), np.uint8), "contrast", 1, 0)
