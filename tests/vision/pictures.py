"""Small images that a small net can tell apart: a class is a colour and the slope of its stripes, an image a draw."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from nst_asr.vision.manifests import SCHEMA

CLASSES = ("blue", "green", "red")


def image(label: str, number: int, side: int = 16) -> np.ndarray:
    """uint8, shape (side, side, 3): stripes in the colour of the class, their phase, brightness and noise drawn."""
    place = CLASSES.index(label)
    draw = np.random.default_rng((place, number))
    y, x = np.mgrid[:side, :side]
    wave = np.sin((x * (1 + place) + y * (3 - place)) * 0.6 + draw.uniform(0, 2 * np.pi))
    pixels = np.full((side, side, 3), 90.0) + draw.normal(0, 25, (side, side, 3))
    pixels[..., 2 - place] += 60 + 50 * wave + draw.uniform(-20, 20)
    return pixels.clip(0, 255).round().astype(np.uint8)


def encoded(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    """The bytes of an image file; pixels of shape (H, W) are grey."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def write(path: Path, pixels: np.ndarray) -> Path:
    """An image file, of the kind that its suffix says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def class_folders(folder: Path, each: int, *, first: int = 0, side: int = 16, labels: Iterable[str] = CLASSES) -> Path:
    """A folder CLASS/NUMBER.png with `each` images of each class, numbered from `first`."""
    for label in labels:
        for number in range(first, first + each):
            write(folder / label / f"{number:04d}.png", image(label, number, side))
    return folder


def rows(folder: Path, each: int, *, first: int = 0, side: int = 16, labels: Iterable[str] = CLASSES) -> pl.DataFrame:
    """Labeled rows of images that are written to CLASS/NUMBER.png: ids are CLASS-NUMBER, classes take turns."""
    labels = tuple(labels)
    class_folders(folder, each, first=first, side=side, labels=labels)
    found = [
        (f"{label}-{number:04d}", 1.0, None, str(folder / label / f"{number:04d}.png"), label)
        for number in range(first, first + each)
        for label in labels
    ]
    return pl.DataFrame(found, schema=SCHEMA, orient="row")


def tar(path: Path, members: Mapping[str, bytes] | Iterable[tuple[str, bytes]]) -> Path:
    """An uncompressed tar of these members, in their order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, data in members.items() if isinstance(members, Mapping) else members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def shard(path: Path, each: int, *, first: int = 0, kind: str = "cls", side: int = 16) -> Path:
    """A WebDataset shard: KEY.png and its class as KEY.cls, KEY.txt or KEY.json; kind "": no classes."""
    members: list[tuple[str, bytes]] = []
    for number in range(first, first + each):
        for label in CLASSES:
            key = f"{label}{number:04d}"
            members.append((f"{key}.png", encoded(image(label, number, side))))
            if kind:
                text = json.dumps({"label": label, "width": side}) if kind == "json" else f"{label}\n"
                members.append((f"{key}.{kind}", text.encode()))
    return tar(path, members)


def cifar(folder: Path, each: int = 6) -> Path:
    """A folder as CIFAR-10's binary version, with `each` images in each batch, classes 0 to 9 in turn, and its test."""
    folder.mkdir(parents=True, exist_ok=True)
    names = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    (folder / "batches.meta.txt").write_text("\n".join(names) + "\n\n")
    draw = np.random.default_rng(0)
    for place, batch in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]):
        records = draw.integers(0, 256, (each, 1 + 3072), dtype=np.uint8)
        records[:, 0] = (np.arange(each) + place * each) % 10
        (folder / f"{batch}.bin").write_bytes(records.tobytes())
    return folder
