"""The student's noise on images: everything from the seed of the image, each part as asked."""

import threading

import numpy as np
import pytest

from nst_asr import config
from nst_asr.config import ConfigError
from nst_asr.vision.draws import uniforms
from nst_asr.vision.geometry import ImageShapeError
from nst_asr.vision.noise import NoisePlan, noised
from nst_asr.vision.randaugment import RandAugmentPlan

ALL = NoisePlan(rand_augment=RandAugmentPlan(magnitude=7.0, schedule="random"), cutout=8, crop="pad")
RESIZED = NoisePlan(rand_augment=RandAugmentPlan(magnitude=9.0), crop="resized")
NONE = NoisePlan(flip=0.0)


def pictures(count: int, side: int = 24) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (count, side, side, 3), np.uint8)


def seeds(count: int) -> np.ndarray:
    return np.random.default_rng(6).integers(0, 2**64, count, np.uint64, endpoint=False)


@pytest.mark.parametrize("plan", [ALL, RESIZED])
def test_an_image_does_not_depend_on_its_batch(plan: NoisePlan) -> None:
    images, given = pictures(12), seeds(12)
    together = noised(images, given, plan, 24)
    order = np.random.default_rng(0).permutation(12)
    np.testing.assert_array_equal(noised(images[order], given[order], plan, 24), together[order])
    for place in range(12):
        alone = noised([images[place]], given[place : place + 1], plan, 24)
        np.testing.assert_array_equal(alone[0], together[place])


@pytest.mark.parametrize("plan", [ALL, RESIZED])
def test_the_same_seed_gives_the_same_bytes_and_another_gives_others(plan: NoisePlan) -> None:
    images = np.repeat(pictures(1), 20, axis=0)
    given = seeds(20)
    found = noised(images, given, plan, 24)
    np.testing.assert_array_equal(found, noised(images, given, plan, 24))
    assert len({image.tobytes() for image in found}) > 16


def test_what_comes_in_is_never_written_to() -> None:
    images = pictures(8)
    images.setflags(write=False)
    noised(images, seeds(8), ALL, 24)
    noised(list(images), seeds(8), NONE, 24)[:] = 0
    np.testing.assert_array_equal(images, pictures(8))


@pytest.mark.parametrize("plan", [ALL, RESIZED, NONE])
def test_the_layout_in_memory_does_not_matter(plan: NoisePlan) -> None:
    planes = np.ascontiguousarray(pictures(10).transpose(0, 3, 1, 2))
    expected = noised(pictures(10)[::2], seeds(5), plan, 24)
    np.testing.assert_array_equal(noised(planes.transpose(0, 2, 3, 1)[::2], seeds(5), plan, 24), expected)
    np.testing.assert_array_equal(noised(list(planes.transpose(0, 2, 3, 1)[::2]), seeds(5), plan, 24), expected)


def test_no_noise_gives_the_images_themselves() -> None:
    images = pictures(4)
    np.testing.assert_array_equal(noised(images, seeds(4), NONE, 24), images)
    model_alone = NoisePlan(flip=0.0, crop="none", dropout=0.5, survival=0.8)
    np.testing.assert_array_equal(noised(images, seeds(4), model_alone, 24), images)


def test_as_many_are_mirrored_as_asked() -> None:
    images = np.repeat(pictures(1), 2000, axis=0)
    found = noised(images, seeds(2000), NoisePlan(flip=0.3), 24)
    mirrored = (found == images[:, :, ::-1]).all(axis=(1, 2, 3))
    kept = (found == images).all(axis=(1, 2, 3))
    assert (mirrored ^ kept).all()
    assert mirrored.mean() == pytest.approx(0.3, abs=0.03)


def test_a_padded_crop_is_a_window_of_the_padded_image_and_all_windows_occur() -> None:
    image = np.maximum(pictures(1, 6), 1)
    found = noised(np.repeat(image, 800, axis=0), seeds(800), NoisePlan(flip=0.0, crop="pad", pad=2), 6)
    padded = np.pad(image[0], ((2, 2), (2, 2), (0, 0)))
    windows = {padded[y : y + 6, x : x + 6].tobytes(): 0 for y in range(5) for x in range(5)}
    for result in found:
        windows[result.tobytes()] += 1
    assert len(windows) == 25
    assert min(windows.values()) > 10


def test_a_crop_is_mirrored_after_it_was_taken() -> None:
    images, given = pictures(50), seeds(50)
    straight = noised(images, given, NoisePlan(flip=0.0, crop="pad"), 24)
    mirrored = noised(images, given, NoisePlan(flip=1.0, crop="pad"), 24)
    np.testing.assert_array_equal(mirrored, straight[:, :, ::-1])


def test_a_pad_wider_than_the_image_still_works() -> None:
    found = noised(pictures(60, 3), seeds(60), NoisePlan(crop="pad", pad=9), 3)
    assert found.shape == (60, 3, 3, 3)
    assert (found == 0).all(axis=(1, 2, 3)).any()


