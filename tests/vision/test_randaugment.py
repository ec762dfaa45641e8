"""Each operation against PIL, arguments against the authors' figures, and that images keep to themselves."""

import math

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from nst_asr import config
from nst_asr.config import ConfigError
from nst_asr.vision import pixels
from nst_asr.vision.draws import uniforms
from nst_asr.vision.randaugment import OPERATIONS, Draws, RandAugmentPlan, arguments, draw, table_for_torchvision

GREY = (128, 128, 128)
SIZES = [(1, 1), (1, 7), (2, 2), (3, 3), (5, 2), (32, 32), (45, 81)]
AFFINE = Image.Transform.AFFINE


def pictures(height: int, width: int) -> list[np.ndarray]:
    """Noise, a smooth ramp, few colours, one colour, and a dark picture with few values."""
    random = np.random.default_rng(height * 1000 + width)
    down, along = np.mgrid[:height, :width]
    ramp = np.stack([down * 3 % 256, along * 5 % 256, (down + along) % 256], -1)
    return [
        random.integers(0, 256, (height, width, 3), np.uint8),
        ramp.astype(np.uint8),
        (random.integers(0, 2, (height, width, 3)) * 255).astype(np.uint8),
        np.full((height, width, 3), (10, 200, 128), np.uint8),
        random.integers(40, 50, (height, width, 3), np.uint8),
    ]


def by_pil(image: np.ndarray, operation: str, argument: float) -> np.ndarray:
    picture = Image.fromarray(image)
    return np.asarray(_by_pil(picture, operation, argument))


def _by_pil(picture: Image.Image, operation: str, argument: float) -> Image.Image:
    def moved(*matrix: float) -> Image.Image:
        return picture.transform(picture.size, AFFINE, matrix, fillcolor=GREY)

    match operation:
        case "AutoContrast":
            return ImageOps.autocontrast(picture)
        case "Equalize":
            return ImageOps.equalize(picture)
        case "Solarize":
            return ImageOps.solarize(picture, int(argument))
        case "Posterize":
            return ImageOps.posterize(picture, int(argument))
        case "Rotate":
            return picture.rotate(argument, fillcolor=GREY)
        case "ShearX":
            return moved(1, argument, 0, 0, 1, 0)
        case "ShearY":
            return moved(1, 0, 0, argument, 1, 0)
        case "TranslateX":
            return moved(1, 0, argument * picture.width, 0, 1, 0)
        case "TranslateY":
            return moved(1, 0, 0, 0, 1, argument * picture.height)
        case "Identity":
            return picture
    enhance = {
        "Contrast": ImageEnhance.Contrast,
        "Brightness": ImageEnhance.Brightness,
        "Color": ImageEnhance.Color,
        "Sharpness": ImageEnhance.Sharpness,
    }
    return enhance[operation](picture).enhance(argument)


def by_us(image: np.ndarray, *steps: tuple[str, float]) -> np.ndarray:
    found = image[None].copy()
    operations = np.array([[OPERATIONS.index(name) for name, _ in steps]], np.int64)
    pixels.augment(found, operations, np.array([[argument for _, argument in steps]], np.float64))
    return np.asarray(found[0])


def test_numbers_of_operations_are_those_of_the_kernels() -> None:
    named = [name.upper() for name in OPERATIONS]
    kernels = ["shear_x", "shear_y", "translate_x", "translate_y"]
    joined = {name.replace("_", "").upper(): getattr(pixels, name.upper()) for name in kernels}
    for number, name in enumerate(named):
        assert joined.get(name, getattr(pixels, name, None)) == number


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_gives_the_bytes_of_pil(operation: str) -> None:
    signs = [1, -1] if operation in ("Rotate", "ShearX", "ShearY", "TranslateX", "TranslateY") else [1]
    for magnitude in (0, 1, 5, 9, 10, 14.5, 27, 30, 60, 100):
        argument = float(arguments(np.array(OPERATIONS.index(operation)), np.array(magnitude)))
        for size in SIZES:
            for image in pictures(*size):
                for sign in signs:
                    expected = by_pil(image, operation, sign * argument)
                    assert (by_us(image, (operation, sign * argument)) == expected).all(), (magnitude, size, sign)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270, 360, -90, 45, 0.01, 359.99])
