"""Windows of images and squares cut out of them, in compiled code. B images, H rows, W columns; uint8, (B, H, W, 3)."""

from __future__ import annotations

import numba
import numpy as np

from nst_asr.vision.pixels import GREY


@numba.njit(nogil=True, cache=True)
def shifted(images: np.ndarray, corners: np.ndarray, flip: np.ndarray) -> np.ndarray:
    """Windows of the images' own size, uint8 (B, H, W, 3), mirrored afterwards where `flip` is true.

    corners: (B, 2) int64, row and column of the window's first pixel, which may lie outside the image: there it is
    black. flip: (B,) bool.
    """
    B, H, W, _ = images.shape
    out = np.empty_like(images)
    for b in range(B):
        down, right = corners[b, 0], corners[b, 1]
        first, last = max(0, -right), min(W, W - right)
        for y in range(H):
            row, line = y + down, out[b, y]
            if row < 0 or row >= H or first >= last:
                line[:] = 0
                continue
            line[:first], line[last:] = 0, 0
            line[first:last] = images[b, row, first + right : last + right]
            if flip[b]:
                _mirror(line)
    return out


@numba.njit(nogil=True, cache=True)
def cut(images: np.ndarray, corners: np.ndarray, side: int) -> None:
    """A grey square of `side` pixels put into each image, cut off at the borders; corners: (B, 2) int64."""
    B, H, W, _ = images.shape
    for b in range(B):
        top, left = corners[b, 0], corners[b, 1]
        for y in range(max(0, top), min(H, top + side)):
            images[b, y, max(0, left) : max(0, min(W, left + side))] = GREY


@numba.njit(nogil=True, cache=True)
def _mirror(line: np.ndarray) -> None:
    W = len(line)
    for x in range(W // 2):
        for c in range(3):
            line[x, c], line[W - 1 - x, c] = line[W - 1 - x, c], line[x, c]
