"""Parts of images as squares of one size, in compiled code: for training, where PIL's resizing takes most of the time.

H, W the image, S the side of what comes out; uint8, RGB. The arithmetic is PIL's bilinear filter, a triangle over all the
pixels that a new one covers, with weights of 13 bits and rows first: no byte differs from PIL's by more than 1.
"""

from __future__ import annotations

import numba
import numpy as np

_BITS = 13  # of a weight; three sums of bytes times weights then fit into 64 bits, 21 each
_HALF = 1 << (_BITS - 1)
_HALVES = np.uint64(_HALF * (1 + (1 << 21) + (1 << 42)))
_GREEN, _BLUE, _SHIFT, _BYTE = np.uint64(21), np.uint64(42), np.uint64(_BITS), np.uint64(255)


@numba.njit(nogil=True, cache=True)
def resize_part(image: np.ndarray, top: int, left: int, height: int, width: int, mirror: bool, out: np.ndarray) -> None:
    """Writes the part of `image`, (H, W, 3), into `out`, (S, S, 3), mirrored where asked."""
    S = out.shape[0]
    row = 3 * image.shape[1]
    pixels = image.reshape(-1)
    rows, down = _weights(height, S)
    columns, along = _weights(width, S)
    sums = np.empty(3 * width, np.int32)
    packed = np.empty(width, np.uint64)
    for y in range(S):
        sums[:] = _HALF
        for tap in range(down.shape[1]):
            start = (top + rows[y] + tap) * row + 3 * left
            _add(pixels[start : start + 3 * width], np.int32(down[y, tap]), sums)
        _pack(sums, packed)
        _mix(packed, columns, along, mirror, out[y].reshape(-1))


@numba.njit(nogil=True, cache=True)
def _weights(length: int, S: int) -> tuple[np.ndarray, np.ndarray]:
    """For each new pixel the first old one, (S,), and the weights of that and the next, (S, taps), in 1/2^13."""
    scale = length / S
    reach = max(scale, 1.0)
    taps = min(length, int(np.ceil(reach)) * 2 + 1)
    first = np.empty(S, np.int64)
    weights = np.empty((S, taps), np.uint64)
    for place in range(S):
        centre = (place + 0.5) * scale
        low, high = max(0, int(centre - reach + 0.5)), min(length, int(centre + reach + 0.5))
        first[place] = min(low, length - taps)
        total = 0.0
        for old in range(low, high):
            total += 1 - abs((old + 0.5 - centre) / reach)
        seen, given = 0.0, 0
        for tap in range(taps):
            old = first[place] + tap
            seen += max(1 - abs((old + 0.5 - centre) / reach), 0.0) if low <= old < high else 0.0
            # sums are rounded, not weights: so they add up to one
            weights[place, tap] = round(seen / total * 2 * _HALF) - given
            given += weights[place, tap]
    return first, weights


@numba.njit(nogil=True, cache=True)
def _add(line: np.ndarray, weight: int, sums: np.ndarray) -> None:
    for i in range(len(sums)):
        sums[i] += weight * np.int32(line[i])


@numba.njit(nogil=True, cache=True)
def _pack(sums: np.ndarray, packed: np.ndarray) -> None:
    """The three channels of a pixel into one number, 21 bits each."""
    for x in range(len(packed)):
        red, green, blue = sums[3 * x] >> _BITS, sums[3 * x + 1] >> _BITS, sums[3 * x + 2] >> _BITS
        packed[x] = np.uint64(red) | (np.uint64(green) << _GREEN) | (np.uint64(blue) << _BLUE)


@numba.njit(nogil=True, cache=True)
def _mix(packed: np.ndarray, first: np.ndarray, weights: np.ndarray, mirror: bool, out: np.ndarray) -> None:
    S, taps = weights.shape
    for x in range(S):
        total = _HALVES
        for tap in range(taps):
            total += packed[first[x] + tap] * weights[x, tap]
        place = 3 * (S - 1 - x if mirror else x)
        out[place] = (total >> _SHIFT) & _BYTE
        out[place + 1] = (total >> (_GREEN + _SHIFT)) & _BYTE
        out[place + 2] = (total >> (_BLUE + _SHIFT)) & _BYTE
