"""Images of a folder, or of a tar of one: in class folders, or whatever lies below it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from nst_asr.lines import ManifestError
from nst_asr.vision.corpora.picture import Picture, Reading
from nst_asr.vision.corpora.tars import is_hidden, members
from nst_asr.vision.images import SUFFIXES


def folder(source: Path, *, labeled: bool) -> Reading:
    """Every image below a folder, in the order of names: its id is the relative path without suffix.

    labeled: its class is the name of the first folder on the way to it; an image in none has none. `source` may also
    be an uncompressed .tar of such a folder: then the folders that all its members share do not count. What is no
    image by its suffix, and what is hidden, is passed over. Linked folders are entered. Raises ManifestError for
    what is neither a folder nor a .tar.
    """
    found = _of_folder(source) if source.is_dir() else _of_tar(source)
    for name, path in found:
        stem = os.path.splitext(name)[0]
        label, slash, _ = name.partition("/")
        lacking = "" if slash or not labeled else f"not in a class folder: {path}"
        yield Picture(stem, path, label if slash and labeled else None, lacking)


def is_image(name: str) -> bool:
    """Whether a file is an image by its suffix."""
    return os.path.splitext(name)[1].lower() in SUFFIXES


def _of_folder(source: Path) -> Iterator[tuple[str, str]]:
    root = source.absolute()
    return ((name, f"{root}/{name}") for name in _below(root, "", frozenset()))


def _below(folder: Path, prefix: str, above: frozenset[tuple[int, int]]) -> Iterator[str]:
    status = folder.stat()
    identity = (status.st_dev, status.st_ino)
    if identity in above:
        return  # a link back to a folder that is being walked
    with os.scandir(folder) as entries:
        is_folder = {entry.name: _is_folder(entry) for entry in entries if not is_hidden(entry.name)}
    for name in sorted(is_folder):
        if is_folder[name]:
            yield from _below(folder / name, f"{prefix}{name}/", above | {identity})
        elif is_image(name):
            yield prefix + name


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link to itself


def _of_tar(source: Path) -> Iterator[tuple[str, str]]:
    if not source.exists():
        raise ManifestError(f"{source}: no such folder or .tar")
    shared = len(_shared_folders(source))
    return ((each.name[shared:], each.path) for each in members(source) if is_image(each.name))


def _shared_folders(source: Path) -> str:
    """The folders, with slashes, that all images of a tar share."""
    names = (each.name for each in members(source) if is_image(each.name))
    first = next(names, "")
    shared = first.split("/")[:-1]
    for name in names:
        parts = name.split("/")[:-1]
        while shared != parts[: len(shared)]:
            shared.pop()
    return "".join(f"{part}/" for part in shared)