def test_whole_turns_are_exact(degrees: float) -> None:
    for size in SIZES:
        image = pictures(*size)[0]
        np.testing.assert_array_equal(by_us(image, ("Rotate", degrees)), by_pil(image, "Rotate", degrees))


def test_any_three_operations_in_a_row_give_the_bytes_of_pil() -> None:
    random = np.random.default_rng(7)
    for _ in range(300):
        names = [str(name) for name in random.choice(OPERATIONS, 3)]
        magnitudes = random.uniform(0, 12, 3)
        image = pictures(24, 33)[int(random.integers(5))]
        given = [float(arguments(np.array(OPERATIONS.index(n)), m)) for n, m in zip(names, magnitudes, strict=True)]
        expected = image
        for name, argument in zip(names, given, strict=True):
            expected = by_pil(expected, name, argument)
        assert (by_us(image, *zip(names, given, strict=True)) == expected).all(), names


@pytest.mark.parametrize(
    ("operation", "magnitude", "expected"),
    [
        ("Rotate", 10, 30.0),
        ("Rotate", 27, 81.0),
        ("ShearX", 27, 0.81),
        ("ShearY", 10, 0.3),
        ("TranslateX", 10, 1 / 6),
        ("TranslateY", 5, 1 / 12),
        ("Color", 10, 1.9),
        ("Contrast", 27, 4.96),
        ("Brightness", 0, 0.1),
        ("Sharpness", 5, 1.0),
        ("Posterize", 5, 2),
        ("Posterize", 9, 3),
        ("Posterize", 0, 1),
        ("Posterize", 27, 8),
        ("Solarize", 5, 128),
        ("Solarize", 9, 230),
        ("Solarize", 27, 256),
        ("Solarize", 0, 0),
        ("Equalize", 27, 0),
    ],
)
def test_arguments_on_the_authors_scale_by_hand(operation: str, magnitude: float, expected: float) -> None:
    found = arguments(np.array(OPERATIONS.index(operation)), np.array(magnitude))
    assert float(found) == pytest.approx(expected, abs=1e-12)


def test_the_distance_of_a_move_is_a_setting() -> None:
    image = pictures(32, 32)[0]
    eighth = float(arguments(np.array(OPERATIONS.index("TranslateX")), np.array(10.0), translate=1 / 8))
    expected = np.full_like(image, 128)
    expected[:, :-4] = image[:, 4:]
    np.testing.assert_array_equal(by_us(image, ("TranslateX", eighth)), expected)
    found = draw(RandAugmentPlan(magnitude=10.0, translate=1 / 8), uniforms(np.arange(500, dtype=np.uint64), 0, 6), 1.0)
    moves = found.arguments[np.isin(found.operations, [pixels.TRANSLATE_X, pixels.TRANSLATE_Y])]
    assert set(moves.tolist()) == {-1 / 8, 1 / 8}


def drawn(plan: RandAugmentPlan, count: int, progress: float = 1.0) -> Draws:
    return draw(plan, uniforms(np.arange(count, dtype=np.uint64), 2, 3 * plan.ops), progress)


def test_each_operation_is_drawn_as_often_and_half_of_the_signs_are_negative() -> None:
    found = drawn(RandAugmentPlan(ops=2, magnitude=9), 20000)
    counts = np.bincount(found.operations.ravel(), minlength=14)
    assert (abs(counts / counts.sum() - 1 / 14) < 0.004).all()
    pairs = np.bincount((found.operations[:, 0] * 14 + found.operations[:, 1]), minlength=196)
    assert (pairs > 50).all()  # drawn with replacement: every pair occurs
    assert (pairs < 160).all()
    turns = found.arguments[found.operations == OPERATIONS.index("Rotate")]
    np.testing.assert_allclose(abs(turns), 27.0)
    assert abs((turns < 0).mean() - 0.5) < 0.03
    factors = found.arguments[found.operations == OPERATIONS.index("Color")]
    np.testing.assert_allclose(factors, 1.72)


