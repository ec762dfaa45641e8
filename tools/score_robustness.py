"""Scores classifiers on robustness sets: errors, mCE, mFR, top-1 and top-5.

python tools/score_robustness.py MODEL_FOLDER [MODEL_FOLDER ...] [--cifar-c DIR] [--cifar-p DIR] [--imagenet-a DIR]
    [--imagenet-c DIR] [--imagenet-p DIR] [--baseline MODEL_FOLDER] [--json OUT] [--device DEVICE]

mCE and mFR of the ImageNet sets are against AlexNet, of the CIFAR sets against --baseline; without one there are errors
and flip probabilities alone. docs/robustness.md says what each number means.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nst_asr.config import ConfigError
from nst_asr.device import usable_device
from nst_asr.progress import Progress
from nst_asr.store import StoreError, write_json
from nst_asr.vision import robustness_sets as sets
from nst_asr.vision.corruptions import CORRUPTIONS, SEVERITIES
from nst_asr.vision.geometry import ImageShapeError, centred
from nst_asr.vision.images import ImageError
from nst_asr.vision.model import Classifier, load
from nst_asr.vision.perturbations import NOISES, PERTURBATIONS
from nst_asr.vision.robustness import (
    ALEXNET_ERRORS,
    ALEXNET_FLIPS,
    RobustnessError,
    flip_probability,
)
from nst_asr.vision.robustness_tables import relative
from nst_asr.vision.robustness_text import markdown

_BATCH = 64
_SETS = ("cifar-c", "cifar-p", "imagenet-a", "imagenet-c", "imagenet-p")
_REFUSALS = (sets.RobustnessSetError, RobustnessError, StoreError, ConfigError, ImageError, ImageShapeError, OSError)


@dataclass
class Tally:
    """Images seen, and those whose class was not the best guess, or not among the five best."""

    images: int = 0
    wrong: int = 0
    wrong_of_five: int = 0

    @property
    def error(self) -> float:
        """Top-1 error."""
        return self.wrong / self.images

    @property
    def error_of_five(self) -> float:
        """Top-5 error."""
        return self.wrong_of_five / self.images


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 scored, 1 a model or a set that cannot be used."""
    parser = argparse.ArgumentParser(description="Errors of classifiers on robustness sets.")
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL_FOLDER")
    for name in _SETS:
        parser.add_argument(f"--{name}", type=Path, metavar="DIR", help=f"an unpacked {name}")
    parser.add_argument("--baseline", type=Path, metavar="MODEL_FOLDER", help="of mCE and mFR on the CIFAR sets")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write all numbers there")
    parser.add_argument("--device", default="auto", help="cpu, cuda or auto (default)")
    options = parser.parse_args(arguments)
    folders = {name: folder for name in _SETS if (folder := getattr(options, name.replace("-", "_")))}
    if not folders:
        parser.error(f"name a set: {', '.join('--' + name for name in _SETS)}")
    if options.baseline and not any(name.startswith("cifar") for name in folders):
        parser.error("--baseline is of use on the CIFAR sets alone; AlexNet is that of ImageNet-C and ImageNet-P")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        found = score(options.models, folders, options.baseline, usable_device(options.device))
        print(markdown(found), end="")
        if options.json:
            write_json(options.json, found)
    except _REFUSALS as error:
        print(f"score_robustness: {error}", file=sys.stderr)
        return 1
    return 0


def score(
    models: Sequence[Path], folders: Mapping[str, Path], baseline: Path | None, device: str
) -> dict[str, dict[str, Any]]:
    """Set -> model folder -> its numbers, as plain values; docs/robustness.md says what they are."""
    found: dict[str, dict[str, Any]] = {name: {} for name in folders}
    for path in dict.fromkeys([*models, *([baseline] if baseline else [])]):
        classifier = load(path, device)
        for name, folder in folders.items():
            if path in models or name.startswith("cifar"):
                found[name][str(path)] = _SCORERS[name](classifier, folder)
    for name, scored in found.items():
        base = scored[str(baseline)] if baseline and name.startswith("cifar") else _ALEXNET.get(name)
        found[name] = {str(path): relative(scored[str(path)], base) for path in models}
    return found


def score_cifar_c(model: Classifier, folder: Path) -> dict[str, Any]:
    """Errors on a set of .npy files, and on the clean images where it has them."""
    sets.refuse_lacking(folder, CORRUPTIONS)
    found = sets.array_set(folder, model.classes)

    def seen(name: str, severity: int) -> Tally:
        images, labels = found.corrupted(name, severity)
        return tally(model, sets.batches(images, labels, _BATCH))

    scored = _corrupted(seen, folder.name)
    clean = found.clean()
    return scored if clean is None else scored | {"clean_error": tally(model, sets.batches(*clean, _BATCH)).error}


def score_imagenet_c(model: Classifier, folder: Path) -> dict[str, Any]:
    """Errors on ImageNet-C; its pictures are taken whole, at the model's resolution."""
    sets.refuse_lacking(folder, CORRUPTIONS)

    def seen(name: str, severity: int) -> Tally:
        return tally(model, sets.pictures(sets.imagenet_c(folder, name, severity, model.classes), _BATCH))

    return _corrupted(seen, folder.name)