def test_the_square_is_grey_and_cut_off_at_the_border_only() -> None:
    black = np.zeros((500, 20, 20, 3), np.uint8)
    found = noised(black, seeds(500), NoisePlan(flip=0.0, cutout=8), 20)
    assert set(np.unique(found)) == {0, 128}
    heights = (found[..., 0] == 128).any(axis=2).sum(axis=1)
    widths = (found[..., 0] == 128).any(axis=1).sum(axis=1)
    assert ((found[..., 0] == 128).sum(axis=(1, 2)) == heights * widths).all()  # one rectangle
    assert heights.max() == widths.max() == 8
    assert 4 <= heights.min() <= 5  # a middle on the first or last row leaves half of it
    assert (heights == 8).mean() == pytest.approx(13 / 20, abs=0.07)


def test_parts_of_the_noise_do_not_move_each_other() -> None:
    images, given = pictures(30), seeds(30)
    plain = noised(images, given, NoisePlan(crop="pad"), 24)
    with_square = noised(images, given, NoisePlan(crop="pad", cutout=6), 24)
    untouched = (with_square != 128).all(axis=-1)
    np.testing.assert_array_equal(with_square[untouched], plain[untouched])


@pytest.mark.parametrize("crop", ["none", "pad", "resized"])
@pytest.mark.parametrize("resolution", [1, 2, 17])
def test_images_of_any_size_come_out_square(crop: str, resolution: int) -> None:
    plan = config.parse(NoisePlan, {"crop": crop, "rand_augment": {"ops": 3}, "cutout": 3})
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (*size, 3), np.uint8) for size in [(1, 1), (5, 40), (40, 5), (17, 17), (300, 2)]]
    found = noised(images, seeds(5), plan, resolution)
    assert found.shape == (5, resolution, resolution, 3)
    assert found.dtype == np.uint8


def test_threads_get_the_same_bytes() -> None:
    images, given = pictures(64), seeds(64)
    expected = noised(images, given, ALL, 24)
    found: dict[int, np.ndarray] = {}

    def work(number: int) -> None:
        found[number] = noised(images, given, ALL, 24)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((found[number] == expected).all() for number in range(4))


def test_progress_matters_only_where_magnitudes_rise() -> None:
    images, given = pictures(20), seeds(20)
    rising = NoisePlan(rand_augment=RandAugmentPlan(magnitude=10.0, schedule="linear"))
    steady = NoisePlan(rand_augment=RandAugmentPlan(magnitude=10.0))
    np.testing.assert_array_equal(noised(images, given, rising, 24, 1.0), noised(images, given, steady, 24, 0.1))
    assert (noised(images, given, rising, 24, 0.1) != noised(images, given, rising, 24, 1.0)).any()


def test_strengths_by_hand() -> None:
    assert NONE.components() == {
        "RandAugment (operations x mean magnitude)": 0.0,
        "cutout (side, pixels)": 0.0,
        "flip (share of the rarer side)": 0.0,
        "crop after padding (pixels)": 0.0,
        "crop, resized (1 - lowest share of area)": 0.0,
        "dropout": 0.0,
        "stochastic depth (1 - survival)": 0.0,
    }
    plan = NoisePlan(rand_augment=RandAugmentPlan(), crop="resized", cutout=16, dropout=0.5, survival=0.8)
    assert list(plan.components().values()) == [54.0, 16.0, 0.5, 0.0, 0.92, 0.5, 0.2]


def test_seeds_that_do_not_fit_and_values_out_of_range_are_refused() -> None:
    with pytest.raises(ImageShapeError, match="3 images but 2 seeds"):
        noised(pictures(3), seeds(2), NONE, 24)
    with pytest.raises(ImageShapeError, match="int64"):
        noised(pictures(3), np.arange(3), NONE, 24)
    wrong = {"flip": 1.5, "cutout": -1, "crop": "centre", "pad": -1, "area": 0.0, "survival": 0.0, "dropout": 1.0}
    for key, value in wrong.items():
        with pytest.raises(ConfigError, match=key):
            config.parse(NoisePlan, {key: value})


def test_draws_are_even_and_streams_unrelated() -> None:
    near = np.arange(20000, dtype=np.uint64)
    first, second = uniforms(near, 0, 2), uniforms(near, 1, 2)
    for found in (first, second):
        assert ((found >= 0) & (found < 1)).all()
        np.testing.assert_allclose(found.mean(axis=0), 0.5, atol=0.01)
        np.testing.assert_allclose(found.var(axis=0), 1 / 12, atol=0.003)
    table = np.corrcoef(np.concatenate([first, second], axis=1).T)
    np.testing.assert_allclose(table, np.eye(4), atol=0.03)
    assert abs(np.corrcoef(first[:-1, 0], first[1:, 0])[0, 1]) < 0.03


def test_draws_are_those_of_splitmix64() -> None:
    # the first outputs of the reference generator from seed 1234567
    words = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    expected = [(word >> 11) / 2**53 for word in words]
    np.testing.assert_array_equal(uniforms(np.array([1234567], np.uint64), 0, 3)[0], expected)
