"""Crops by hand and against PIL and torchvision's rules."""

import numpy as np
import pytest
from PIL import Image

from nst_asr.vision.draws import uniforms
from nst_asr.vision.geometry import CROP_DRAWS, ImageShapeError, centred, random_box, randomly_cropped
from nst_asr.vision.resize import resize_part


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def draws(count: int) -> np.ndarray:
    return uniforms(np.arange(count, dtype=np.uint64), 0, CROP_DRAWS)


def by_pil(image: np.ndarray, side: int) -> np.ndarray:
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR))


def test_an_image_of_the_right_size_comes_back_as_it_is() -> None:
    images = np.stack([picture(16, 16, seed) for seed in range(3)])
    np.testing.assert_array_equal(centred(images, 16), images)
    np.testing.assert_array_equal(centred(list(images), 16), images)


def test_the_central_square_is_cut_from_the_middle_by_hand() -> None:
    image = picture(10, 16)
    np.testing.assert_array_equal(centred([image], 10)[0], image[:, 3:13])
    np.testing.assert_array_equal(centred([image.transpose(1, 0, 2)], 10)[0], image[:, 3:13].transpose(1, 0, 2))
    np.testing.assert_array_equal(centred([image], 8, crop=0.8)[0], image[1:9, 4:12])


@pytest.mark.parametrize("size", [(300, 451), (97, 64), (20, 1000), (1, 1), (1, 9), (224, 224)])
@pytest.mark.parametrize("side", [1, 32, 224])
def test_resizing_is_that_of_pil(size: tuple[int, int], side: int) -> None:
    image = picture(*size)
    shorter = min(size)
    top, left = (size[0] - shorter) // 2, (size[1] - shorter) // 2
    square = image[top : top + shorter, left : left + shorter]
    np.testing.assert_array_equal(centred([image], side)[0], by_pil(square, side))


def test_images_of_many_sizes_make_one_array() -> None:
    images = [picture(5, 9), picture(40, 30), picture(1, 1)]
    found = centred(images, 12)
    assert found.shape == (3, 12, 12, 3)
    assert found.dtype == np.uint8
    for place, image in enumerate(images):
        np.testing.assert_array_equal(found[place], centred([image], 12)[0])
    assert centred([], 12).shape == (0, 12, 12, 3)


def test_random_parts_lie_in_the_image_with_the_areas_and_shapes_asked_for() -> None:
    boxes = np.array([random_box(300, 400, row, 0.08) for row in draws(4000)])
    top, left, height, width = boxes.T
    assert (boxes[:, :2] >= 0).all()
    assert (top + height <= 300).all()
    assert (left + width <= 400).all()
    share = height * width / (300 * 400)
    assert share.min() > 0.078
    assert share.max() > 0.95
    ratio = width / height
    assert ratio.min() > 0.74
    assert ratio.max() < 1.35
    assert np.log(ratio).mean() == pytest.approx(0, abs=0.05)
    assert (top / (300 - height + 1e-9))[height < 250].mean() == pytest.approx(0.5, abs=0.03)
    assert (left / (400 - width + 1e-9))[width < 300].mean() == pytest.approx(0.5, abs=0.03)


def test_parts_follow_the_distribution_of_torchvision() -> None:
    transforms = pytest.importorskip("torchvision.transforms")
    torch = pytest.importorskip("torch")
    blank = torch.zeros(3, 200, 500)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        pick = transforms.RandomResizedCrop.get_params
        theirs = np.array([pick(blank, (0.08, 1.0), (3 / 4, 4 / 3)) for _ in range(4000)])
    ours = np.array([random_box(200, 500, row, 0.08) for row in draws(4000)])
    for column in range(4):
        bins = np.quantile(theirs[:, column], [0.1, 0.25, 0.5, 0.75, 0.9])
        shares = [(part[:, column][:, None] <= bins).mean(axis=0) for part in (theirs, ours)]
        np.testing.assert_allclose(shares[0], shares[1], atol=0.035)