def score_cifar_p(model: Classifier, folder: Path) -> dict[str, Any]:
    """Flip probabilities on sequences in .npy files; top-1 over all frames where there are labels."""
    sets.refuse_lacking(folder, PERTURBATIONS)
    found = sets.array_set(folder, model.classes)
    parts = {name: (found.sequences(name), found.labels) for name in PERTURBATIONS}
    return _perturbed(model, parts, folder.name)


def score_imagenet_p(model: Classifier, folder: Path) -> dict[str, Any]:
    """Flip probabilities on ImageNet-P, and top-1 over all frames."""
    sets.refuse_lacking(folder, PERTURBATIONS)
    files = {name: sets.imagenet_p(folder, name, model.classes) for name in PERTURBATIONS}
    parts = {name: (sets.Videos(found), np.array([file.label for file in found])) for name, found in files.items()}
    return _perturbed(model, parts, folder.name)


def score_imagenet_a(model: Classifier, folder: Path) -> dict[str, Any]:
    """Top-1 and top-5 on ImageNet-A, the guesses taken among its classes alone."""
    files = sets.files(folder, model.classes)
    among = np.unique([file.label for file in files])
    found = tally(model, sets.pictures(files, _BATCH), among=among, crop=model.crop)
    return {"images": found.images, "classes": len(among), "top1": 1 - found.error, "top5": 1 - found.error_of_five}


_SCORERS: dict[str, Callable[[Classifier, Path], dict[str, Any]]] = {
    "cifar-c": score_cifar_c,
    "cifar-p": score_cifar_p,
    "imagenet-a": score_imagenet_a,
    "imagenet-c": score_imagenet_c,
    "imagenet-p": score_imagenet_p,
}
_ALEXNET: dict[str, dict[str, Any]] = {
    "imagenet-c": {"errors": ALEXNET_ERRORS},
    "imagenet-p": {"flips": ALEXNET_FLIPS},
}


def tally(
    model: Classifier,
    batches: Iterable[sets.Batch],
    *,
    among: np.ndarray | None = None,
    crop: float = 1.0,
) -> Tally:
    """Errors on batches; guesses are among all classes, or among these. Equal probabilities: the first class."""
    found = Tally()
    for images, labels in batches:
        guesses = ranked(model, images, among=among, crop=crop)
        found.images += len(labels)
        found.wrong += int((guesses[:, 0] != labels).sum())
        found.wrong_of_five += int((guesses != labels[:, None]).all(axis=1).sum())
    return found


def ranked(
    model: Classifier, images: Sequence[np.ndarray] | np.ndarray, *, among: np.ndarray | None = None, crop: float = 1.0
) -> np.ndarray:
    """The five best guesses for each image, best first, (B, 5) places among the model's classes."""
    chances = model.probabilities(centred(images, model.resolution, crop=crop)).cpu().numpy()
    places = np.arange(chances.shape[1]) if among is None else among
    best = np.argsort(-chances[:, places], axis=1, kind="stable")[:, :5]
    return np.asarray(places[best])


def _corrupted(seen: Callable[[str, int], Tally], title: str) -> dict[str, Any]:
    tallies: dict[str, list[Tally]] = {name: [] for name in CORRUPTIONS}
    with Progress(title, len(CORRUPTIONS) * len(SEVERITIES), "part") as progress:
        for name in CORRUPTIONS:
            for severity in SEVERITIES:
                tallies[name].append(seen(name, severity))
                progress.advance(note=name)
    errors = {name: [one.error for one in found] for name, found in tallies.items()}
    of_five = [one.error_of_five for found in tallies.values() for one in found]
    return {"errors": errors, "top1": 1 - float(np.mean(list(errors.values()))), "top5": 1 - float(np.mean(of_five))}


def _perturbed(
    model: Classifier, parts: Mapping[str, tuple[Sequence[np.ndarray] | np.ndarray, np.ndarray | None]], title: str
) -> dict[str, Any]:
    flips, right = {}, []
    with Progress(title, sum(len(sequences) for sequences, _ in parts.values()), "sequence") as progress:
        for name, (sequences, labels) in parts.items():
            guesses = _first_guesses(model, sequences, name, progress)
            flips[name] = flip_probability(guesses, noise=name in NOISES)
            if labels is not None:
                right.append(float(np.mean(guesses == labels[:, None])))
    scored = {"flips": flips, "flip": float(np.mean(list(flips.values())))}
    return scored | ({"top1": float(np.mean(right))} if right else {})


def _first_guesses(
    model: Classifier, sequences: Sequence[np.ndarray] | np.ndarray, name: str, progress: Progress
) -> np.ndarray:
    """The best guess for each frame, (N, frames)."""
    guesses: list[np.ndarray] = []
    for frames in sequences:
        guesses.append(ranked(model, np.array(frames))[:, 0])
        progress.advance(note=name)
    lengths = sorted({len(found) for found in guesses})
    if len(lengths) != 1:
        raise sets.RobustnessSetError(f"{name}: sequences of {lengths} frames in one set; unpack it again")
    return np.stack(guesses)


if __name__ == "__main__":
    sys.exit(main())
