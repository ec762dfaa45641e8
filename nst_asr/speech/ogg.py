"""Ogg streams without the number that a writer draws by chance, so that the same sound is always the same bytes."""

from __future__ import annotations

import struct
import zlib

_SERIAL, _CHECKSUM = slice(14, 18), slice(22, 26)  # of a page's head
_HEAD = 27  # bytes, before the table of segments
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))  # the bits of a byte from the other end


def same_always(stream: bytes) -> bytes:
    """An Ogg file of one stream, its serial number 1 and its checksums made anew (RFC 3533, section 6).

    Raises ValueError for what is no Ogg.
    """
    pages, start = [], 0
    while start < len(stream):
        page = bytearray(stream[start : start + _length(stream, start)])
        page[_SERIAL], page[_CHECKSUM] = struct.pack("<I", 1), bytes(4)
        page[_CHECKSUM] = struct.pack("<I", checksum(bytes(page)))
        pages.append(bytes(page))
        start += len(page)
    return b"".join(pages)


def checksum(page: bytes) -> int:
    """Ogg's CRC of a page whose checksum is 0: polynomial 0x04c11db7, bits as they stand, no start or end value.

    zlib has the same polynomial with the bits of every byte, and of the sum, reversed.
    """
    mirrored = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)


def _length(stream: bytes, start: int) -> int:
    """Bytes of the page that begins there."""
    if stream[start : start + 4] != b"OggS":
        raise ValueError(f"byte {start} of {len(stream)} begins no Ogg page")
    segments = stream[start + _HEAD - 1]
    return _HEAD + segments + sum(stream[start + _HEAD : start + _HEAD + segments])
