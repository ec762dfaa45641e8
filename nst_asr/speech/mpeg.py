"""How long an mp3 file is: by the tag that its encoder left, or by walking from frame to frame.

An mp3 file is a row of frames that each know only their own length (ISO 11172-3, section 2.4.1; ISO 13818-3 for the
lower rates). Encoders may put the number of frames into a first, silent frame, as a tag named Xing or Info. Where there
is none libsndfile estimates the length from the first frames, which was off by 47 % on files of variable bit rate.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from functools import lru_cache

from nst_asr.stored import Place

_KILOBITS_1 = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)  # layer III of MPEG-1
_KILOBITS_2 = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)  # layer III of MPEG-2 and 2.5
_RATES = (44100, 48000, 32000)  # of MPEG-1
_DIVISORS = {3: 1, 2: 2, 0: 4}  # of these rates by the version's two bits: MPEG-1, 2 and 2.5


@dataclass(frozen=True)
class Frame:
    """What the four bytes at the beginning of a frame say."""

    bytes: int  # with these four
    samples: int  # per channel
    side: int  # bytes of side information, which a tag lies behind


@lru_cache(maxsize=4096)
def frame(header: bytes) -> Frame | None:
    """The frame of layer III that begins with these four bytes; None where none does."""
    word = int.from_bytes(header, "big")
    version, layer, bits, rate = word >> 19 & 3, word >> 17 & 3, word >> 12 & 15, word >> 10 & 3
    if word >> 21 != 0x7FF or version == 1 or layer != 1 or bits in (0, 15) or rate == 3:
        return None
    first, mono = version == 3, word >> 6 & 3 == 3
    kilobits = (_KILOBITS_1 if first else _KILOBITS_2)[bits - 1]
    samples = 1152 if first else 576
    size = samples // 8 * kilobits * 1000 // (_RATES[rate] // _DIVISORS[version]) + (word >> 9 & 1)
    return Frame(size, samples, (17 if mono else 32) if first else (9 if mono else 17))


@lru_cache(maxsize=256)  # rows of one long file ask again and again, and walking an hour takes a while
def walked(place: Place) -> int | None:
    """Samples per channel of an mp3 file without a tag, by its whole frames; None where a tag counts them.

    Raises ValueError for a file that lacks bytes which its tag counted, and for one without frames of layer III.
    """
    with place.file.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        end = place.offset + place.length
        start = _next(content, _after_tags(content, place.offset), end)
        first = frame(content[start : start + 4])
        if first is None:
            raise ValueError("no frames of MPEG layer III")
        tag = start + 4 + first.side
        if content[tag : tag + 4] in (b"Xing", b"Info"):
            _refuse_cut(content[tag + 4 : tag + 16], end - start)
            return None
        return _walk(content, start, end)


def _after_tags(content: mmap.mmap, at: int) -> int:
    """The byte behind all ID3v2 tags (id3.org, ID3v2.4.0 section 3.1: 28 bits in four bytes)."""
    while content[at : at + 3] == b"ID3":
        head = content[at : at + 10].ljust(10, b"\0")
        size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        at += 10 + size + (10 if head[5] & 16 else 0)
    return at


def _refuse_cut(tag: bytes, present: int) -> None:
    """ValueError where the tag counts more bytes than there are; not every tag counts them."""
    flags = int.from_bytes(tag[:4], "big")
    place = 8 if flags & 1 else 4
    announced = int.from_bytes(tag[place : place + 4], "big") if flags & 2 else 0
    if announced > present:
        raise ValueError(f"truncated: {present} bytes of sound of {announced}")


def _walk(content: mmap.mmap, at: int, end: int) -> int:
    """Samples of the whole frames between two bytes; what is no frame, such as a tag at the end, is passed over."""
    samples = 0
    while at < end:
        found = frame(content[at : at + 4])
        if found is not None and at + found.bytes <= end:
            at += found.bytes
            samples += found.samples
        else:
            at = _next(content, at + 1, end)
    return samples


def _next(content: mmap.mmap, at: int, end: int) -> int:
    """The first byte from here where a frame begins that another follows or that ends the file; `end` without one."""
    while (at := content.find(b"\xff", at, end)) >= 0:
        found = frame(content[at : at + 4])
        after = at + found.bytes if found else end + 1
        if after == end or (after < end and frame(content[after : after + 4])):
            return at
        at += 1
    return end
