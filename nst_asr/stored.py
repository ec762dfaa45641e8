"""Where the bytes of an input lie: a file, or a stretch of an uncompressed tar or .bin; and a view of just these."""

from __future__ import annotations

import io
import os
import re
from dataclasses import dataclass
from pathlib import Path

_MEMBER = re.compile(r"(?P<archive>.+\.(?:tar|bin))@(?P<offset>\d+)\+(?P<length>\d+)", re.DOTALL)


@dataclass(frozen=True)
class Place:
    """A stretch of the bytes of a file."""

    file: Path
    offset: int  # bytes
    length: int  # bytes
    whole: bool  # whether the stretch is a file of its own, not a member of an archive

    def content(self) -> bytes:
        """All of these bytes. Raises OSError where the file is shorter by now than it was."""
        with self.file.open("rb", buffering=0) as file:
            file.seek(self.offset)
            data = file.read(self.length)
        if len(data) < self.length:
            raise OSError(f"{len(data)} of {self.length} bytes can be read")
        return data


def address(archive: Path | str, offset: int, length: int) -> str:
    """The path string of a tar member whose `length` bytes of data begin at byte `offset`: `a.tar@1536+48044`.

    So also of a record in a file of raw ones, such as CIFAR's: `data_batch_1.bin@1+3072`. Raises ValueError for an
    archive whose name ends in neither .tar nor .bin: a compressed one cannot be read from the middle.
    """
    text = f"{archive}@{offset}+{length}"
    if not _MEMBER.fullmatch(text):
        raise ValueError(f"{text}: not a member of an uncompressed archive named *.tar; unpack it first (tar -xf)")
    return text


def locate(path: Path | str) -> Place:
    """Where the bytes that a path string names are; an existing file of that very name comes before a stretch.

    Raises FileNotFoundError where there is neither, and ValueError for a member that reaches beyond its archive.
    """
    file = Path(path)
    if file.is_file():
        return Place(file, 0, file.stat().st_size, whole=True)
    member = _MEMBER.fullmatch(str(path))
    if member is None:
        raise FileNotFoundError("no such file")
    archive, offset, length = Path(member["archive"]), int(member["offset"]), int(member["length"])
    if not archive.is_file():
        raise FileNotFoundError(f"no such file as its archive {archive}")
    size = archive.stat().st_size
    if offset + length > size:
        raise ValueError(f"truncated: the archive has {size} bytes, the member ends at byte {offset + length}")
    return Place(archive, offset, length, whole=False)


class View(io.RawIOBase):
    """A file object over one place: reading and seeking touch no other byte of the file that holds it."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._at = 0
        self._file = os.open(place.file, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """The new position, in bytes from the beginning of the place."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._place.length}[whence]
        if base + offset < 0:
            raise ValueError(f"byte {base + offset} lies before the beginning")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """The number of bytes put into the buffer: fewer than it holds at the end of the place only."""
        target = memoryview(buffer).cast("B")
        wanted = max(min(len(target), self._place.length - self._at), 0)
        done = os.preadv(self._file, [target[:wanted]], self._place.offset + self._at) if wanted else 0
        self._at += done
        return done

    def close(self) -> None:
        """Give the file back; closing twice is harmless."""
        if not self.closed:
            os.close(self._file)
        super().close()
