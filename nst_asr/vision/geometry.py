"""Crops and resizing. B images, H rows, W columns, S the side of the squares that come out; uint8, RGB.

Resizing is bilinear over all the pixels that a new one covers (the authors of Noisy Student: bicubic). Clean images are
resized by PIL, random parts by `resize.py`, which is several times as fast and differs by 1 at most. Both let other
threads run meanwhile.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image

from nst_asr.vision.resize import resize_part

_TRIES = 10
_RATIOS = (3 / 4, 4 / 3)  # width to height
CROP_DRAWS = 4 * _TRIES  # numbers that one random crop takes


class ImageShapeError(ValueError):
    """Something that is not an RGB image of bytes; the message names its place and its shape."""


def centred(images: Sequence[np.ndarray] | np.ndarray, resolution: int, *, crop: float = 1.0) -> np.ndarray:
    """Clean squares from the images' middles, uint8 (B, S, S, 3), S = resolution.

    images: uint8 (H, W, 3) of any sizes, or one array (B, H, W, 3). Taken is the square of `crop` times the shorter
    side, rounded, at least one pixel; resized unless it has the size already. Raises ImageShapeError.
    """
    _refuse_resolution(resolution)
    if not 0 < crop <= 1:
        raise ImageShapeError(f"crop = {crop:g}: the share of the shorter side that is kept lies in (0, 1]")
    out = np.empty((len(images), resolution, resolution, 3), np.uint8)
    for place, image in enumerate(images):
        refuse_other(image, place)
        H, W, _ = image.shape
        side = max(1, round(crop * min(H, W)))
        top, left = (H - side) // 2, (W - side) // 2
        out[place] = resized(image[top : top + side, left : left + side], resolution)
    return out


def randomly_cropped(
    images: Sequence[np.ndarray] | np.ndarray, uniforms: np.ndarray, mirror: np.ndarray, resolution: int, area: float
) -> np.ndarray:
    """A random part of each image, resized, and mirrored where asked: uint8 (B, S, S, 3).

    uniforms: (B, CROP_DRAWS) in [0, 1); mirror: (B,) bool; area: the lowest share of the image. Raises ImageShapeError.
    """
    _refuse_resolution(resolution)
    out = np.empty((len(images), resolution, resolution, 3), np.uint8)
    for place, image in enumerate(images):
        refuse_other(image, place)
        box = random_box(image.shape[0], image.shape[1], uniforms[place], area)
        resize_part(np.ascontiguousarray(image), *box, bool(mirror[place]), out[place])
    return out


def random_box(H: int, W: int, uniforms: np.ndarray, area: float) -> tuple[int, int, int, int]:
    """Top, left, height and width of a random part, in whole pixels.

    Its share of the area is even in [area, 1], the logarithm of width / height even between those of 3/4 and 4/3, its
    place even; drawn again, ten times in all, where it does not fit (Szegedy et al. 2015, as usual in PyTorch). Then it
    is the central part that comes nearest to the whole image.
    """
    low, high = (math.log(ratio) for ratio in _RATIOS)
    for share, shape, down, right in uniforms.reshape(_TRIES, 4).tolist():
        target = H * W * (area + (1 - area) * share)
        ratio = math.exp(low + (high - low) * shape)
        width, height = round(math.sqrt(target * ratio)), round(math.sqrt(target / ratio))
        if 0 < width <= W and 0 < height <= H:
            return int(down * (H - height + 1)), int(right * (W - width + 1)), height, width
    width = min(W, max(1, round(H * _RATIOS[1])))
    height = min(H, max(1, round(W / _RATIOS[0])))
    return (H - height) // 2, (W - width) // 2, height, width


def resized(image: np.ndarray, resolution: int) -> np.ndarray:
    """The whole image as a square: uint8 (S, S, 3); the image itself where it has that size."""
    if image.shape == (resolution, resolution, 3):
        return image
    picture = Image.fromarray(image).resize((resolution, resolution), Image.Resampling.BILINEAR)
    return np.asarray(picture)


def refuse_other(image: np.ndarray, place: int) -> None:
    """Raise ImageShapeError where it is no uint8 array (H, W, 3) with at least one pixel."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise ImageShapeError(
            f"image {place}: {image.dtype} of shape {image.shape}; images are RGB bytes, uint8 (height, width, 3) "
            "with at least one pixel: convert it when it is read"
        )


def _refuse_resolution(resolution: int) -> None:
    if resolution < 1:
        raise ImageShapeError(f"resolution = {resolution}: the side of the images, in pixels, is at least 1")
