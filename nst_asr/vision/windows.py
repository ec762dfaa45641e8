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
    out = np.empty((B, H, W, 3), np.uint8)
    for b in range(B):
        down, right = corners[b, 0], corners[b, 1]
        first, last = max(0, -right), min(W, W - right)
        for y in range(H):
            if 0 <= y + down < H and first < last:
                part = images[b, y + down, first + right : last + right].reshape(-1)
                if flip[b]:
                    _fill_mirrored(out[b, y].reshape(-1), W - last, part)
                else:
                    _fill(out[b, y].reshape(-1), first, part)
            else:
                out[b, y] = 0
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
def _fill(line: np.ndarray, first: int, part: np.ndarray) -> None:
    """The line, black but for `part` from pixel `first`."""
    inner = line[3 * first : 3 * first + len(part)]
    line[: 3 * first], line[3 * first + len(part) :] = 0, 0
    for i in range(len(part)):
        inner[i] = part[i]


@numba.njit(nogil=True, cache=True)
def _fill_mirrored(line: np.ndarray, first: int, part: np.ndarray) -> None:
    """The line, black but for the mirror image of `part` from pixel `first`."""
    inner = line[3 * first : 3 * first + len(part)]
    line[: 3 * first], line[3 * first + len(part) :] = 0, 0
    for i in range(0, len(part), 3):
        place = len(part) - 3 - i
        inner[place], inner[place + 1], inner[place + 2] = part[i], part[i + 1], part[i + 2]
