"""Readers of the published robustness sets, as they lie on disk once unpacked; nothing is held in memory whole.

ImageNet-C: corruption/severity/class/*.JPEG, 224 x 224. ImageNet-A: class/*.jpg, 200 of the 1,000 classes. ImageNet-P:
perturbation/class/*.mp4. Class folders bear the names that the model has for its classes (WordNet ids). CIFAR-10-C:
corruption.npy, the images five times over in the order of the severities, uint8 (5 N, S, S, 3), and labels.npy;
CIFAR-10-P: perturbation.npy, uint8 (N, frames, S, S, 3). B images, H rows, W columns, S side, N images or sequences.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np

from nst_asr.vision.corruptions import SEVERITIES
from nst_asr.vision.images import read

CLASSES = "classes.txt"  # beside labels.npy: the name of each label, one a line
CLEAN = "clean.npy"  # beside them where this package wrote the set: the images as they were
_PICTURES = (".jpeg", ".jpg", ".png")
_VIDEOS = (".mp4",)

Batch = tuple[Sequence[np.ndarray] | np.ndarray, np.ndarray]  # B images, uint8 (H, W, 3); B places among the classes


class RobustnessSetError(ValueError):
    """A folder that is no such set, or not for these classes; the message names it and the way out."""


@dataclass(frozen=True)
class File:
    """A picture or a video, and the place of its class among the model's."""

    path: Path
    label: int


def files(folder: Path, classes: Sequence[str], suffixes: Sequence[str] = _PICTURES) -> list[File]:
    """The files of class/*, by class and name. Raises RobustnessSetError for a class that the model does not know."""
    places = {name: place for place, name in enumerate(classes)}
    folders = sorted(path for path in _entries(folder) if path.is_dir())
    unknown = [path.name for path in folders if path.name not in places]
    if unknown:
        raise RobustnessSetError(
            f"{folder}: the model has no class {unknown[0]} ({len(unknown)} such folders); its classes are called "
            f"{', '.join(classes[:3])}, ...: score a model whose classes have the folders' names"
        )
    found = [
        File(path, places[inner.name])
        for inner in folders
        for path in _entries(inner)
        if path.suffix.lower() in suffixes
    ]
    if not found:
        raise RobustnessSetError(f"{folder}: no class folders with {', '.join(suffixes)} files in them; check the path")
    return found


def imagenet_c(folder: Path, name: str, severity: int, classes: Sequence[str]) -> list[File]:
    """The pictures of one corruption at one severity. Raises RobustnessSetError."""
    return files(_kind(folder, name) / str(severity), classes)


def imagenet_p(folder: Path, name: str, classes: Sequence[str]) -> list[File]:
    """The videos of one perturbation. Raises RobustnessSetError."""
    return files(_kind(folder, name), classes, _VIDEOS)


def refuse_lacking(folder: Path, names: Sequence[str]) -> None:
    """Raise RobustnessSetError for the corruptions or perturbations that a set lacks, be they folders or .npy files."""
    _entries(folder)
    lacking = [name for name in names if not (folder / f"{name}.npy").is_file() and not _kinds(folder, name)]
    if lacking:
        raise RobustnessSetError(
            f"{folder}: no {', '.join(lacking)}; unpack all {len(names)} of them there ({', '.join(names)})"
        )


def pictures(found: Sequence[File], size: int) -> Iterator[Batch]:
    """The pictures of some files as uint8 RGB arrays, `size` at a time, with their labels. Raises ImageError."""
    for start in range(0, len(found), size):
        some = found[start : start + size]
        yield [read(file.path) for file in some], np.array([file.label for file in some])


def video(path: Path) -> np.ndarray:
    """The frames of a video, uint8 (frames, H, W, 3), RGB. Raises RobustnessSetError where it cannot be decoded."""
    try:
        with av.open(str(path)) as container:
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    except (av.error.FFmpegError, IndexError) as error:
        raise RobustnessSetError(f"{path}: no video that can be read ({error}); unpack it again") from None
    if len(frames) < 2:
        raise RobustnessSetError(f"{path}: {len(frames)} frames; a sequence has two at least: unpack it again")
    return np.stack(frames)


class Videos(Sequence[np.ndarray]):
    """The frames of videos, uint8 (frames, H, W, 3) each, decoded when their turn comes."""

    def __init__(self, found: Sequence[File]) -> None:
        self._files = found

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, place: Any) -> Any:
        return video(self._files[place].path)


