"""Teachers at work: evaluation mode, clean input. Nothing here knows of noise.

Legend: B batch, T frames, V vocabulary (blank included).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from nst_asr.corpus import Block
from nst_asr.foreign import Foreign
from nst_asr.labels import SCHEMA
from nst_asr.speech import decode
from nst_asr.speech import teachers as ensemble
from nst_asr.speech.audio import read
from nst_asr.speech.heard import Columns, Heard, measured, searched
from nst_asr.speech.model import Recogniser, load
from nst_asr.speech.plan import Decode
from nst_asr.speech.tokenizer import Tokenizer
from nst_asr.store import StoreError

_APART = ("teachers", "vote", "foreign", "foreign_dev")  # of a plan: who labels, not how
_SUBSAMPLED = 4  # frames of features to one of the model

Frames = tuple[Tensor, Tensor]  # log probabilities (B, T, V) in nats, and lengths (B,)


@dataclass(frozen=True)
class SpeechLabeler:
    """Gives the label table's rows for a block: labels of one teacher, of several that vote, or of another system.

    Whoever gives a label: tokens, logprob, the confidences and `unspoken` are those of this label under the first
    teacher, or under the mean where several vote by that of their frame probabilities. What the files of another system
    say of its labels (score, confidence, logprob) stands in place of that.
    """

    teachers: tuple[Path, ...]
    hashes: tuple[str, ...]
    plan: Decode
    device: str
    foreign: Foreign | None = None

    @property
    def fingerprint(self) -> str:
        """Names teachers, decoding, the vote, and another system's labels."""
        vote = [self.plan.vote] if len(self.teachers) > 1 and self.plan.vote != "mean" else []
        text = "\n".join([*self.hashes, decode.fingerprint(self.plan, _APART), *vote])
        digest = hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
        return f"foreign: {self.foreign.digest}, scored by {digest}" if self.foreign else digest

    def __call__(self, block: Block) -> pl.DataFrame:
        """The block's labels, in its order; batches are made of the block alone."""
        if self.device == "cpu":
            # on more threads sums are rounded in another order: the table must not depend on cores or workers
            torch.set_num_threads(1)
        said = self.foreign.of(block.rows["id"]) if self.foreign else None
        rows: list[dict[str, Any]] = [{}] * len(block.rows)
        for places in _batches(block.rows["size"].to_numpy(), self.plan.batch):
            batch = self._label(block.rows[places], None if said is None else said[places])
            for place, *values in zip(places, *batch.values(), strict=True):
                rows[place] = dict(zip(batch, values, strict=True))
        return pl.DataFrame(rows, schema=SCHEMA)

    def recognisers(self) -> list[Recogniser]:
        """The teachers, in evaluation mode."""
        return [_loaded(path, digest, self.device) for path, digest in zip(self.teachers, self.hashes, strict=True)]

    def posteriors(self, rows: pl.DataFrame) -> Iterator[tuple[list[int], Tensor, Tensor]]:
        """What rows are decoded from, batch by batch: places, log probabilities (B, T, V), and lengths (B,).

        Those of the first teacher, or the mean where several vote by that.
        """
        if self.device == "cpu":
            torch.set_num_threads(1)  # as for labels
        models = self.recognisers() if self.plan.vote == "mean" else self.recognisers()[:1]
        for places in _batches(rows["size"].to_numpy(), self.plan.batch):
            frames = [model.log_probs(_read(rows[places], model.features.rate)) for model in models]
            yield places, *(_mean(models, frames) if len(frames) > 1 else frames[0])

    def _label(self, rows: pl.DataFrame, said: pl.DataFrame | None) -> Columns:
        """The columns of a batch; said: what another system says of it."""
        models = self.recognisers()
        waves = {rate: _read(rows, rate) for rate in {model.features.rate for model in models}}
        frames = [model.log_probs(waves[model.features.rate]) for model in models]
        labels = [self._hear(each, model.tokenizer) for each, model in zip(frames, models, strict=True)]
        if said is not None:
            labels.insert(0, _given(said["text"], models[0].tokenizer, frames[0]))
        together, apart = _compared(labels)
        chosen, judge = self._chosen(labels, apart, models, frames)
        features = models[0].features
        measures = measured(chosen, judge, waves[features.rate], features.rate, _SUBSAMPLED * features.shift)
        names = {name: rows[name].to_list() for name in ("id", "size")}
        return names | together | searched(chosen) | measures | _said(said, chosen)

    def _hear(self, frames: Frames, tokenizer: Tokenizer) -> list[Heard]:
        """What is heard in the frames of a batch, as the plan has it."""
        return [Heard.of(label, tokenizer) for label in decode.labels(*frames, self.plan, tokenizer)]

    def _chosen(
        self, labels: list[list[Heard]], apart: np.ndarray | None, models: list[Recogniser], frames: list[Frames]
    ) -> tuple[list[Heard], Frames]:
        """The labels that the vote ends with, and the frames that they are judged by."""
        first = models[0].tokenizer
        if self.foreign or apart is None or self.plan.vote == "none":
            return labels[0], frames[0]
        if self.plan.vote == "mean":
            mean = _mean(models, frames)
            return self._hear(mean, first), mean
        elected = ensemble.consensus(apart).tolist()
        lengths = frames[0][1].tolist()
        return [_elected(i, labels, place, first, lengths[i]) for i, place in enumerate(elected)], frames[0]


