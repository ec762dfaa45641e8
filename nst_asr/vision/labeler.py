"""Teachers at work: evaluation mode, clean centre crops. Nothing here knows of noise.

Legend: B images, C classes.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from nst_asr.corpus import Block
from nst_asr.labels import SCHEMA
from nst_asr.store import StoreError
from nst_asr.vision.gallery import Gallery
from nst_asr.vision.geometry import centred
from nst_asr.vision.model import Classifier, load
from nst_asr.vision.plan import LabelPlan


@dataclass(frozen=True)
class VisionLabeler:
    """Gives the label table's rows for a block. Several teachers vote by the mean of their probabilities."""

    teachers: tuple[Path, ...]
    hashes: tuple[str, ...]
    plan: LabelPlan
    device: str
    gallery: Gallery = field(default_factory=Gallery)

    @property
    def fingerprint(self) -> str:
        """Names teachers and labeling; how many threads read decides nothing."""
        text = "\n".join([*self.hashes, self.plan.model_dump_json(exclude={"loaders"})])
        return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()

    def __call__(self, block: Block) -> pl.DataFrame:
        """The block's labels, in its order; batches are made of the block alone."""
        if self.device == "cpu":
            # on more threads sums are rounded in another order: the table must not depend on cores or workers
            torch.set_num_threads(1)
        models = self.classifiers()
        with ThreadPoolExecutor(self.plan.loaders, thread_name_prefix="read") as readers:
            return pl.concat(self._table(models, rows, readers) for rows in block.rows.iter_slices(self.plan.batch))

    def classifiers(self) -> list[Classifier]:
        """The teachers, in evaluation mode. Raises StoreError where they know different classes."""
        found = [_loaded(path, digest, self.device) for path, digest in zip(self.teachers, self.hashes, strict=True)]
        if len({model.classes for model in found}) != 1:
            raise StoreError("teachers of one ensemble need the same classes in the same order; train them on one set")
        return found

    def logits(self, models: list[Classifier], rows: pl.DataFrame, readers: ThreadPoolExecutor) -> list[Tensor]:
        """Of each teacher at its own resolution: (B, C) f64."""
        paths = rows["path"].to_list()
        return [model.logits(self._squares(paths, model, readers)).double() for model in models]

    def _table(self, models: list[Classifier], rows: pl.DataFrame, readers: ThreadPoolExecutor) -> pl.DataFrame:
        logits = self.logits(models, rows, readers)
        temperatures = (1.0, self.plan.temperature)
        sure, soft = (torch.stack([each / t for each in logits]).softmax(-1).mean(0) for t in temperatures)
        return table(rows, sure.cpu().numpy(), soft.cpu().numpy(), models[0].classes, self.plan.soft)

    def _squares(self, paths: list[str], model: Classifier, readers: ThreadPoolExecutor) -> np.ndarray:
        """Clean centre crops at the model's own resolution, read and resized in several threads."""
        cuts = np.linspace(0, len(paths), self.plan.loaders + 1).astype(int).tolist()
        stretches = [paths[low:high] for low, high in pairwise(cuts) if low < high]
        found = readers.map(
            lambda part: centred(self.gallery.images(part), model.resolution, crop=model.crop), stretches
        )
        return np.concatenate(list(found))


def table(rows: pl.DataFrame, sure: np.ndarray, soft: np.ndarray, classes: tuple[str, ...], keep: int) -> pl.DataFrame:
    """Rows of the label table for images (id, size) whose classes have the probabilities `sure`, (B, C).

    keep: how many of the largest probabilities of `soft` become the soft label, scaled to sum to 1 (exact where all
    classes are kept); 0: none.
    """
    best = sure.argmax(1)
    confidence = sure[np.arange(len(best)), best]
    entropy = -(sure * np.log(np.maximum(sure, 1e-30))).sum(1)
    columns: dict[str, Any] = {
        "id": rows["id"],
        "size": rows["size"],
        "label": [classes[place] for place in best],
        "tokens": [[int(place)] for place in best],
        "logprob": np.log(np.maximum(confidence, 1e-30)),
        "score": None,
        "lm_logprob": None,
        "confidence": confidence,
        "token_confidence": None,
        "entropy_confidence": 1 - entropy / np.log(max(len(classes), 2)),
        "token_entropy_confidence": None,
        **dict(zip(("soft_index", "soft_prob"), _largest(soft, keep) if keep else (None, None), strict=True)),
    }
    blank = [None] * len(rows)
    filled = {name: blank if values is None else values for name, values in columns.items()}
    typed = pl.DataFrame(filled).cast({name: SCHEMA[name] for name in filled})
    return typed.match_to_schema(SCHEMA, missing_columns="insert")


def _largest(shares: np.ndarray, keep: int) -> tuple[pl.Series, pl.Series]:
    """Classes and shares of the `keep` largest, largest first; of equal ones the first class."""
    order = np.argsort(-shares, axis=1, kind="stable")[:, :keep]
    kept = np.take_along_axis(shares, order, 1)
    kept = kept / kept.sum(1, keepdims=True)
    return pl.Series(order.astype(np.int32).tolist()), pl.Series(kept.astype(np.float32).tolist())


@lru_cache(maxsize=4)
def _loaded(path: Path, digest: str, device: str) -> Classifier:
    """A teacher, read once; `digest` tells it from another that once lay in the same place."""
    return load(path, device)