@dataclass(frozen=True)
class ArraySet:
    """A set of .npy files in one folder, mapped into memory as they are read."""

    folder: Path
    labels: np.ndarray | None  # (N,) places among the model's classes; None where the set has no labels

    def corrupted(self, name: str, severity: int) -> tuple[np.ndarray, np.ndarray]:
        """The images of one corruption at one severity, uint8 (N, S, S, 3), and labels. Raises RobustnessSetError."""
        images, labels = self._mapped(f"{name}.npy", 4), self._known_labels()
        if len(images) != len(SEVERITIES) * len(labels):
            raise RobustnessSetError(
                f"{self.folder / name}.npy: {len(images)} images, {len(labels)} labels; expected five times as many "
                "images, once for each severity"
            )
        return images[(severity - 1) * len(labels) : severity * len(labels)], labels

    def clean(self) -> tuple[np.ndarray, np.ndarray] | None:
        """The images before they were corrupted, uint8 (N, S, S, 3), and labels, where the set has them."""
        return (self._mapped(CLEAN, 4), self._known_labels()) if (self.folder / CLEAN).is_file() else None

    def sequences(self, name: str) -> np.ndarray:
        """The sequences of one perturbation, uint8 (N, frames, S, S, 3). Raises RobustnessSetError."""
        found = self._mapped(f"{name}.npy", 5)
        if self.labels is not None and len(found) != len(self.labels):
            raise RobustnessSetError(f"{self.folder / name}.npy: {len(found)} sequences, {len(self.labels)} labels")
        return found

    def _known_labels(self) -> np.ndarray:
        if self.labels is None:
            raise RobustnessSetError(f"{self.folder}: no labels.npy; without it there are no errors to count")
        return self.labels

    def _mapped(self, name: str, dimensions: int) -> np.ndarray:
        array = _array(self.folder / name)
        if array.dtype != np.uint8 or array.ndim != dimensions or array.shape[-1] != 3:
            shape = "(N, H, W, 3)" if dimensions == 4 else "(N, frames, H, W, 3)"
            raise RobustnessSetError(f"{self.folder / name}: {array.dtype} {array.shape}; expected uint8 {shape}")
        return array


def array_set(folder: Path, classes: Sequence[str]) -> ArraySet:
    """The set in a folder; where it has classes.txt, labels are matched to the model's classes by name.

    Published sets have no such file: there label k is the model's class k. In published CIFAR-10-C labels are repeated
    for each severity, which is taken for what it is. Raises RobustnessSetError.
    """
    _entries(folder)
    if not (folder / "labels.npy").is_file():
        return ArraySet(folder, None)
    labels = _array(folder / "labels.npy").astype(np.int64)
    if len(labels) % len(SEVERITIES) == 0 and _repeats(labels, folder):
        labels = labels[: len(labels) // len(SEVERITIES)]
    places = _places(folder / CLASSES, classes)
    if len(labels) and not 0 <= labels.min() <= labels.max() < len(places):
        raise RobustnessSetError(
            f"{folder}: labels from {labels.min()} to {labels.max()}, but {len(places)} classes; score a model "
            "that was trained on the set's classes"
        )
    return ArraySet(folder, places[labels])


def batches(images: np.ndarray, labels: np.ndarray, size: int) -> Iterator[Batch]:
    """Images of an array with their labels, `size` at a time, read as they come."""
    for start in range(0, len(images), size):
        yield np.array(images[start : start + size]), labels[start : start + size]


def _repeats(labels: np.ndarray, folder: Path) -> bool:
    """Whether the labels are written once for each severity: as many as there are images in the files."""
    first = next((path for path in sorted(folder.glob("*.npy")) if path.name not in ("labels.npy", CLEAN)), None)
    return first is not None and (array := _array(first)).ndim == 4 and len(array) == len(labels)


def _places(path: Path, classes: Sequence[str]) -> np.ndarray:
    if not path.is_file():
        return np.arange(len(classes))
    names = path.read_text(encoding="utf-8").splitlines()
    unknown = [name for name in names if name not in classes]
    if unknown:
        raise RobustnessSetError(f"{path}: the model has no class {unknown[0]!r} ({len(unknown)} such names)")
    return np.array([classes.index(name) for name in names])


def _array(path: Path) -> np.ndarray:
    try:
        return np.asarray(np.load(path, mmap_mode="r"))
    except FileNotFoundError:
        raise RobustnessSetError(f"{path}: missing; unpack the whole set there") from None
    except (ValueError, OSError, EOFError) as error:
        raise RobustnessSetError(f"{path}: no .npy file that can be read ({error}); unpack it again") from None


def _kinds(folder: Path, name: str) -> list[Path]:
    """Folders of one corruption: at the top, or below noise/, blur/, ... as in the archives."""
    return [path for path in (folder / name, *sorted(folder.glob(f"*/{name}"))) if path.is_dir()]


def _kind(folder: Path, name: str) -> Path:
    found = _kinds(folder, name)
    if not found:
        raise RobustnessSetError(f"{folder}: no folder {name}; unpack it there")
    return found[0]


def _entries(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise RobustnessSetError(f"{folder}: no such folder; give the one that the set was unpacked to")
    return sorted(folder.iterdir())
