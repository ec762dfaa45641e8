"""The fourteen operations of RandAugment in compiled code, image after image.

Images are uint8, (B, H, W, 3); within a kernel one image is a flat run of H * W * 3 bytes. Everything random is drawn
by the caller. Results are those of PIL (ImageOps, ImageEnhance, Image.transform without interpolation), byte for byte.

All kernels are in this one file: numba's cache of compiled code notices a change in the file of the function that is
called, not in the files of what that function calls.
"""

from __future__ import annotations

import math

import numba
import numpy as np

GREY = 128  # what comes in where geometry leaves a place free

# operations by number. Those below ROTATE map each byte by a table of its channel.
IDENTITY, AUTOCONTRAST, EQUALIZE, SOLARIZE, POSTERIZE, CONTRAST, BRIGHTNESS = range(7)
ROTATE, SHEAR_X, SHEAR_Y, TRANSLATE_X, TRANSLATE_Y, COLOR, SHARPNESS = range(7, 14)

_FIXED = 65536  # places are held in 1/65536 pixel


@numba.njit(nogil=True, cache=True)
def augment(images: np.ndarray, operations: np.ndarray, arguments: np.ndarray) -> None:
    """The images changed in place by their operations, one after the other.

    operations: (B, N) int64, numbers as above. arguments: (B, N) float64, by operation: a factor (contrast, brightness,
    color, sharpness), the bits that are kept (posterize), the first value inverted (solarize), degrees (rotate), the
    tangent (shear), a share of the side (translate); the others have none.
    """
    B, H, W, _ = images.shape
    scratch = np.empty(H * W * 3, np.uint8)
    tables = np.empty((3, 256), np.uint8)
    counts = np.empty((2, 3, 256), np.int64)
    for b in range(B):
        _augment(images[b].reshape(-1), scratch, H, W, operations[b], arguments[b], tables, counts)


@numba.njit(nogil=True, cache=True)
def _augment(
    image: np.ndarray,
    scratch: np.ndarray,
    H: int,
    W: int,
    operations: np.ndarray,
    arguments: np.ndarray,
    tables: np.ndarray,
    counts: np.ndarray,
) -> None:
    """Tables are composed and applied when something else needs the pixels, at the latest at the end."""
    here, there = image, scratch
    pending, aside = False, False
    for n in range(len(operations)):
        operation, argument = operations[n], arguments[n]
        if operation == IDENTITY:
            continue
        if operation < ROTATE:
            if not pending:
                _reset(tables)
            _compose(here, operation, argument, tables, counts)
            pending = True
            continue
        if operation < COLOR:
            _transform(here, there, H, W, operation, argument, tables, pending)
        else:
            if pending:
                _apply(here, here, tables)
            if operation == COLOR:
                _colour(here, there, np.float32(argument))
            else:
                _sharpen(here, there, H, W, np.float32(argument))
        here, there = there, here
        pending, aside = False, not aside
    if pending:
        _apply(here, image, tables)
    elif aside:
        _copy(here, image)


@numba.njit(nogil=True, cache=True)
def _copy(source: np.ndarray, out: np.ndarray) -> None:
    for i in range(len(out)):  # out[:] = source takes ten times as long: numba provides for overlaps
        out[i] = source[i]


@numba.njit(nogil=True, cache=True)
def _reset(tables: np.ndarray) -> None:
    for value in range(256):
        for c in range(3):
            tables[c, value] = value