def _read(rows: pl.DataFrame, rate: int) -> list[np.ndarray]:
    return [
        read(path, rate, start=start, seconds=seconds)
        for path, start, seconds in rows.select("path", "start", "size").iter_rows()
    ]


def _given(texts: pl.Series, tokenizer: Tokenizer, frames: Frames) -> list[Heard]:
    """Another system's labels, where there are some and they can be spelled."""
    return [
        Heard("", None) if text is None else Heard(text, None).spelled(tokenizer, length)
        for text, length in zip(texts, frames[1].tolist(), strict=True)
    ]


def _said(said: pl.DataFrame | None, labels: Sequence[Heard]) -> Columns:
    """What another system says of its labels, beside the text; nothing of those that the teacher cannot spell."""
    if said is None:
        return {}
    usable = pl.Series([label.tokens is not None for label in labels], dtype=pl.Boolean)
    numbers = said.select(pl.when(usable).then(pl.exclude("id", "text"))).to_dict(as_series=False)
    return dict(numbers)


def _compared(labels: list[list[Heard]]) -> tuple[Columns, np.ndarray | None]:
    """How far those who gave labels agree, and their distances; nothing of one alone."""
    if len(labels) == 1:
        return {}, None
    texts = [[label.text for label in each] for each in labels]
    apart = ensemble.distances(texts)
    alternatives = [list(each) for each in zip(*texts, strict=True)]
    return {"agreement": ensemble.agreement(apart).tolist(), "alternatives": alternatives}, apart


def _elected(i: int, labels: list[list[Heard]], place: int, tokenizer: Tokenizer, frames: int) -> Heard:
    """The label that the majority stands behind; the first teacher's where that teacher cannot spell it."""
    found = labels[place][i].spelled(tokenizer, frames) if place else labels[0][i]
    return labels[0][i] if found.tokens is None else found


def _batches(sizes: np.ndarray, seconds: float) -> Iterator[list[int]]:
    """Places of a block in batches of like size, none over `seconds` padded unless it is one row."""
    batch: list[int] = []
    for place in np.argsort(sizes, kind="stable").tolist():
        if batch and sizes[place] * (len(batch) + 1) > seconds:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def _mean(models: list[Recogniser], frames: list[Frames]) -> Frames:
    """The log of the mean of the teachers' frame probabilities."""
    shapes = {log_probs.shape for log_probs, _ in frames}
    if len(shapes) != 1 or len({model.tokenizer.fingerprint for model in models}) != 1:
        raise StoreError(
            "teachers whose frame probabilities are averaged need the same tokenizer, frame rate and subsampling; "
            "take label.vote = majority, or train them with one tokenizer"
        )
    stacked = torch.stack([log_probs for log_probs, _ in frames])
    return stacked.logsumexp(0) - float(np.log(len(frames))), frames[0][1]


@lru_cache(maxsize=8)
def _loaded(path: Path, digest: str, device: str) -> Recogniser:
    """A teacher, read once; `digest` tells it from another that once lay in the same place."""
    return load(path, device)
