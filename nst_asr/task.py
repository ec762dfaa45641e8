"""What a task supplies to the loop. Speech and vision satisfy these protocols; they inherit nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

if TYPE_CHECKING:
    import polars as pl

    from nst_asr.corpus import Block, Labeled
    from nst_asr.key import Key
    from nst_asr.mix import Mix
    from nst_asr.score import Score

Train = TypeVar("Train", contravariant=True)
Decode = TypeVar("Decode", contravariant=True)


@dataclass(frozen=True)
class Model:
    """A trained model: a self-contained folder."""

    path: Path

    @property
    def hash(self) -> str:
        """What names the model in lineage: the digest its folder was sealed with."""
        return (self.path / "HASH").read_text(encoding="utf-8").strip()


@dataclass(frozen=True)
class Shares:
    """How often each token occurs in labeled data: counts, shape (V,), in the order of the tokenizer's units."""

    counts: np.ndarray
    names: tuple[str, ...]


class Labeler(Protocol):
    """Turns a block of unlabeled examples into rows of the label table, in the block's order."""

    @property
    def fingerprint(self) -> str:
        """Names teachers and decoding: labels with the same fingerprint are the same."""

    def __call__(self, block: Block) -> pl.DataFrame:
        """The label table's rows (`labels.SCHEMA`) for the rows of the block. No noise can get in."""


class Task(Protocol[Train, Decode]):
    """Speech recognition, image classification: what the loop does not know."""

    def train(self, data: Mix, plan: Train, *, init: Path | None, out: Path, key: Key) -> Model:
        """A model trained on `data` under the plan's noise, written to the folder `out`.

        Under torchrun every process calls it, and rank 0 alone writes.
        """

    def labeler(self, teachers: Sequence[Model], plan: Decode) -> Labeler:
        """The teachers in evaluation mode on clean input."""

    def tune(self, teachers: Sequence[Model], dev: Labeled, plan: Decode) -> Mapping[str, Any]:
        """What the plan leaves open, found on dev, as plain values: `plan` is the whole plan; the rest says how."""

    def score(self, model: Model, data: Labeled, plan: Decode) -> Score:
        """The model's errors on `data`."""

    def shares(self, data: Labeled, teachers: Sequence[Model]) -> Shares:
        """The token distribution of labeled data under the teachers' tokenizer: what balancing aims at."""
