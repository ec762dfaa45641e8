"""Members of an uncompressed tar, as a stream of names and places: no image is read, and no list of members is kept."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nst_asr.lines import ManifestError, refuse_no_file
from nst_asr.stored import address

_BLOCK = tarfile.BLOCKSIZE
_PACKED = {
    b"\x1f\x8b": ("gzip", "gunzip"),
    b"BZh": ("bzip2", "bunzip2"),
    b"\xfd7zXZ\x00": ("xz", "unxz"),
    b"\x28\xb5\x2f\xfd": ("zstandard", "unzstd"),
}


@dataclass(frozen=True, slots=True)
class Member:
    """A file in a tar."""

    name: str  # as in the tar, without a leading ./
    offset: int  # of its first byte of data
    length: int  # bytes
    archive: Path

    @property
    def path(self) -> str:
        """The address of its bytes."""
        return address(self.archive, self.offset, self.length)

    def content(self) -> bytes:
        """Its bytes."""
        with self.archive.open("rb") as file:
            file.seek(self.offset)
            return file.read(self.length)


def members(archive: Path) -> Iterator[Member]:
    """The files of a tar in its order, but hidden ones (a part of the name begins with a dot, or is __MACOSX).

    Raises ManifestError for what is no uncompressed tar named *.tar, and, at its end, for one that is cut off.
    """
    refuse_no_file(archive)
    refuse_packed(archive)
    archive = archive.absolute()
    try:
        with tarfile.open(archive, "r:") as tar:
            while (member := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined]  # which would otherwise grow with the archive
                name = member.name.removeprefix("./")
                if member.isreg() and not is_hidden(name):
                    yield Member(name, member.offset_data, member.size, archive)
            end = tar.offset
    except tarfile.TarError as error:
        raise ManifestError(f"{archive}: no whole uncompressed tar ({error}); copy it again") from None
    _refuse_cut_off(archive, end)


def is_hidden(name: str) -> bool:
    """Whether a part of a relative path begins with a dot, or is the folder that macOS adds to archives."""
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))


def refuse_packed(archive: Path) -> None:
    """Raise ManifestError for a compressed archive, whatever its name is, and for one that is not named *.tar."""
    with archive.open("rb") as file:
        head = file.read(6)
    for magic, (kind, tool) in _PACKED.items():
        if head.startswith(magic):
            raise ManifestError(
                f"{archive}: compressed with {kind}, so images in it cannot be sought; unpack it: {tool} {archive.name}"
            )
    if archive.suffix != ".tar":
        raise ManifestError(f"{archive}: a tar is expected, named *.tar; rename it")


def _refuse_cut_off(archive: Path, end: int) -> None:
    """ManifestError where what follows the last member is neither the end of the file nor the zeros that end a tar.

    Python's reader takes a damaged header for the end.
    """
    with archive.open("rb") as file:
        file.seek(end)
        rest = file.read(_BLOCK)
    if rest and rest != bytes(_BLOCK):
        raise ManifestError(f"{archive}: damaged or truncated at byte {end}; copy it again")
