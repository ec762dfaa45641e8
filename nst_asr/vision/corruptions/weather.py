"""Snow, frost, fog and light.

All take pixels in [0, 1], float64 (H, W, 3), a severity from 0 to 4 and the published side.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from nst_asr.vision.corruptions.blur import motion_blurred, zoomed

# mean and deviation of the flakes, their size, the least brightness of one, radius and deviation of their fall
# (pixels), what stays of the picture
_SNOW = {
    32: (
        (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
        (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
        (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
        (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
        (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
    ),
    64: (
        (0.1, 0.2, 1, 0.6, 8, 3, 0.8),
        (0.1, 0.2, 1, 0.5, 10, 4, 0.8),
        (0.15, 0.3, 1.75, 0.55, 10, 4, 0.7),
        (0.25, 0.3, 2.25, 0.6, 12, 6, 0.65),
        (0.3, 0.3, 1.25, 0.65, 14, 12, 0.6),
    ),
    224: (
        (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
        (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
        (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
        (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
        (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
    ),
}
_FROST = {  # what stays of the picture, how much frost is laid over it
    32: ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)),
    64: ((1, 0.3), (0.9, 0.4), (0.8, 0.45), (0.75, 0.5), (0.7, 0.55)),
    224: ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
}
_FOG = {  # density, how fast its finer shapes fade
    32: ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
    64: ((0.4, 3), (0.7, 3), (1, 2.5), (1.5, 2), (2, 1.75)),
    224: ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
}
_BRIGHTNESS = {  # added to the value of hue, saturation, value
    32: (0.05, 0.1, 0.15, 0.2, 0.3),
    64: (0.1, 0.2, 0.3, 0.4, 0.5),
    224: (0.1, 0.2, 0.3, 0.4, 0.5),
}
_LUMA = np.array([0.299, 0.587, 0.114])
_ICE = np.array([0.86, 0.94, 1.0])  # the tint of frost
_NEEDLES = 6  # directions of the crystals of one length
_COVERED = 0.12  # about the share of the pane under crystals of one direction
_FINEST = 128  # across a pane of frost, in crystals


def snow(pixels: np.ndarray, severity: int, side: int, draw: np.random.Generator) -> np.ndarray:
    """Pixels whitened, behind two layers of falling flakes, one the other turned by 180 degrees."""
    mean, deviation, size, least, radius, fall, kept = _SNOW[side][severity]
    layer = flakes(pixels.shape[:2], mean, deviation, size, least, draw)
    return snowed(pixels, motion_blurred(layer, int(radius), fall, draw.uniform(-135, -45)), kept)


def frost(pixels: np.ndarray, severity: int, side: int, draw: np.random.Generator) -> np.ndarray:
    """Pixels behind a frosted pane.

    The original lays photographs of frost over the picture; here the frost is made (`frost_pane`), with the published
    weights. Its mean brightness and its coarse shapes are like theirs, its crystals are simpler.
    """
    kept, laid = _FROST[side][severity]
    return np.asarray(kept * pixels + laid * frost_pane(pixels.shape[:2], draw))


def fog(pixels: np.ndarray, severity: int, side: int, draw: np.random.Generator) -> np.ndarray:
    """Pixels under fog of uneven density, then as bright at most as they were."""
    density, fading = _FOG[side][severity]
    H, W = pixels.shape[:2]
    brightest = pixels.max()
    fogged = pixels + density * plasma(max(H, W), fading, draw)[:H, :W, None]
    return np.asarray(fogged * brightest / (brightest + density))


def brightness(pixels: np.ndarray, severity: int, side: int, draw: np.random.Generator) -> np.ndarray:
    """Pixels in brighter light, of the same hue and saturation."""
    return brightened(pixels, _BRIGHTNESS[side][severity])


def flakes(
    shape: tuple[int, ...], mean: float, deviation: float, size: float, least: float, draw: np.random.Generator
) -> np.ndarray:
    """Snow at rest, (H, W) in [0, 1]: normal noise, enlarged, of which what is darker than `least` is no flake."""
    layer = zoomed(draw.normal(mean, deviation, shape), size)
    return np.clip(np.where(layer < least, 0, layer), 0, 1)


def snowed(pixels: np.ndarray, layer: np.ndarray, kept: float) -> np.ndarray:
    """Pixels (H, W, 3) behind a layer (H, W) of flakes and the same turned by 180 degrees, `kept` not whitened."""
    grey = (pixels @ _LUMA)[:, :, None]
    whitened = kept * pixels + (1 - kept) * np.maximum(pixels, grey * 1.5 + 0.5)
    return np.asarray(whitened + (layer + layer[::-1, ::-1])[:, :, None])


def brightened(pixels: np.ndarray, added: float) -> np.ndarray:
    """Pixels (H, W, 3) whose value (of hue, saturation, value) is larger by `added`, clipped to [0, 1].

    At the same hue and saturation the channels are in proportion to the value; black becomes grey.
    """
    value = pixels.max(axis=2, keepdims=True)
    wanted = np.clip(value + added, 0, 1)
    black = value == 0
    return np.asarray(np.where(black, wanted, pixels * wanted / np.where(black, 1, value)))


def plasma(side: int, fading: float, draw: np.random.Generator) -> np.ndarray:
    """A fractal height map from 0 to 1 that wraps around, square, at least `side` wide (a power of two, 2 or more).

    Midpoints of squares, then of their edges, are the mean of their four neighbours and an even draw whose width
    falls by fading^2 from one level to the next (Fournier, Fussell and Carpenter 1982).
    """
    heights, width = np.zeros((1, 1)), 1.0
    while len(heights) < max(side, 2):
        heights = _refined(heights, width, draw)
        width /= fading**2
    heights = heights - heights.min()
    return np.asarray(heights / heights.max())


def frost_pane(shape: tuple[int, ...], draw: np.random.Generator) -> np.ndarray:
    """Made frost, (H, W, 3) in [0, 1]: needles of ice, long and short, dense in patches, a little blue."""
    longest = max(shape)
    thick = -(-longest // _FINEST)  # pixels across a needle
    side = -(-longest // thick)
    patches = plasma(side, 1.5, draw)[:side, :side]
    needles = sum(_needles(side, side // part + 2, draw) for part in (8, 20))
    ice = 0.05 + 0.4 * patches + needles * (0.05 + 0.5 * patches)
    grown = np.repeat(np.repeat(ice, thick, axis=0), thick, axis=1)[: shape[0], : shape[1]]
    softened = ndimage.gaussian_filter(grown, 0.6 * (thick - 1), mode="nearest")
    return np.asarray(np.clip(softened, 0, 1)[:, :, None] * _ICE)


def _needles(side: int, length: int, draw: np.random.Generator) -> np.ndarray:
    """Streaks of one length in a few directions, (side, side) in [0, 1]: the brightest start at 1 and fade."""
    wide = side + 4 * length  # beyond the edge needles grow too
    needles = np.zeros((wide, wide))
    for angle in draw.uniform(0, 360, _NEEDLES):
        seeds = (draw.random((wide, wide)) < _COVERED / length).astype(np.float64)
        needles = np.maximum(needles, motion_blurred(seeds, length, length / 2, angle))
    inside = needles[2 * length :, 2 * length :][:side, :side]
    return np.asarray(np.clip(inside * length / 1.6, 0, 1))


def _refined(heights: np.ndarray, width: float, draw: np.random.Generator) -> np.ndarray:
    """The map (N, N) at twice the resolution, (2N, 2N); all neighbours are taken around the edge."""
    N = len(heights)
    right, below = np.roll(heights, -1, axis=1), np.roll(heights, -1, axis=0)
    jitter = draw.uniform(-width, width, (3, N, N))
    middle = (heights + right + below + np.roll(right, -1, axis=0)) / 4 + jitter[0]
    fine = np.empty((2 * N, 2 * N))
    fine[::2, ::2], fine[1::2, 1::2] = heights, middle
    fine[::2, 1::2] = (heights + right + middle + np.roll(middle, 1, axis=0)) / 4 + jitter[1]
    fine[1::2, ::2] = (heights + below + middle + np.roll(middle, 1, axis=1)) / 4 + jitter[2]
    return fine
