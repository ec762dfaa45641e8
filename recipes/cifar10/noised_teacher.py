"""The study's variant that the package forbids: teachers that label under their own training noise.

    python recipes/cifar10/noised_teacher.py run PLAN ...        (as nst-asr run)

Xie et al. 2020, table 6, found students of noised teachers worse. In the package no noise can reach a labeler; here a
labeler is put in its place that reads the noise from the teacher's lineage: the images' noise, dropout and stochastic
depth. Batch normalisation stays as in evaluation. B images, C classes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # recipes are run from the source tree, not installed

from nst_asr import cli, config
from nst_asr.corpus import Block
from nst_asr.key import Key
from nst_asr.store import StoreError, read_json
from nst_asr.task import Model
from nst_asr.vision.depth import Survival
from nst_asr.vision.labeler import VisionLabeler
from nst_asr.vision.model import Classifier, folder_hash, load
from nst_asr.vision.nets import build
from nst_asr.vision.noise import NoisePlan, noised
from nst_asr.vision.plan import LabelPlan
from nst_asr.vision.task import Vision


@dataclass(frozen=True)
class NoisedClassifier:
    """A classifier that sees what its training saw."""

    clean: Classifier
    net: nn.Module
    noise: NoisePlan
    key: Key

    def logits(self, ids: Sequence[str], images: Sequence[np.ndarray]) -> Tensor:
        """Logits of images under noise: (B, C) f64. An image's noise follows from its id."""
        seeds = np.array([self.key["image", name].number() for name in ids], np.uint64)
        seen = torch.from_numpy(noised(images, seeds, self.noise, self.clean.resolution))
        _only_noise_trains(self.net)
        torch.manual_seed(self.key["net", ids[0]].number())
        with torch.inference_mode():
            found: Tensor = self.net(self.clean.normalise(seen))
        return found.double()


@dataclass(frozen=True)
class NoisedLabeler(VisionLabeler):
    """A labeler whose teachers are noised."""

    @property
    def fingerprint(self) -> str:
        """Another than that of the clean labeler."""
        return super().fingerprint + "-noised"

    def logits(self, models: list[Classifier], rows: pl.DataFrame, readers: ThreadPoolExecutor) -> list[Tensor]:
        """Of each teacher under noise."""
        images, ids = self.gallery.images(rows["path"]), rows["id"].to_list()
        teachers = [_noised(path, model) for path, model in zip(self.teachers, models, strict=True)]
        return [teacher.logits(ids, images) for teacher in teachers]


class NoisedTeacher(Vision):
    """Image classification with noised teachers; scores are taken without noise, as ever."""

    def labeler(self, teachers: Sequence[Model], plan: LabelPlan) -> VisionLabeler:
        """Teachers under noise."""
        clean = super().labeler(teachers, plan)
        return NoisedLabeler(clean.teachers, clean.hashes, clean.plan, clean.device, clean.gallery)

    def seen(self, model: Model, rows: pl.DataFrame, plan: LabelPlan) -> pl.DataFrame:
        """What a model sees without noise."""
        return super().labeler([model], plan)(Block(0, rows))


def _noised(path: Path, clean: Classifier) -> NoisedClassifier:
    trained: dict[str, Any] = read_json(path / "model.json")["lineage"]
    if trained["plan"].get("fine_tune"):
        raise StoreError(f"{path}: trained in two parts, under two kinds of noise; noise a teacher without fine_tune")
    plan = config.parse(NoisePlan, trained["plan"]["noise"], str(path))
    net = build(clean.architecture, len(clean.classes), dropout=plan.dropout, survival=plan.survival)
    net.load_state_dict(load(path).net.state_dict())
    key = Key(trained["key"][0])["noised teacher", folder_hash(path)]
    return NoisedClassifier(clean, net.to(clean.device), plan, key)


def _only_noise_trains(net: nn.Module) -> None:
    """Dropout and stochastic depth as in training, all else as in evaluation."""
    net.eval()
    for module in net.modules():
        module.training = isinstance(module, nn.Dropout | Survival)


if __name__ == "__main__":
    sys.exit(cli.main(task=NoisedTeacher))
