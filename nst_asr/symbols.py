"""Texts as integers, one for each word or character: equal exactly where these are, never by chance of a hash."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numba
import numpy as np

Unit = Literal["word", "character"]
_Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]
_CODE_POINTS = 0x110000
_ODD = 0x1E3779B97F4A7C15  # the golden ratio's, odd: multiplying by it spreads low bits to high ones


@dataclass(frozen=True)
class Symbols:
    """The symbols of some texts.

    numbers: int32 (symbols,), text after text. ends: int64 (texts,), the place in `numbers` where each text ends.
    kinds: a number above all of `numbers`. places: int64 (kinds, 2), where in `text` each word stands; None where a
    number is a character's code point.
    """

    text: str
    numbers: np.ndarray
    ends: np.ndarray
    kinds: int
    places: np.ndarray | None

    def name(self, number: int) -> str | None:
        """The word or character that a number stands for; None for -1, which stands for none."""
        if number < 0:
            return None
        if self.places is None:
            return chr(number)
        start, stop = self.places[number]
        return self.text[start:stop]


def symbols(texts: Sequence[str], unit: Unit) -> Symbols:
    """The words of the texts, or their characters, as integers.

    Words are what stands between whitespace (Unicode's White_Space, `\\s` of most regular expressions). Characters are
    code points, counted in the words joined by single spaces, which count too. Raises TypeError for what is no text,
    ValueError for another unit.
    """
    if unit not in get_args(Unit):
        raise ValueError(f"no unit {unit!r}: they are {' or '.join(get_args(Unit))}")
    text = joined(texts)
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.int32)
    ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)))
    if unit == "character":
        numbers, ends = _characters(points, ends)
        return Symbols(text, numbers, ends, _CODE_POINTS, None)
    numbers, ends, places = _words(points, ends)
    return Symbols(text, numbers, ends, len(places), places)


def joined(texts: Sequence[str]) -> str:
    """The texts as one. Raises TypeError for what is no text."""
    try:
        return "".join(texts)
    except TypeError:
        odd = next(each for each in texts if not isinstance(each, str))
        raise TypeError(f"{odd!r} among the texts to align: an empty text is ''") from None


@numba.njit(cache=True)
def _is_space(point: int) -> bool:  # pragma: no cover - compiled
    """Whether a code point has the property White_Space (Unicode 16, PropList.txt)."""
    if 0x20 < point < 0x85:
        return False
    if point < 0x2000:
        return 0x09 <= point <= 0x0D or point == 0x20 or point == 0x85 or point == 0xA0 or point == 0x1680
    return point <= 0x200A or 0x2028 <= point <= 0x2029 or point == 0x202F or point == 0x205F or point == 0x3000


@numba.njit(cache=True)
def _characters(points: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # pragma: no cover - compiled
    numbers, found_ends = np.empty(len(points), np.int32), np.empty(len(ends), np.int64)
    found, start = 0, 0
    for text in range(len(ends)):
        first, gap = found, False
        for place in range(start, ends[text]):
            if _is_space(points[place]):
                gap = found > first
                continue
            if gap:
                numbers[found] = 0x20
                found, gap = found + 1, False
            numbers[found] = points[place]
            found += 1
        found_ends[text], start = found, ends[text]
    return numbers[:found], found_ends


@numba.njit(cache=True)
def _words(points: np.ndarray, ends: np.ndarray) -> _Arrays:  # pragma: no cover - compiled
    """A number for each word, the ends of the texts among them, and where each number's word first stood.

    The words met so far are in an open-addressed table: of each slot the word's key and number. Up to 9 letters of
    ASCII, at 7 bits a letter, are the key; of other words it is a hash, and they are compared letter by letter.
    """
    starts, stops, found_ends = _spans(points, ends)
    slots = 1
    while slots < 2 * len(starts):
        slots *= 2
    keys, held = np.empty(slots, np.int64), np.zeros(slots, np.int32)  # 0: free, else 1 + the number
    numbers, places, kinds = np.empty(len(starts), np.int32), np.empty((len(starts), 2), np.int64), 0
    for word in range(len(starts)):
        start, stop, key, odd = starts[word], stops[word], 0, 0
        for place in range(start, stop):
            point = points[place]
            key, odd = (key << 7) | point, odd | point | (point - 1)
        if odd & ~127 or stop - start > 9:  # not all of them from 1 to 127
            key = _hash(points, start, stop)
        slot = ((key * _ODD) >> 32) & (slots - 1)
        while held[slot]:
            number = held[slot] - 1
            if keys[slot] == key and (key >= 0 or _same(points, places[number, 0], places[number, 1], start, stop)):
                break
            slot = (slot + 1) & (slots - 1)
        if not held[slot]:
            places[kinds, 0], places[kinds, 1] = start, stop
            kinds += 1
            keys[slot], held[slot] = key, kinds
        numbers[word] = held[slot] - 1
    return numbers, found_ends, places[:kinds]


@numba.njit(cache=True)
def _spans(points: np.ndarray, ends: np.ndarray) -> _Arrays:  # pragma: no cover - compiled
    """Where the words start and stop, and how many there are up to the end of each text."""
    most = (len(points) + len(ends)) // 2 + 1
    starts, stops, found_ends = np.empty(most, np.int64), np.empty(most, np.int64), np.empty(len(ends), np.int64)
    found = 0
    for text in range(len(ends)):
        inside = False
        for place in range(ends[text - 1] if text else 0, ends[text]):
            space = _is_space(points[place])
            if inside and space:
                stops[found - 1], inside = place, False
            elif not inside and not space:
                starts[found], found, inside = place, found + 1, True
        if inside:
            stops[found - 1] = ends[text]
        found_ends[text] = found
    return starts[:found], stops[:found], found_ends


@numba.njit(cache=True)
def _hash(points: np.ndarray, start: int, stop: int) -> int:  # pragma: no cover - compiled
    """Below 0, for words that are no keys themselves."""
    key = 0
    for place in range(start, stop):
        key = (key ^ points[place]) * _ODD
        key ^= (key >> 29) & 0x7FFFFFFFF
    return ~(key & 0x7FFFFFFFFFFFFFFF)


@numba.njit(cache=True)
def _same(points: np.ndarray, first: int, last: int, start: int, stop: int) -> bool:  # pragma: no cover - compiled
    if last - first != stop - start:
        return False
    while first < last and points[first] == points[start]:
        first, start = first + 1, start + 1
    return first == last
