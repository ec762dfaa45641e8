"""Blur of a lens, of frosted glass, of motion, of zooming in.

All take pixels in [0, 1], float64 (H, W, 3), a severity from 0 to 4 and the published side.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

_DEFOCUS = {  # radius of the disk, deviation of what softens its edge; pixels
    32: ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
    64: ((0.5, 0.6), (1, 0.1), (1.5, 0.1), (2.5, 0.01), (3, 0.1)),
    224: ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
}
_GLASS = {  # deviation of the blur before and after, farthest neighbour (pixels), passes
    32: ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
    64: ((0.1, 1, 1), (0.5, 1, 1), (0.6, 1, 2), (0.7, 2, 1), (0.9, 2, 2)),
    224: ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
}
_MOTION = {  # radius and deviation of the trail, pixels
    32: ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
    64: ((10, 1), (10, 1.5), (10, 2), (10, 2.5), (12, 3)),
    224: ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
}
# steps of the zoom and how many there are, the first of factor 1; the published ranges are half open in floating
# point, so that two of them reach one step farther than the others
_SMALL_ZOOM = ((0.01, 7), (0.01, 12), (0.01, 16), (0.01, 21), (0.01, 26))
_ZOOM = {
    32: _SMALL_ZOOM,
    64: _SMALL_ZOOM,
    224: ((0.01, 12), (0.01, 16), (0.02, 11), (0.02, 13), (0.03, 11)),
}


def defocus(pixels: np.ndarray, severity: int, side: int, draw: np.random.Generator) -> np.ndarray:
    """Pixels out of focus: averaged over a disk with a softened edge."""
    kernel = disk(*_DEFOCUS[side][severity])
    return np.asarray(ndimage.correlate(pixels, kernel[:, :, None], mode="mirror"))


def glass(pixels: np.ndarray, severity: int, side: int, draw: np.random.Generator) -> np.ndarray:
    """Pixels blurred, shuffled within a small neighbourhood, blurred again.

    In each pass pixels take, one after the other from the lower right, the value of a drawn neighbour. The paper speaks
    of exchanging the two; the released code copies (what it exchanges are two views of one array), and so do we.
    """
    deviation, reach, passes = _GLASS[side][severity]
    blurred = gaussian_blurred(pixels, deviation)
    H, W = pixels.shape[:2]
    source = list(range(H * W))
    for _ in range(passes):
        _copy_neighbours(source, H, W, reach, draw)
    return gaussian_blurred(blurred.reshape(H * W, 3)[source].reshape(H, W, 3), deviation)


def motion(pixels: np.ndarray, severity: int, side: int, draw: np.random.Generator) -> np.ndarray:
    """Pixels moved along a line within 45 degrees of the horizontal."""
    radius, deviation = _MOTION[side][severity]
    return motion_blurred(pixels, radius, deviation, draw.uniform(-45, 45))


def zoom(pixels: np.ndarray, severity: int, side: int, draw: np.random.Generator) -> np.ndarray:
    """The mean of the pixels as they are and at a row of growing zooms."""
    step, count = _ZOOM[side][severity]
    views = sum(zoomed(pixels, 1 + step * place) for place in range(count))
    return np.asarray((pixels + views) / (count + 1))


def disk(radius: float, deviation: float) -> np.ndarray:
    """A disk softened by a small Gaussian (3 x 3 taps up to radius 8, then 5 x 5), summing to 1, square of odd side."""
    reach = 1 if radius <= 8 else 2
    edge = int(np.ceil(radius)) + reach
    place = np.arange(-edge, edge + 1)
    inside = (place[:, None] ** 2 + place**2 <= radius**2).astype(np.float64)
    taps = np.exp(-np.square(np.arange(-reach, reach + 1) / deviation) / 2)
    softened = ndimage.convolve(inside, np.outer(taps, taps), mode="constant")
    return np.asarray(softened / softened.sum())


def gaussian_blurred(pixels: np.ndarray, deviation: float) -> np.ndarray:
    """Pixels (H, W, 3) under a Gaussian of a deviation in pixels; beyond the edge the edge goes on."""
    return np.asarray(ndimage.gaussian_filter(pixels, (deviation, deviation, 0), mode="nearest"))


def motion_blurred(pixels: np.ndarray, radius: int, deviation: float, angle: float) -> np.ndarray:
    """Pixels (H, W, ...) that drag a trail behind them, half a Gaussian, at an angle in degrees.

    2 radius + 1 taps at whole pixels along the line, weighted exp(-i^2 / 2 deviation^2), as ImageMagick's motion blur
    has it; beyond the edge the edge goes on.
    """
    taps = np.arange(2 * radius + 1)
    weights = np.exp(-np.square(taps / deviation) / 2)
    weights /= weights.sum()
    down, right = np.sin(np.deg2rad(angle)), np.cos(np.deg2rad(angle))
    H, W = pixels.shape[:2]
    moved = np.zeros_like(pixels)
    for tap, weight in zip(taps, weights, strict=True):
        rows = np.clip(np.arange(H) + int(np.ceil(tap * down - 0.5)), 0, H - 1)
        columns = np.clip(np.arange(W) + int(np.ceil(tap * right - 0.5)), 0, W - 1)
        moved += weight * pixels[rows[:, None], columns]
    return moved


def zoomed(pixels: np.ndarray, factor: float) -> np.ndarray:
    """Pixels (H, W) or (H, W, 3) enlarged by a factor >= 1 about the centre, bilinear; the size stays."""
    if factor == 1:
        return pixels
    stretch = [1 / factor, 1 / factor, 1][: pixels.ndim]
    centre = [(length - 1) / 2 * (1 - part) for length, part in zip(pixels.shape, stretch, strict=True)]
    return np.asarray(ndimage.affine_transform(pixels, stretch, centre, order=1, mode="nearest"))


def _copy_neighbours(source: list[int], H: int, W: int, reach: int, draw: np.random.Generator) -> None:
    """One pass over the places where a neighbour lies inside: source[place] becomes that of a neighbour, in order."""
    rows, columns = (np.arange(length - reach, reach, -1) for length in (H, W))
    down, right = draw.integers(-reach, reach, size=(2, len(rows), len(columns)))
    targets = rows[:, None] * W + columns
    neighbours = targets + down * W + right
    for target, neighbour in zip(targets.ravel().tolist(), neighbours.ravel().tolist(), strict=True):
        source[target] = source[neighbour]
