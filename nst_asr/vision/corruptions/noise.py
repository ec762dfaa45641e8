"""Noise of a sensor. All take pixels in [0, 1], float64 (H, W, 3), a severity from 0 to 4 and the published side."""

from __future__ import annotations

import numpy as np

_GAUSSIAN = {  # standard deviation
    32: (0.04, 0.06, 0.08, 0.09, 0.10),
    64: (0.04, 0.08, 0.12, 0.15, 0.18),
    224: (0.08, 0.12, 0.18, 0.26, 0.38),
}
_SHOT = {  # photons at full brightness
    32: (500, 250, 100, 75, 50),
    64: (250, 100, 50, 30, 15),
    224: (60, 25, 12, 5, 3),
}
_IMPULSE = {  # share of the values
    32: (0.01, 0.02, 0.03, 0.05, 0.07),
    64: (0.01, 0.02, 0.05, 0.08, 0.14),
    224: (0.03, 0.06, 0.09, 0.17, 0.27),
}


def gaussian(pixels: np.ndarray, severity: int, side: int, draw: np.random.Generator) -> np.ndarray:
    """Pixels with independent normal noise on each channel."""
    return with_gaussian(pixels, _GAUSSIAN[side][severity], draw)


def shot(pixels: np.ndarray, severity: int, side: int, draw: np.random.Generator) -> np.ndarray:
    """Pixels counted in photons, whose number is Poisson."""
    return with_shot(pixels, _SHOT[side][severity], draw)


def impulse(pixels: np.ndarray, severity: int, side: int, draw: np.random.Generator) -> np.ndarray:
    """Pixels of which a share of the values, channel by channel, is 0 or 1, either as likely (salt and pepper)."""
    hit, which = draw.random((2, *pixels.shape))
    return np.where(hit < _IMPULSE[side][severity], (which < 0.5).astype(np.float64), pixels)


def with_gaussian(pixels: np.ndarray, deviation: float, draw: np.random.Generator) -> np.ndarray:
    """Pixels with normal noise of a standard deviation."""
    return pixels + draw.normal(scale=deviation, size=pixels.shape)


def with_shot(pixels: np.ndarray, photons: float, draw: np.random.Generator) -> np.ndarray:
    """Pixels counted in photons, so many at full brightness."""
    return np.asarray(draw.poisson(pixels * photons) / photons)
