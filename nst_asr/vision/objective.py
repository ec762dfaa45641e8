"""What a classifier's training minimises: cross-entropy on noised images, labeled and pseudo-labeled alike.

Legend: B images of a piece, S their side, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from nst_asr.key import Key
from nst_asr.mix import Batches, Portion
from nst_asr.plan import FitPlan
from nst_asr.vision.gallery import Gallery
from nst_asr.vision.geometry import centred
from nst_asr.vision.model import Classifier
from nst_asr.vision.nets import freeze
from nst_asr.vision.noise import NoisePlan, noised
from nst_asr.vision.plan import LossPlan
from nst_asr.vision.targets import HardTargets, SoftTargets, targets


@dataclass(frozen=True)
class ImagePiece:
    """Part of a batch. images (B, S, S, 3) uint8, targets (B, C), weights (B,); count: what the loss is divided by."""

    ids: Sequence[str]
    images: Tensor
    targets: Tensor
    weights: Tensor
    count: float
    sizes: Mapping[str, float]  # images by source

    @property
    def scalars(self) -> Mapping[str, float]:
        """Images of each source."""
        return {f"images_{source}": images for source, images in self.sizes.items()}


@dataclass(frozen=True)
class ImageObjective:
    """The loss of a classifier's net over the batches of a mixture. `noise` None: clean centre crops."""

    classifier: Classifier
    batches: Batches
    noise: NoisePlan | None
    fit: FitPlan
    loss_plan: LossPlan
    gallery: Gallery
    key: Key
    frozen: Sequence[nn.Module] = ()

    @property
    def model(self) -> nn.Module:
        """The weights to find."""
        return self.classifier.net

    def load(self, step: int, rank: int = 0, world: int = 1) -> list[ImagePiece]:
        """The images of this process's pieces of the batch, read and noised.

        Rows are dealt out one by one, so that every piece has labeled and pseudo-labeled images in the batch's own
        proportion: batch normalisation sees the mixture. Its statistics are those of a piece.
        """
        drawn = _Drawn.of(self.batches.portions(step), self.loss_plan)
        seeds = self.key["noise", step].generator().integers(0, 2**64, len(drawn.rows), dtype=np.uint64)
        number = min(self.fit.accumulate * world, len(drawn.rows))
        progress = step / self.fit.updates
        return [
            self._piece(drawn, np.arange(place, len(drawn.rows), number), seeds, progress)
            for place in range(rank, number, world)
        ]

    def loss(self, piece: ImagePiece) -> Tensor:
        """The weighted cross-entropy, nats, summed over the images of the piece."""
        self.model.train()
        freeze(list(self.frozen))
        device = self.classifier.device
        # asked for before the forward pass, so that nothing waits for it afterwards
        images, targets, weights = (
            part.to(device, non_blocking=True) for part in (piece.images, piece.targets, piece.weights)
        )
        losses = -(targets * self.model(self.classifier.normalise(images)).float().log_softmax(-1)).sum(-1)
        return torch.dot(losses, weights)

    def _piece(self, drawn: _Drawn, chosen: np.ndarray, seeds: np.ndarray, progress: float) -> ImagePiece:
        sources = drawn.sources[chosen]  # ascending, as the batch has one source after the other
        found: list[str] = []
        distributions = np.empty((len(chosen), len(self.classifier.classes)), np.float32)
        paths: list[str] = []
        for number, portion in enumerate(drawn.portions):
            here = sources == number
            rows = portion.source.rows.select("id", "path")[drawn.rows[chosen[here]]]
            found += rows["id"].to_list()
            paths += rows["path"].to_list()
            distributions[here] = self._targets[portion.source.name][drawn.rows[chosen[here]]]
        names = [portion.source.name for portion in drawn.portions]
        return ImagePiece(
            ids=found,
            images=self._ready(self._images(paths, seeds[chosen], progress)),
            targets=self._ready(distributions),
            weights=self._ready(drawn.weights[chosen]),
            count=float(drawn.counts[chosen].sum()),
            sizes={name: float((sources == number).sum()) for number, name in enumerate(names)},
        )

    def _ready(self, values: np.ndarray) -> Tensor:
        """A tensor that a GPU can fetch while it computes."""
        found = torch.from_numpy(values)
        return found.pin_memory() if self.classifier.device.type == "cuda" else found

    def _images(self, paths: list[str], seeds: np.ndarray, progress: float) -> np.ndarray:
        """Read and noised in several threads, each a stretch of the piece."""
        cuts = np.linspace(0, len(paths), self.fit.loaders + 1).astype(int)
        parts = self._readers.map(
            lambda low, high: self._seen(paths[low:high], seeds[low:high], progress), cuts[:-1], cuts[1:]
        )
        return np.concatenate(list(parts))

    def _seen(self, paths: list[str], seeds: np.ndarray, progress: float) -> np.ndarray:
        images, resolution = self.gallery.images(paths), self.classifier.resolution
        if self.noise is None:
            return centred(images, resolution, crop=self.classifier.crop)
        return noised(images, seeds, self.noise, resolution, progress)

    @cached_property
    def _readers(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.fit.loaders, thread_name_prefix="read")

    @cached_property
    def _targets(self) -> dict[str, HardTargets | SoftTargets]:
        smoothing, classes = self.loss_plan.label_smoothing, self.classifier.classes
        sources = [stream.source for stream in self.batches.streams]
        return {source.name: targets(source.rows, classes, smoothing) for source in sources}


@dataclass(frozen=True)
class _Drawn:
    """The rows of a batch, labeled ones first: places in their source, number of the source, weight, count."""

    portions: Sequence[Portion]
    sources: np.ndarray
    rows: np.ndarray
    weights: np.ndarray  # f32
    counts: np.ndarray  # what each adds to the number that the loss is divided by

    @staticmethod
    def of(portions: Sequence[Portion], plan: LossPlan) -> _Drawn:
        """The batch with the weights of the loss: sum of weight x loss / sum of count.

        pooled: the mean over all. Else all labeled rows count, and a pseudo-labeled row weighs w n_labeled / n_pseudo,
        so that the quotient is mean over labeled + w x mean over pseudo-labeled.
        """
        weights = [portion.source.weights[portion.rows].astype(np.float32) for portion in portions]
        counts = list(weights)
        if plan.pseudo != "pooled" and len(portions) == 2:
            labeled, pseudo = (float(each.sum()) for each in weights)
            weight = pseudo / labeled if plan.pseudo == "ratio" else float(plan.pseudo)
            weights[1] = weights[1] * np.float32(weight * labeled / pseudo)
            counts[1] = np.zeros_like(counts[1])
        numbers = [np.full(len(portion.rows), number) for number, portion in enumerate(portions)]
        rows = np.concatenate([portion.rows for portion in portions])
        return _Drawn(portions, np.concatenate(numbers), rows, np.concatenate(weights), np.concatenate(counts))
