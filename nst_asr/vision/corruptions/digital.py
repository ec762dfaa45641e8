"""Contrast, stretching, coarse pixels and compression.

All take pixels in [0, 1], float64 (H, W, 3), a severity from 0 to 4 and the published side.
"""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image
from scipy import ndimage

_CONTRAST = {  # what is left of it
    32: (0.75, 0.5, 0.4, 0.3, 0.15),
    64: (0.4, 0.3, 0.2, 0.1, 0.05),
    224: (0.4, 0.3, 0.2, 0.1, 0.05),
}
# height and smoothness of the wobble, largest move of the three corners; in shares of the shorter side. ImageNet-C
# counts in shares of 244 pixels, by an oversight that its code mentions.
_WIDE = 244 / 224
_ELASTIC = {
    32: ((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03)),
    64: ((0, 0, 0.08), (0.05, 0.3, 0.06), (0.1, 0.08, 0.06), (0.1, 0.03, 0.03), (0.16, 0.03, 0.02)),
    224: (
        (2 * _WIDE, 0.7 * _WIDE, 0.1 * _WIDE),
        (2 * _WIDE, 0.08 * _WIDE, 0.2 * _WIDE),
        (0.05 * _WIDE, 0.01 * _WIDE, 0.02 * _WIDE),
        (0.07 * _WIDE, 0.01 * _WIDE, 0.02 * _WIDE),
        (0.12 * _WIDE, 0.01 * _WIDE, 0.02 * _WIDE),
    ),
}
_PIXELATE = {  # sides in shares of what they were
    32: (0.95, 0.9, 0.85, 0.75, 0.65),
    64: (0.9, 0.8, 0.7, 0.6, 0.5),
    224: (0.6, 0.5, 0.4, 0.3, 0.25),
}
_JPEG = {  # quality
    32: (80, 65, 58, 50, 40),
    64: (65, 58, 50, 40, 25),
    224: (25, 18, 15, 10, 7),
}


def contrast(pixels: np.ndarray, severity: int, side: int, draw: np.random.Generator) -> np.ndarray:
    """Pixels nearer to the mean of their channel."""
    means = pixels.mean(axis=(0, 1), keepdims=True)
    return np.asarray((pixels - means) * _CONTRAST[side][severity] + means)


def elastic_transform(pixels: np.ndarray, severity: int, side: int, draw: np.random.Generator) -> np.ndarray:
    """Pixels under a drawn affine map, then under a smooth wobble (Simard, Steinkraus and Platt 2003)."""
    shorter = min(pixels.shape[:2])
    height, smoothness, move = (share * shorter for share in _ELASTIC[side][severity])
    sheared = _mapped(pixels, _corner_map(pixels.shape[:2], move, draw))
    wobble = [
        ndimage.gaussian_filter(draw.uniform(-1, 1, pixels.shape[:2]), smoothness, mode="reflect", truncate=3)
        for _ in range(2)
    ]
    places = np.indices(pixels.shape[:2]) + height * np.stack(wobble)
    return _looked_up(sheared, places, "reflect")


def pixelate(pixels: np.ndarray, severity: int, side: int, draw: np.random.Generator) -> np.ndarray:
    """Pixels averaged over coarser squares, then as many as before."""
    picture = _picture(pixels)
    share = _PIXELATE[side][severity]
    coarse = picture.resize([max(1, int(length * share)) for length in picture.size], Image.Resampling.BOX)
    return np.asarray(coarse.resize(picture.size, Image.Resampling.BOX)) / 255.0


def jpeg_compression(pixels: np.ndarray, severity: int, side: int, draw: np.random.Generator) -> np.ndarray:
    """Pixels stored as JPEG of low quality."""
    stored = BytesIO()
    _picture(pixels).save(stored, "JPEG", quality=_JPEG[side][severity])
    return np.asarray(Image.open(stored)) / 255.0


def _picture(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(np.rint(pixels * 255).astype(np.uint8))


def _corner_map(shape: tuple[int, ...], move: float, draw: np.random.Generator) -> np.ndarray:
    """The affine map (2, 3), in rows and columns, that moves three corners of a square each by up to `move` pixels."""
    centre = np.array(shape) / 2
    reach = max(min(shape) / 3, 1)
    corners = centre + reach * np.array([[1, 1], [-1, 1], [-1, -1]])
    moved = corners + draw.uniform(-move, move, corners.shape)
    return np.asarray(np.linalg.solve(np.c_[corners, np.ones(3)], moved).T)


def _mapped(pixels: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Pixels moved by an affine map (2, 3): what lands at q comes from its inverse at q; edges are mirrored."""
    back = np.linalg.inv(affine[:, :2])
    places = np.tensordot(back, np.indices(pixels.shape[:2]) - affine[:, 2, None, None], axes=1)
    return _looked_up(pixels, places, "mirror")


def _looked_up(pixels: np.ndarray, places: np.ndarray, edges: str) -> np.ndarray:
    """Pixels (H, W, 3) at places (2, H, W), rows and columns, bilinear."""
    channels = [ndimage.map_coordinates(channel, places, order=1, mode=edges) for channel in np.moveaxis(pixels, 2, 0)]
    return np.stack(channels, axis=2)
