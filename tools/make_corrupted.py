"""Writes a robustness set of one's own images, in the layout of CIFAR-10-C and CIFAR-10-P.

python tools/make_corrupted.py MANIFEST OUT [--size S] [--seed S] [--number N]

OUT/corrupted gets a .npy file for each of the fifteen corruptions (N images, five times over, by severity) and
clean.npy, OUT/perturbed one for each of the ten perturbation sequences; both get labels.npy and classes.txt, the names
of the labels, one a line. Each file is made once: after a crash the same command goes on with the next one.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from nst_asr.corpus import fingerprint
from nst_asr.key import Key
from nst_asr.progress import Progress
from nst_asr.store import StoreError, once, read_json, write_json, write_text
from nst_asr.vision.corruptions import CORRUPTIONS, SEVERITIES, CorruptionError, corrupt
from nst_asr.vision.geometry import ImageShapeError, centred
from nst_asr.vision.images import ImageError, read
from nst_asr.vision.manifests import ManifestError, read_manifest
from nst_asr.vision.perturbations import PERTURBATIONS, perturbed
from nst_asr.vision.robustness_sets import CLASSES, CLEAN

_MADE_OF = "made-of.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 everything written, 1 images or a folder that cannot be used."""
    parser = argparse.ArgumentParser(description="Corrupted and perturbed copies of images, in the layout of CIFAR-C.")
    parser.add_argument("manifest", type=Path, metavar="MANIFEST", help="labeled images: a .tsv, .parquet, or folder")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write to")
    parser.add_argument("--size", type=int, default=32, help="pixels, the side of all images (default: 32)")
    parser.add_argument("--seed", type=int, default=0, help="of all that is drawn (default: 0)")
    parser.add_argument("--number", type=int, help="take so many images, drawn evenly (default: all)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        make(options.manifest, options.out, options.size, options.seed, options.number)
    except (ManifestError, ImageError, ImageShapeError, CorruptionError, StoreError, ValueError) as error:
        print(f"make_corrupted: {error}", file=sys.stderr)
        return 1
    return 0


def make(manifest: Path, out: Path, size: int, seed: int, number: int | None) -> None:
    """Write both sets in `out`, but the files that are there. Raises StoreError where they are of other images."""
    rows = chosen(read_manifest(manifest, labeled=True), number, seed)
    content = {"images": fingerprint(rows.select("id", "label")), "size": size, "seed": seed}
    for folder, kinds in ((out / "corrupted", CORRUPTIONS), (out / "perturbed", PERTURBATIONS)):
        _settle(folder, content)
        _write_labels(folder, rows["label"])
        if kinds is CORRUPTIONS:
            once(folder / CLEAN, lambda part: _write(part, _clean(rows, size), len(rows), "clean images"))
        for name in kinds:
            once(folder / f"{name}.npy", _maker(kinds is CORRUPTIONS, name, rows, size, seed))


def chosen(rows: pl.DataFrame, number: int | None, seed: int) -> pl.DataFrame:
    """`number` of the rows, in their order; which ones follows from the seed and their ids alone."""
    if number is None:
        return rows
    if not 1 <= number <= len(rows):
        raise ValueError(f"--number {number}: there are {len(rows)} images; take between 1 and all of them")
    drawn = Key(seed)["chosen"].uniforms(rows["id"])
    return rows[np.sort(np.argsort(drawn, kind="stable")[:number])]


def _maker(corrupted: bool, name: str, rows: pl.DataFrame, size: int, seed: int) -> Callable[[Path], None]:
    if corrupted:
        return lambda part: _write(part, _corrupted(rows, size, name, seed), len(SEVERITIES) * len(rows), name)
    return lambda part: _write(part, _sequences(rows, size, name, seed), len(rows), f"{name}, sequences")


def _clean(rows: pl.DataFrame, size: int) -> Iterator[np.ndarray]:
    return (centred([read(path)], size)[0] for path in rows["path"])


def _corrupted(rows: pl.DataFrame, size: int, name: str, seed: int) -> Iterator[np.ndarray]:
    for severity in SEVERITIES:
        for image, key in zip(_clean(rows, size), _seeds(rows, seed), strict=True):
            yield corrupt(image, name, severity, key)


def _sequences(rows: pl.DataFrame, size: int, name: str, seed: int) -> Iterator[np.ndarray]:
    for image, key in zip(_clean(rows, size), _seeds(rows, seed), strict=True):
        yield perturbed(image, name, key)


def _seeds(rows: pl.DataFrame, seed: int) -> list[int]:
    """One for each image, which depends on its id and not on its place."""
    return [Key(seed)["image", name].number() for name in rows["id"]]


def _write(part: Path, images: Iterator[np.ndarray], total: int, title: str) -> None:
    """A .npy file of `total` arrays of one shape, written as they come: memory stays flat."""
    first = next(images)
    array = np.lib.format.open_memmap(part, "w+", np.uint8, (total, *first.shape))
    array[0] = first
    with Progress(title, total, "image") as progress:
        progress.advance()
        for place, image in enumerate(images, 1):
            array[place] = image
            progress.advance()
    array.flush()


def _write_labels(folder: Path, labels: pl.Series) -> None:
    classes = labels.unique().sort().to_list()
    places = {name: place for place, name in enumerate(classes)}
    numbers = np.array([places[name] for name in labels], dtype=np.int64)

    def write(part: Path) -> None:
        with part.open("wb") as file:
            np.save(file, numbers)

    once(folder / "labels.npy", write)
    write_text(folder / CLASSES, "\n".join(classes) + "\n")


def _settle(folder: Path, content: dict[str, Any]) -> None:
    """Note what a folder is made of; StoreError where it holds files of other images, sizes or seeds."""
    path = folder / _MADE_OF
    if not path.exists():
        write_json(path, content)
        return
    for name, value in read_json(path).items():
        if content.get(name) != value:
            raise StoreError(f"{folder}: made with {name} {value}, now {content.get(name)}; write to another folder")


if __name__ == "__main__":
    sys.exit(main())
