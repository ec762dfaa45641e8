"""The ten sequences of slightly changing images on which a steady classifier does not change its mind.

After Hendrycks and Dietterich 2019 (section 3, ImageNet-P; the numbers are those of the code released with it), written
anew with numpy and scipy. What differs: frames are not stored as video; what moves into the picture from beyond its
edge is black, as in CIFAR-10-P, where ImageNet-P has the rest of the photograph; the tilted plane lies exactly at the
focal length, so that the middle frame is the picture itself; the 64 pixel motion blur is ours, since the original
blurs before it makes the picture small.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from nst_asr.key import Key
from nst_asr.vision.corruptions import CorruptionError, as_bytes, as_fractions
from nst_asr.vision.corruptions.blur import motion_blurred, zoomed
from nst_asr.vision.corruptions.noise import with_gaussian, with_shot
from nst_asr.vision.corruptions.scale import published_side
from nst_asr.vision.corruptions.weather import brightened, flakes, snowed

Perturbation = Callable[[np.ndarray, int, int, np.random.Generator], list[np.ndarray]]

NOISES = ("gaussian_noise", "shot_noise")  # each frame is the first one with new noise

_GAUSSIAN = {32: 0.02, 64: 0.025, 224: 0.03}  # standard deviation
_SHOT = {32: 700, 64: 500, 224: 300}  # photons at full brightness
_MOTION = {32: (6, 1.8, 9), 64: (6, 1.8, 5), 224: (10, 3, 4)}  # radius, deviation (pixels), degrees a frame
_ZOOM = 0.004  # a frame
# deviation of the flakes, their size, radius and deviation of their fall; their mean is 0.05, the darkest is 0.5
_SNOW = {32: (0.3, 2, 10, 2), 64: (0.28, 2, 10, 2.5), 224: (0.3, 3, 14, 4)}
_BRIGHTNESS = {32: 0.015, 64: 0.02, 224: 0.02}  # a frame
_TILT = {32: 0.75, 64: 1, 224: 1}  # degrees a frame
_SCALE = {32: (0.70, 0.02), 64: (0.40, 0.025), 224: (0.40, 0.025)}  # of the first frame, more a frame
_FRAMES = {("motion_blur", 32): 21, ("translate", 32): 16, ("translate", 224): 41}  # all others: 31


def perturbed(image: np.ndarray, name: str, seed: int, frames: int | None = None) -> np.ndarray:
    """A sequence that begins near an image and changes little by little, uint8 (frames, H, W, 3).

    image: uint8 (H, W, 3) RGB, of any size; name: one of `PERTURBATIONS`. Without `frames` there are as many as
    published: 31, but 21 for motion blur of small images and 16 (small) or 41 (large) for translate. Another number
    keeps the step from frame to frame. The same seed gives the same bytes. Raises CorruptionError.
    """
    if name not in _FUNCTIONS:
        raise CorruptionError(f"{name!r} is no perturbation; there are {', '.join(PERTURBATIONS)}")
    side = published_side(image)
    count = published_frames(name, side) if frames is None else frames
    if count < 2:
        raise CorruptionError(f"{name}: {count} frames; a sequence has two at least")
    draw = Key(seed)["perturbation", name].generator()
    pixels = as_fractions(image)
    return np.stack([as_bytes(frame) for frame in _FUNCTIONS[name](pixels, side, count, draw)])


def published_frames(name: str, side: int) -> int:
    """The number of frames of a published sequence for images of one of the published sides (32, 64, 224)."""
    return _FRAMES.get((name, side), 31)


def _gaussian_noise(pixels: np.ndarray, side: int, frames: int, draw: np.random.Generator) -> list[np.ndarray]:
    return [pixels] + [with_gaussian(pixels, _GAUSSIAN[side], draw) for _ in range(1, frames)]


def _shot_noise(pixels: np.ndarray, side: int, frames: int, draw: np.random.Generator) -> list[np.ndarray]:
    return [pixels] + [with_shot(pixels, _SHOT[side], draw) for _ in range(1, frames)]


def _motion_blur(pixels: np.ndarray, side: int, frames: int, draw: np.random.Generator) -> list[np.ndarray]:
    """The trail turns, up to the horizontal in the last frame."""
    radius, deviation, step = _MOTION[side]
    return [motion_blurred(pixels, radius, deviation, step * (place - frames + 1)) for place in range(frames)]


def _zoom_blur(pixels: np.ndarray, side: int, frames: int, draw: np.random.Generator) -> list[np.ndarray]:
    """Each frame is the mean of all zooms up to its own."""
    views = np.cumsum([zoomed(pixels, 1 + _ZOOM * place) for place in range(frames)], axis=0)
    return [view / (place + 1) for place, view in enumerate(views)]


def _snow(pixels: np.ndarray, side: int, frames: int, draw: np.random.Generator) -> list[np.ndarray]:
    """The wind turns, the flakes stay."""
    deviation, size, radius, fall = _SNOW[side]
    layer = flakes(pixels.shape[:2], 0.05, deviation, size, 0.5, draw)
    turned = (motion_blurred(layer, int(radius), fall, 4 * place - 150) for place in range(frames))
    return [snowed(pixels, falling, 0.85) for falling in turned]


def _brightness(pixels: np.ndarray, side: int, frames: int, draw: np.random.Generator) -> list[np.ndarray]:
    return [brightened(pixels, _BRIGHTNESS[side] * offset) for offset in _offsets(frames)]


def _translate(pixels: np.ndarray, side: int, frames: int, draw: np.random.Generator) -> list[np.ndarray]:
    """A pixel to the right from frame to frame."""
    return [_warped(pixels, np.array([[1.0, 0, 0], [0, 1, -offset], [0, 0, 1]])) for offset in _offsets(frames)]


def _rotate(pixels: np.ndarray, side: int, frames: int, draw: np.random.Generator) -> list[np.ndarray]:
    """A degree from frame to frame."""
    return [_warped(pixels, _turn(np.deg2rad(offset))) for offset in _offsets(frames)]


def _tilt(pixels: np.ndarray, side: int, frames: int, draw: np.random.Generator) -> list[np.ndarray]:
    """The picture turns in space, about its horizontal and its vertical axis alike."""
    focal = float(np.hypot(*pixels.shape[:2]))
    return [_warped(pixels, np.linalg.inv(_seen(np.deg2rad(_TILT[side] * o), focal))) for o in _offsets(frames)]


def _scale(pixels: np.ndarray, side: int, frames: int, draw: np.random.Generator) -> list[np.ndarray]:
    first, step = _SCALE[side]
    factors = [first + step * place for place in range(frames)]
    return [_warped(pixels, np.diag([1 / factor, 1 / factor, 1])) for factor in factors]


_FUNCTIONS: dict[str, Perturbation] = {
    "gaussian_noise": _gaussian_noise,
    "shot_noise": _shot_noise,
    "motion_blur": _motion_blur,
    "zoom_blur": _zoom_blur,
    "snow": _snow,
    "brightness": _brightness,
    "translate": _translate,
    "rotate": _rotate,
    "tilt": _tilt,
    "scale": _scale,
}
PERTURBATIONS: tuple[str, ...] = tuple(_FUNCTIONS)


def _offsets(frames: int) -> range:
    """Places counted from the middle frame."""
    middle = (frames - 1) // 2
    return range(-middle, frames - middle)


def _turn(angle: float) -> np.ndarray:
    sine, cosine = np.sin(angle), np.cos(angle)
    return np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])


def _seen(angle: float, focal: float) -> np.ndarray:
    """The map (3, 3) from a plane to its picture after it turned about both of its axes, seen from a focal length."""
    sine, cosine = np.sin(angle), np.cos(angle)
    about_columns = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
    about_rows = np.array([[cosine, 0, -sine], [0, 1, 0], [sine, 0, cosine]])
    across, down, deep = (about_columns @ about_rows)[:, :2]
    # rows come before columns here
    return np.array(
        [[focal * down[1], focal * down[0], 0], [focal * across[1], focal * across[0], 0], [*deep[::-1], focal]]
    )


def _warped(pixels: np.ndarray, back: np.ndarray) -> np.ndarray:
    """Pixels (H, W, 3) seen through a projective map, bilinear, black beyond the edge.

    back: (3, 3), takes rows and columns counted from the centre to where they come from.
    """
    H, W = pixels.shape[:2]
    centre = np.array([(H - 1) / 2, (W - 1) / 2])
    place = np.indices((H, W)) - centre[:, None, None]
    rows, columns, depth = np.tensordot(back, np.concatenate([place, np.ones((1, H, W))]), axes=1)
    places = np.stack([rows / depth, columns / depth]) + centre[:, None, None]
    channels = [ndimage.map_coordinates(pixels[:, :, c], places, order=1, mode="grid-constant") for c in range(3)]
    return np.stack(channels, axis=2)
