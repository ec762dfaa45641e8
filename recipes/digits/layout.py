"""How a digits corpus lies on disk: audio by set and speaker, one manifest a set, and the plan that it was made by.

    OUT/corpus.yaml                              the plan
    OUT/audio/<set>/<speaker>/<id>.flac          mono, 16 bits
    OUT/{labeled,dev,test}.tsv                   id, path (relative to OUT), text, speaker, seconds
    OUT/unlabeled.tsv                            the same without the text
    OUT/unlabeled.truth.tsv                      id, text: for the oracle and the report

A set is done when its manifest is there: that is written last, whole or not at all.
"""

from __future__ import annotations

import argparse
import io
import logging
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import polars as pl
import soundfile
from pydantic import AfterValidator

from nst_asr import config
from nst_asr.config import ConfigError, Record
from nst_asr.store import StoreError, write_text

SETS = ("labeled", "unlabeled", "dev", "test")
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

log = logging.getLogger("nst_asr")


@dataclass(frozen=True)
class Utterance:
    """One line of a manifest, with its text."""

    id: str
    path: str  # relative to the corpus folder
    text: str
    speaker: str
    seconds: float


def claim(out: Path, plan: Record) -> None:
    """Put the plan into `out`, or see that the folder's own is the same. Raises ConfigError naming what differs."""
    place, text = out / "corpus.yaml", config.write(plan)
    if not place.exists():
        write_text(place, text)
        return
    differing = config.differences(config.read(place), plan.model_dump(mode="json"))
    if differing:
        lines = "\n".join(f"  {line}" for line in differing)
        raise ConfigError(f"{out}: this corpus was made by another plan:\n{lines}\nGive another folder, or that plan.")


def is_done(out: Path, name: str) -> bool:
    """Whether the set `name` is complete in `out`."""
    return manifest(out, name).exists()


def manifest(out: Path, name: str) -> Path:
    """Where the manifest of a set lies."""
    return out / f"{name}.tsv"


def save(
    out: Path, name: str, speaker: str, serial: str, words: Sequence[str], wave: np.ndarray, rate: int
) -> Utterance:
    """The manifest line of a wave (shape (N,), in [-1, 1]) that has been written as 16-bit FLAC.

    Raises ValueError for a wave that would be clipped, StoreError where it cannot be written.
    """
    if not np.abs(wave).max(initial=0.0) <= 1.0:
        raise ValueError(f"{speaker}-{serial}: the wave goes beyond [-1, 1] or holds NaN: it would be clipped")
    identity = f"{speaker}-{serial}"
    path = f"audio/{name}/{speaker}/{identity}.flac"
    encoded = io.BytesIO()
    samples = np.minimum(np.round(wave * 32768), 32767).astype(np.int16)
    soundfile.write(encoded, samples, rate, format="FLAC", subtype="PCM_16")
    _write(out / path, encoded.getvalue())
    return Utterance(identity, path, " ".join(words), speaker, round(len(wave) / rate, 6))


def finish(out: Path, name: str, utterances: Iterable[Utterance]) -> None:
    """Write the manifest of a set whose audio is all there; the pool's goes without text, its truth before it."""
    rows = pl.DataFrame([asdict(utterance) for utterance in utterances])
    if name == "unlabeled":
        write_text(out / "unlabeled.truth.tsv", _tsv(rows.select("id", "text")))
        rows = rows.drop("text")
    write_text(manifest(out, name), _tsv(rows))
    speakers, minutes = rows["speaker"].n_unique(), rows["seconds"].sum() / 60
    log.info("%s: %d utterances, %.1f minutes, speakers: %d", name, len(rows), minutes, speakers)


def within(least: float, most: float = math.inf) -> AfterValidator:
    """A check of a pair in a plan: the ends of a range, the lower one first, between `least` and `most`."""

    def checked(pair: tuple[float, float]) -> tuple[float, float]:
        if not least <= pair[0] <= pair[1] <= most:
            raise ValueError(f"give the lower end first, and both from {least} to {most}")
        return pair

    return AfterValidator(checked)


def add_fields(parser: argparse.ArgumentParser, plan: type[Record]) -> None:
    """Give the parser an option for each field of a plan: `labeled_minutes` becomes --labeled-minutes."""
    for name, field in plan.model_fields.items():
        value = field.get_default()
        several = isinstance(value, tuple)
        kind = type(value[0]) if several else type(value)
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=kind,
            nargs=len(value) if several else None,
            default=list(value) if several else value,
            metavar=("LOW", "HIGH") if several else "N",
            help=f"{field.description} (default: {' '.join(map(str, value)) if several else value})",
        )


def run(work: Callable[[], object], *expected: type[Exception]) -> int:
    """The exit status of `work()`: 0, or 1 with the message on standard error, where it or the user went wrong.

    expected: kinds of errors that speak for themselves, besides those of the package's core and of files.
    """
    failures: tuple[type[Exception], ...] = (ConfigError, StoreError, OSError, *expected)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        work()
    except failures as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _write(path: Path, content: bytes) -> None:
    """`content` in `path`. Not brought to the disk one by one: thousands of small files would take minutes."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        if path.is_file():
            path.unlink()
        raise StoreError(
            f"{path}: {error.strerror}. Finished sets are kept: free some space, or mend what is wrong, and give the "
            "same command again."
        ) from error


def _tsv(rows: pl.DataFrame) -> str:
    return rows.write_csv(separator="\t")