@numba.njit(nogil=True, cache=True)
def _apply(source: np.ndarray, out: np.ndarray, tables: np.ndarray) -> None:
    red, green, blue = tables[0], tables[1], tables[2]
    for p in range(len(source) // 3):
        out[3 * p] = red[source[3 * p]]
        out[3 * p + 1] = green[source[3 * p + 1]]
        out[3 * p + 2] = blue[source[3 * p + 2]]


@numba.njit(nogil=True, cache=True)
def _compose(image: np.ndarray, operation: int, argument: float, tables: np.ndarray, counts: np.ndarray) -> None:
    """The tables followed by one more operation; `image` is what it was before them."""
    step = np.empty(256, np.uint8)
    if operation in (AUTOCONTRAST, EQUALIZE):
        _count(image, tables, counts)
    else:
        _same_for_all(step, operation, argument, _grey_mean(image, tables) if operation == CONTRAST else 0)
    for c in range(3):
        if operation == AUTOCONTRAST:
            _stretch(counts[0, c], step)
        elif operation == EQUALIZE:
            _even_out(counts[0, c], step)
        for value in range(256):
            tables[c, value] = step[tables[c, value]]


@numba.njit(nogil=True, cache=True)
def _same_for_all(step: np.ndarray, operation: int, argument: float, mean: int) -> None:
    mask = 255 & ~((1 << (8 - int(argument))) - 1) if operation == POSTERIZE else 255
    for value in range(256):
        if operation == SOLARIZE:
            step[value] = value if value < argument else 255 - value
        elif operation == POSTERIZE:
            step[value] = value & mask
        else:
            step[value] = _blend(np.float32(mean), np.float32(value), np.float32(argument))


@numba.njit(nogil=True, cache=True)
def _blend(low: np.float32, high: np.float32, factor: np.float32) -> np.uint8:
    """low + factor (high - low), cut to a byte; all in float32, as PIL has it."""
    value = low + factor * (high - low)
    value = value if value > np.float32(0) else np.float32(0)
    return np.uint8(np.int32(value if value < np.float32(255) else np.float32(255)))


@numba.njit(nogil=True, cache=True)
def _grey(red: int, green: int, blue: int) -> np.int32:
    """Luma of ITU-R 601-2 in 1/65536, rounded, as PIL's mode L."""
    return (np.int32(red) * 19595 + np.int32(green) * 38470 + np.int32(blue) * 7471 + 32768) >> 16


@numba.njit(nogil=True, cache=True)
def _grey_mean(image: np.ndarray, tables: np.ndarray) -> int:
    """The mean luma of the image seen through the tables, rounded half up."""
    red, green, blue = tables[0], tables[1], tables[2]
    total = np.int64(0)
    pixels = len(image) // 3
    for p in range(pixels):
        total += _grey(red[image[3 * p]], green[image[3 * p + 1]], blue[image[3 * p + 2]])
    return int(total / pixels + 0.5)


@numba.njit(nogil=True, cache=True)
def _count(image: np.ndarray, tables: np.ndarray, counts: np.ndarray) -> None:
    """Into counts[0], shape (3, 256), how often each value occurs in the image seen through the tables."""
    counts[:] = 0
    raw = counts[1]
    for p in range(len(image) // 3):
        raw[0, image[3 * p]] += 1
        raw[1, image[3 * p + 1]] += 1
        raw[2, image[3 * p + 2]] += 1
    for c in range(3):
        for value in range(256):
            counts[0, c, tables[c, value]] += raw[c, value]


@numba.njit(nogil=True, cache=True)
def _stretch(counts: np.ndarray, step: np.ndarray) -> None:
    """The table that takes the lowest value to 0 and the highest to 255 (autocontrast)."""
    found = np.flatnonzero(counts)
    low, high = found[0], found[-1]
    scale = 255.0 / (high - low) if high > low else 1.0
    offset = -low * scale if high > low else 0.0
    for value in range(256):
        step[value] = int(min(max(value * scale + offset, 0.0), 255.0))


@numba.njit(nogil=True, cache=True)
def _even_out(counts: np.ndarray, step: np.ndarray) -> None:
    """The table that makes the values' shares even (equalize)."""
    width = (counts.sum() - counts[np.flatnonzero(counts)[-1]]) // 255
    seen = width // 2
    for value in range(256):
        step[value] = min(seen // width, 255) if width else value
        seen += counts[value]


@numba.njit(nogil=True, cache=True)
def _colour(source: np.ndarray, out: np.ndarray, factor: np.float32) -> None:
    for p in range(len(source) // 3):
        grey = np.float32(_grey(source[3 * p], source[3 * p + 1], source[3 * p + 2]))
        out[3 * p] = _blend(grey, np.float32(source[3 * p]), factor)
        out[3 * p + 1] = _blend(grey, np.float32(source[3 * p + 1]), factor)
        out[3 * p + 2] = _blend(grey, np.float32(source[3 * p + 2]), factor)


@numba.njit(nogil=True, cache=True)
def _sharpen(source: np.ndarray, out: np.ndarray, H: int, W: int, factor: np.float32) -> None:
    """Blended with its smoothing by ((1 1 1) (1 5 1) (1 1 1)) / 13; the outermost pixels stay."""
    _copy(source, out)
    row = 3 * W
    inner = row - 6
    for y in range(1, H - 1):
        above, line, below = source[(y - 1) * row :], source[y * row :], source[(y + 1) * row :]
        target = out[y * row + 3 :]
        for i in range(inner):
            around = np.int32(above[i]) + above[i + 3] + above[i + 6] + line[i] + line[i + 6]
            around += np.int32(below[i]) + below[i + 3] + below[i + 6]
            smooth = (around + 5 * np.int32(line[i + 3]) + 6) // 13  # a thirteenth is never half way
            target[i] = _blend(np.float32(smooth), np.float32(line[i + 3]), factor)


@numba.njit(nogil=True, cache=True)
def _transform(
    source: np.ndarray,
    out: np.ndarray,
    H: int,
    W: int,
    operation: int,
    argument: float,
    tables: np.ndarray,
    mapped: bool,
) -> None:
    """The image moved without interpolation, after the tables where `mapped`; what comes from outside it is grey.

    The pixel at (x, y) comes from (ax x + bx y + cx, ay x + by y + cy), in fixed point of 16 bits.
    """
    ax, bx, cx, ay, by, cy = _matrix(operation, argument, H, W)
    for y in range(H):
        x_start, y_start = cx + y * bx, cy + y * by
        x_low, x_high = _inside(x_start, ax, W, W)
        y_low, y_high = _inside(y_start, ay, H, W)
        low = max(x_low, y_low)
        high = max(low, min(x_high, y_high))
        line = out[y * W * 3 : (y + 1) * W * 3]
        line[: 3 * low] = GREY
        line[3 * high :] = GREY
        part = line[3 * low : 3 * high]
        if ax == _FIXED and ay == 0 and high > low:
            first = ((y_start >> 16) * W + (x_start >> 16) + low) * 3
            _copy(source[first : first + len(part)], part)
        else:
            _pick(source, part, W, x_start + low * ax, y_start + low * ay, ax, ay)
        if mapped:
            _apply(part, part, tables)


@numba.njit(nogil=True, cache=True)
def _pick(source: np.ndarray, part: np.ndarray, W: int, x: int, y: int, ax: int, ay: int) -> None:
    for p in range(len(part) // 3):
        place = np.uint64(((y >> 16) * W + (x >> 16)) * 3)
        part[3 * p] = source[place]
        part[3 * p + 1] = source[place + np.uint64(1)]
        part[3 * p + 2] = source[place + np.uint64(2)]
        x += ax
        y += ay


@numba.njit(nogil=True, cache=True)
def _inside(start: int, step: int, limit: int, count: int) -> tuple[int, int]:
    """The range of places x in [0, count) at which start + x step lies in [0, limit), in whole pixels."""
    end = limit * _FIXED
    if step == 0:
        return (0, count) if 0 <= start < end else (0, 0)
    if step < 0:
        start, step = end - 1 - start, -step
    return min(count, max(0, -(start // step))), min(count, max(0, -((start - end) // step)))


@numba.njit(nogil=True, cache=True)
def _matrix(operation: int, argument: float, H: int, W: int) -> tuple[int, int, int, int, int, int]:
    ax, bx, cx, ay, by, cy = 1.0, 0.0, 0.0, 0.0, 1.0, 0.0
    if operation == ROTATE:  # counterclockwise about the middle
        angle = -math.radians(argument % 360.0)
        ax, bx = math.cos(angle), math.sin(angle)
        ay, by = -bx, ax
        cx = W / 2 - ax * W / 2 - bx * H / 2
        cy = H / 2 - ay * W / 2 - by * H / 2
    elif operation == SHEAR_X:
        bx = argument
    elif operation == SHEAR_Y:
        ay = argument
    elif operation == TRANSLATE_X:
        cx = math.floor(argument * W + 0.5)  # whole pixels: nothing is left to fixed point
    else:
        cy = math.floor(argument * H + 0.5)
    cx, cy = cx + ax * 0.5 + bx * 0.5, cy + ay * 0.5 + by * 0.5  # a pixel's place is its middle
    return _fix(ax), _fix(bx), _fix(cx), _fix(ay), _fix(by), _fix(cy)


@numba.njit(nogil=True, cache=True)
def _fix(value: float) -> int:
    return math.floor(value * _FIXED + 0.5)
