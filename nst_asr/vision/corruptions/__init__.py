"""The fifteen common corruptions of images, each at five severities.

After Hendrycks and Dietterich 2019, "Benchmarking neural network robustness to common corruptions and perturbations"
(section 3, ImageNet-C; the numbers are those of the code released with it). Written anew with numpy, scipy and PIL: the
distributions are theirs, the pixels are not, so numbers measured here stand beside each other and not beside published
ones. What differs: bytes are rounded to the nearest, not down; frost is made, not photographed; blurs of motion follow
ImageMagick's kernel without its steps in between bytes; zooms are about the exact centre.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nst_asr.key import Key
from nst_asr.vision.corruptions import blur, digital, noise, weather
from nst_asr.vision.corruptions.scale import published_side

Corruption = Callable[[np.ndarray, int, int, np.random.Generator], np.ndarray]

SEVERITIES = (1, 2, 3, 4, 5)

_FUNCTIONS: dict[str, Corruption] = {
    "gaussian_noise": noise.gaussian,
    "shot_noise": noise.shot,
    "impulse_noise": noise.impulse,
    "defocus_blur": blur.defocus,
    "glass_blur": blur.glass,
    "motion_blur": blur.motion,
    "zoom_blur": blur.zoom,
    "snow": weather.snow,
    "frost": weather.frost,
    "fog": weather.fog,
    "brightness": weather.brightness,
    "contrast": digital.contrast,
    "elastic_transform": digital.elastic_transform,
    "pixelate": digital.pixelate,
    "jpeg_compression": digital.jpeg_compression,
}
CORRUPTIONS: tuple[str, ...] = tuple(_FUNCTIONS)  # noise, blur, weather, digital, in the order of the paper's tables


class CorruptionError(ValueError):
    """An image, a name or a severity that cannot be had; the message names it and the way out."""


def corrupt(image: np.ndarray, name: str, severity: int, seed: int) -> np.ndarray:
    """A corrupted copy of an image, uint8 (H, W, 3); the same seed gives the same bytes.

    image: uint8 (H, W, 3) RGB, of any size; name: one of `CORRUPTIONS`; severity: 1 to 5. Strengths are those published
    for 32, 64 or 224 pixels, whichever is nearest to the shorter side in ratio. Severities of one seed are drawn
    independently, as the published sets are. Raises CorruptionError.
    """
    if name not in _FUNCTIONS:
        raise CorruptionError(f"{name!r} is no corruption; there are {', '.join(CORRUPTIONS)}")
    if severity not in SEVERITIES:
        raise CorruptionError(f"{name}: severity {severity}; severities are 1, 2, 3, 4 and 5")
    pixels = as_fractions(image)
    draw = Key(seed)["corruption", name, severity].generator()
    return as_bytes(_FUNCTIONS[name](pixels, severity - 1, published_side(image), draw))


def as_fractions(image: np.ndarray) -> np.ndarray:
    """An image as float64 (H, W, 3) in [0, 1]. Raises CorruptionError for what is no uint8 RGB image."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise CorruptionError(f"an image of {image.dtype} {image.shape}; expected uint8 (H, W, 3), RGB, not empty")
    return image / 255.0


def as_bytes(pixels: np.ndarray) -> np.ndarray:
    """Fractions as uint8, clipped to [0, 1] and rounded to the nearest."""
    return np.asarray(np.rint(np.clip(pixels, 0, 1) * 255), dtype=np.uint8)
