"""Parts of images as squares of one size, in compiled code: for training, where PIL's resizing takes most of the time.

S is the side of what comes out; uint8, RGB. The filter is PIL's bilinear one, a triangle over all the pixels that a new
one covers, with weights of 13 bits and rows first: no byte differs from PIL's by more than 1.
"""

from __future__ import annotations

import math

import numba
import numpy as np

_BITS = 13  # of a weight: three sums of bytes times weights then fit into 64 bits, 21 each
_HALF = np.uint64((1 << 12) * (1 + (1 << 21) + (1 << 42)))  # in each of the three
_GREEN, _BLUE, _SHIFT, _BYTE = np.uint64(21), np.uint64(42), np.uint64(_BITS), np.uint64(255)


@numba.njit(nogil=True, cache=True)
def resize_part(image: np.ndarray, top: int, left: int, height: int, width: int, mirror: bool, out: np.ndarray) -> None:
    """Writes that part of `image`, (H, W, 3), into `out`, (S, S, 3), mirrored where asked. Both are contiguous."""
    S = out.shape[0]
    row = 3 * image.shape[1]
    pixels = image.reshape(-1)
    rows, down = _weights(height, S)
    columns, along = _weights(width, S)
    if mirror:
        columns, along = columns[::-1].copy(), along[:, ::-1].copy()
    sums, packed, totals = np.empty(3 * width, np.int32), np.empty(width, np.uint64), np.empty(S, np.uint64)
    for y in range(S):
        sums[:] = 1 << (_BITS - 1)
        for tap in range(len(down)):
            start = (top + rows[y] + tap) * row + 3 * left
            _add(pixels[start : start + 3 * width], np.int32(down[tap, y]), sums)
        _pack(sums, packed)
        _mix(packed, columns, along, totals)
        _unpack(totals, out[y].reshape(-1))


@numba.njit(nogil=True, cache=True)
def _weights(length: int, S: int) -> tuple[np.ndarray, np.ndarray]:
    """For each new pixel the first old one, (S,), and the weights of that and the next ones, (taps, S), in 1/2^13."""
    scale = length / S
    reach = max(scale, 1.0)
    taps = min(length, math.ceil(2 * reach))
    first = np.empty(S, np.int64)
    weights = np.empty((taps, S), np.uint64)
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
            if low <= old < high:
                seen += 1 - abs((old + 0.5 - centre) / reach)
            upto = round(seen / total * (1 << _BITS))  # sums are rounded, not weights: so these add up to one
            weights[tap, place] = upto - given
            given = upto
    return first, weights


@numba.njit(nogil=True, cache=True)
def _add(line: np.ndarray, weight: np.int32, sums: np.ndarray) -> None:
    for i in range(len(sums)):
        sums[i] += weight * np.int32(line[i])


@numba.njit(nogil=True, cache=True)
def _pack(sums: np.ndarray, packed: np.ndarray) -> None:
    """The three channels of a pixel into one number, 21 bits each."""
    for x in range(len(packed)):
        red, green, blue = sums[3 * x] >> _BITS, sums[3 * x + 1] >> _BITS, sums[3 * x + 2] >> _BITS
        packed[x] = np.uint64(red) | (np.uint64(green) << _GREEN) | (np.uint64(blue) << _BLUE)


@numba.njit(nogil=True, cache=True)
def _mix(packed: np.ndarray, first: np.ndarray, weights: np.ndarray, totals: np.ndarray) -> None:
    """Weighted sums of neighbours, all channels at once; two taps at a time, which halves the traffic of the sums."""
    taps, S = weights.shape
    totals[:] = _HALF
    for tap in range(0, taps - 1, 2):
        one, other = packed[tap:], packed[tap + 1 :]
        for x in range(S):
            totals[x] += one[first[x]] * weights[tap, x] + other[first[x]] * weights[tap + 1, x]
    if taps % 2:
        last = packed[taps - 1 :]
        for x in range(S):
            totals[x] += last[first[x]] * weights[taps - 1, x]


@numba.njit(nogil=True, cache=True)
def _unpack(totals: np.ndarray, out: np.ndarray) -> None:
    for x in range(len(totals)):
        out[3 * x] = (totals[x] >> _SHIFT) & _BYTE
        out[3 * x + 1] = (totals[x] >> (_GREEN + _SHIFT)) & _BYTE
        out[3 * x + 2] = (totals[x] >> (_BLUE + _SHIFT)) & _BYTE