@pytest.mark.parametrize("size", [(10, 1000), (1000, 10), (1, 1), (1, 500), (2, 3)])
def test_a_shape_in_which_no_part_fits_gives_its_middle(size: tuple[int, int]) -> None:
    for row in draws(50):
        top, left, height, width = random_box(*size, row, 1.0)
        assert 0 <= top <= top + height <= size[0]
        assert 0 <= left <= left + width <= size[1]
        assert height >= 1
        assert width >= 1
    if size == (10, 1000):
        assert random_box(*size, draws(1)[0], 1.0) == (0, 493, 10, 13)  # 10 * 4/3 columns from the middle


def test_a_random_part_is_resized_as_by_pil_and_follows_its_own_draws() -> None:
    images = [picture(60, 90), picture(200, 50, 1), picture(33, 33, 2)]
    rows, mirror = draws(3), np.array([False, True, False])
    found = randomly_cropped(images, rows, mirror, 24, 0.08)
    for image, row, turned, result in zip(images, rows, mirror, found, strict=True):
        top, left, height, width = random_box(image.shape[0], image.shape[1], row, 0.08)
        expected = by_pil(image[top : top + height, left : left + width], 24)
        assert apart(result, expected[:, ::-1] if turned else expected) <= 1
    np.testing.assert_array_equal(randomly_cropped(images[::-1], rows[::-1], mirror[::-1], 24, 0.08), found[::-1])


def apart(found: np.ndarray, expected: np.ndarray) -> int:
    return int(abs(found.astype(int) - expected).max())


@pytest.mark.parametrize("side", [1, 2, 7, 32, 224])
def test_fast_resizing_differs_from_that_of_pil_by_one_at_most(side: int) -> None:
    for height, width in [(1, 1), (1, 8), (2, 3), (5, 1), (7, 7), (31, 64), (225, 223), (448, 300), (20, 1500)]:
        image = picture(height + 4, width + 3)
        harsh = np.where(image < 128, 0, 255).astype(np.uint8)
        for given in (image, harsh):
            found = np.zeros((side, side, 3), np.uint8)
            resize_part(given, 1, 2, height, width, False, found)
            assert apart(found, by_pil(given[1 : 1 + height, 2 : 2 + width], side)) <= 1
            mirrored = np.zeros_like(found)
            resize_part(given, 1, 2, height, width, True, mirrored)
            np.testing.assert_array_equal(mirrored, found[:, ::-1])


@pytest.mark.parametrize("value", [0, 1, 127, 254, 255])
def test_fast_resizing_keeps_a_plain_colour(value: int) -> None:
    image = np.full((301, 777, 3), (value, 255 - value, 9), np.uint8)
    for side in (5, 224, 400):
        found = np.zeros((side, side, 3), np.uint8)
        resize_part(image, 0, 0, 301, 777, False, found)
        assert (found == image[0, 0]).all()


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)],
)
def test_what_is_no_rgb_image_of_bytes_is_named(wrong: np.ndarray) -> None:
    with pytest.raises(ImageShapeError, match=r"image 1: .*RGB bytes"):
        centred([picture(4, 4), wrong], 4)
    with pytest.raises(ImageShapeError, match=r"image 1: .*RGB bytes"):
        randomly_cropped([picture(4, 4), wrong], draws(2), np.zeros(2, bool), 4, 0.08)


def test_a_resolution_or_a_crop_of_nothing_is_refused() -> None:
    with pytest.raises(ImageShapeError, match="resolution = 0"):
        centred([picture(4, 4)], 0)
    with pytest.raises(ImageShapeError, match="crop = 0"):
        centred([picture(4, 4)], 4, crop=0.0)
    with pytest.raises(ImageShapeError, match=r"crop = 1\.5"):
        centred([picture(4, 4)], 4, crop=1.5)
