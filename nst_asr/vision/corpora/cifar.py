"""CIFAR-10 in its binary version: the images stay where they lie, as raw bytes within the batches.

A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images" (2009); https://www.cs.toronto.edu/~kriz/cifar.html:
a record is one byte of label and 3,072 bytes of pixels; data_batch_1.bin to 5 have 10,000 each, test_batch.bin too.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nst_asr.lines import ManifestError, numbered_lines
from nst_asr.stored import address
from nst_asr.vision.corpora.picture import Picture, Reading

_PIXELS = 3 * 32 * 32
_RECORD = 1 + _PIXELS  # bytes
_BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))


def cifar10(source: Path, *, labeled: bool) -> Reading:
    """The images of the five batches, and of test_batch.bin, where there is one, as the set `test`.

    Ids are BATCH/PLACE, such as data_batch_1/00042; classes are named by batches.meta.txt. Raises ManifestError for
    a folder that lacks a batch, for a batch that is cut off, and for labels without a name.
    """
    names = _class_names(source / "batches.meta.txt")
    lacking = [name for name in _BATCHES if not (source / f"{name}.bin").is_file()]
    if lacking:
        raise ManifestError(
            f"{source}: no {lacking[0]}.bin in it; give the folder of CIFAR-10's binary version "
            "(cifar-10-batches-bin, unpacked)"
        )
    for batch in _BATCHES:
        yield from _batch(source / f"{batch}.bin", names, labeled)
    test = source / "test_batch.bin"
    if test.is_file():
        yield from _batch(test, names, labeled=True, held="test")


def _batch(file: Path, names: list[str], labeled: bool, held: str = "") -> Reading:
    size = file.stat().st_size
    if size % _RECORD or not size:
        raise ManifestError(f"{file}: {size} bytes, no whole number of records of {_RECORD}; copy it again")
    numbers = np.memmap(file, np.uint8, mode="r").reshape(-1, _RECORD)[:, 0].tolist()
    if max(numbers) >= len(names):
        place = next(place for place, number in enumerate(numbers) if number >= len(names))
        raise ManifestError(
            f"{file}: image {place} is of class {numbers[place]}, but batches.meta.txt names {len(names)} (0 to "
            f"{len(names) - 1}); is it CIFAR-10's binary version?"
        )
    archive = file.absolute()
    for place, number in enumerate(numbers):
        path = address(archive, place * _RECORD + 1, _PIXELS)
        yield Picture(f"{file.stem}/{place:05d}", path, names[number] if labeled else None, held=held)


def _class_names(meta: Path) -> list[str]:
    if not meta.parent.is_dir():
        raise ManifestError(f"{meta.parent}: no such folder")
    names = [text.strip() for _, text in numbered_lines(meta)]
    if not names:
        raise ManifestError(f"{meta}: it names no class")
    return names
