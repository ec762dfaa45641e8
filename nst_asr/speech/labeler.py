"""Teachers at work: evaluation mode, clean input. Nothing here knows of noise.

Legend: B batch, T frames, V vocabulary (blank included).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl
import torch
from torch import Tensor

from nst_asr.corpus import Block
from nst_asr.labels import SCHEMA
from nst_asr.speech import ctc, decode
from nst_asr.speech.audio import read
from nst_asr.speech.model import Recogniser, load
from nst_asr.speech.plan import Decode
from nst_asr.store import StoreError


@dataclass(frozen=True)
class SpeechLabeler:
    """Gives the label table's rows for a block. Several teachers vote by the mean of their frame probabilities."""

    teachers: tuple[Path, ...]
    hashes: tuple[str, ...]
    plan: Decode
    device: str

    @property
    def fingerprint(self) -> str:
        """Names teachers and decoding."""
        text = "\n".join([*self.hashes, self.plan.model_dump_json()])
        return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()

    def __call__(self, block: Block) -> pl.DataFrame:
        """The block's labels, in its order; batches are made of the block alone."""
        if self.device == "cpu":
            # on more threads sums are rounded in another order: the table must not depend on cores or workers
            torch.set_num_threads(1)
        rows: list[dict[str, object]] = [{}] * len(block.rows)
        for places in _batches(block.rows["size"].to_numpy(), self.plan.batch):
            for place, row in zip(places, self._label(block.rows[places]), strict=True):
                rows[place] = row
        return pl.DataFrame(rows, schema=SCHEMA)

    def recognisers(self) -> list[Recogniser]:
        """The teachers, in evaluation mode."""
        return [_loaded(path, digest, self.device) for path, digest in zip(self.teachers, self.hashes, strict=True)]

    def _label(self, rows: pl.DataFrame) -> list[dict[str, object]]:
        models = self.recognisers()
        rate = models[0].features.rate
        waves = [
            read(path, rate, start=start, seconds=seconds)
            for path, start, seconds in rows.select("path", "start", "size").iter_rows()
        ]
        log_probs, lengths = _vote([model.log_probs(waves) for model in models])
        tokens = decode.decode(log_probs, lengths, self.plan)
        logprob = ctc.log_probability(log_probs, lengths, tokens)
        sure = decode.confidences(log_probs, lengths, tokens)
        return [
            {
                "id": row["id"],
                "size": row["size"],
                "label": models[0].tokenizer.decode(tokens[i]),
                "tokens": tokens[i],
                "logprob": float(logprob[i]),
                "score": None,
                "lm_logprob": None,
                "confidence": sure[i].maximum,
                "token_confidence": sure[i].tokens,
                "entropy_confidence": sure[i].entropy,
                "token_entropy_confidence": sure[i].token_entropy,
                "soft_index": None,
                "soft_prob": None,
            }
            for i, row in enumerate(rows.iter_rows(named=True))
        ]


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


def _vote(found: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """The log of the mean of the teachers' frame probabilities."""
    if len({log_probs.shape for log_probs, _ in found}) != 1:
        raise StoreError("teachers of one ensemble need the same tokenizer, frame rate and subsampling")
    stacked = torch.stack([log_probs for log_probs, _ in found])
    return stacked.logsumexp(0) - float(np.log(len(found))), found[0][1]


@lru_cache(maxsize=4)
def _loaded(path: Path, digest: str, device: str) -> Recogniser:
    """A teacher, read once; `digest` tells it from another that once lay in the same place."""
    return load(path, device)