def test_magnitudes_are_constant_random_or_rise() -> None:
    def turns(schedule: str, progress: float) -> np.ndarray:
        plan = config.parse(RandAugmentPlan, {"ops": 3, "magnitude": 10.0, "schedule": schedule})
        found = drawn(plan, 3000, progress)
        return np.asarray(abs(found.arguments[found.operations == OPERATIONS.index("Rotate")]))

    np.testing.assert_allclose(turns("constant", 0.2), 30)
    np.testing.assert_allclose(turns("linear", 0.2), 6)
    np.testing.assert_allclose(turns("linear", 1.0), 30)
    assert turns("random", 0.2).mean() == pytest.approx(15, abs=1)
    assert turns("random", 0.2).max() == pytest.approx(30, abs=0.5)


@pytest.mark.parametrize("magnitude", [0.0, 3.3, 27.0, 100.0])
@pytest.mark.parametrize("side", [1, 2, 33])
def test_every_magnitude_works_at_every_size(magnitude: float, side: int) -> None:
    found = drawn(RandAugmentPlan(ops=14, magnitude=magnitude, schedule="random"), 60)
    images = np.random.default_rng(0).integers(0, 256, (60, side, side, 3), np.uint8)
    pixels.augment(images, found.operations, found.arguments)
    assert math.isfinite(images.mean())


@pytest.mark.parametrize(
    ("magnitude", "rotate", "shear", "translate", "factor", "posterize", "solarize"),
    [(5, 15, 15, 15, 0, 27, 15), (9, 27, 27, 27, 24, 27, 3), (10, 30, 30, 30, 30, 27, 0), (27, 30, 30, 30, 30, 0, 0)],
)
def test_places_on_the_scale_of_torchvision_are_those_of_its_table(
    magnitude: float, rotate: int, shear: int, translate: int, factor: int, posterize: int, solarize: int
) -> None:
    found = {name: place.place for name, place in table_for_torchvision(magnitude, 100 / 224).items()}
    named = {"Rotate": rotate, "ShearX": shear, "ShearY": shear, "TranslateX": translate, "TranslateY": translate}
    named |= dict.fromkeys(["Color", "Contrast", "Brightness", "Sharpness"], factor)
    named |= {"Posterize": posterize, "Solarize": solarize} | dict.fromkeys(["AutoContrast", "Equalize", "Identity"], 0)
    assert found == named


@pytest.mark.parametrize("magnitude", [0, 4, 9, 27])
def test_torchvision_has_at_that_place_what_the_table_says(magnitude: float) -> None:
    torchvision = pytest.importorskip("torchvision.transforms")
    space = torchvision.RandAugment()._augmentation_space(31, (224, 224))
    for name, found in table_for_torchvision(magnitude).items():
        values, signed = space[name]
        theirs = float(values[found.place]) if values.ndim else 0.0
        if name in ("Color", "Contrast", "Brightness", "Sharpness"):
            assert signed
            assert abs(found.there - 1) == pytest.approx(theirs, abs=1e-6)
        else:
            share = 224 if name.startswith("Translate") else 1
            assert found.there == pytest.approx(theirs / share, abs=1e-4)


def test_magnitudes_and_numbers_of_operations_out_of_range_are_refused() -> None:
    for key, value in [("magnitude", -1.0), ("magnitude", 100.5), ("ops", 0), ("ops", 15), ("schedule", "up")]:
        with pytest.raises(ConfigError, match=key):
            config.parse(RandAugmentPlan, {key: value})
