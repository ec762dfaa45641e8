"""A classifier's two trainings: on the mixture under noise, then perhaps on the labeled images alone."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from nst_asr.key import Key
from nst_asr.mix import Batches, Mix
from nst_asr.parallel import join
from nst_asr.ranks import rank
from nst_asr.store import written_aside
from nst_asr.train import drop_checkpoints, fit
from nst_asr.vision.gallery import Gallery
from nst_asr.vision.model import Classifier
from nst_asr.vision.nets import build, first_modules
from nst_asr.vision.noise import NoisePlan
from nst_asr.vision.objective import ImageObjective
from nst_asr.vision.plan import FineTunePlan, PixelPlan, VisionTrain

log = logging.getLogger("nst_asr")

_FIRST = "first.safetensors"  # what the first training found, while the second one goes on
_SECOND = "fine-tune"  # the folder of the second training


@dataclass(frozen=True)
class Training:
    """All that one training of a classifier takes; `started`: whose weights it begins with."""

    plan: VisionTrain
    pixels: PixelPlan
    classes: tuple[str, ...]
    gallery: Gallery
    out: Path
    key: Key
    device: str
    started: Classifier | None

    def run(self, data: Mix) -> Classifier:
        """The trained classifier. Called again after a crash it goes on where it was, in either training."""
        if self.plan.fine_tune is None:
            return self._first(data)
        if self.plan.first == "none":
            return self._fine_tuned(self._classifier(self.plan.noise), self.plan.fine_tune, data)
        first, path = self._classifier(self.plan.noise), self.out / _FIRST
        if not join(self.device).first(path.exists()):
            found = self._first(data)
            if not rank():
                with written_aside(path) as part:
                    part.write_bytes(save({name: value.contiguous() for name, value in found.net.state_dict().items()}))
        # all processes go on from one file: batch normalisation's statistics are each process's own
        join(self.device).wait()
        first.net.load_state_dict(load_file(path))
        return self._fine_tuned(first, self.plan.fine_tune, data)

    def _first(self, data: Mix) -> Classifier:
        chosen = data.only("pseudo") if self.plan.first == "pseudo" else data
        objective = ImageObjective(
            classifier=self._classifier(self.plan.noise),
            batches=Batches(chosen, self.plan.fit.batch, self.key["batches"]),
            noise=self.plan.noise,
            fit=self.plan.fit,
            loss_plan=self.plan.loss,
            gallery=self.gallery,
            key=self.key,
        )
        log.info("%s: %s", self._name, _describe(chosen, objective))
        return _trained(objective, self.out, self.key["fit"], f"train {self._name}")

    def _fine_tuned(self, first: Classifier, plan: FineTunePlan, data: Mix) -> Classifier:
        net = self._net(self.plan.noise if plan.noise else NoisePlan())
        net.load_state_dict(first.net.state_dict())
        classifier = replace(
            first, net=net, resolution=plan.resolution or first.resolution, crop=plan.crop or first.crop
        )
        frozen = first_modules(net, self.plan.model) if plan.layers == "last" else []
        for module in frozen:
            module.requires_grad_(False)
        key, labeled = self.key["fine_tune"], data.only("labeled")
        objective = ImageObjective(
            classifier=classifier,
            batches=Batches(labeled, plan.fit.batch, key["batches"]),
            noise=self.plan.noise if plan.noise else None,
            fit=plan.fit,
            loss_plan=self.plan.loss,
            gallery=self.gallery,
            key=key,
            frozen=frozen,
        )
        noise = "under the same noise" if plan.noise else "without noise"
        log.info("%s, fine-tuning, %s layers, %s: %s", self._name, plan.layers, noise, _describe(labeled, objective))
        return _trained(objective, self.out / _SECOND, key["fit"], f"fine-tune {self._name}")

    def _classifier(self, noise: NoisePlan) -> Classifier:
        seen = (self.plan.resolution, self.plan.crop, self.pixels.mean, self.pixels.std)
        net = self._net(noise)
        if self.started is not None:
            net.load_state_dict(self.started.net.state_dict())
        return Classifier(net, self.plan.model, self.classes, *seen)

    def _net(self, noise: NoisePlan) -> nn.Module:
        torch.manual_seed(self.key["init"].number())
        net = build(self.plan.model, len(self.classes), dropout=noise.dropout, survival=noise.survival)
        return net.to(self.device)

    @property
    def _name(self) -> str:
        return f"{self.out.parent.name}/{self.out.name.removesuffix('.part')}"


def drop_resumption(out: Path) -> None:
    """Remove what only a resumption of the training in the folder needed."""
    drop_checkpoints(out)
    drop_checkpoints(out / _SECOND)
    (out / _FIRST).unlink(missing_ok=True)


def _trained(objective: ImageObjective, folder: Path, key: Key, title: str) -> Classifier:
    weights: dict[str, Tensor] = fit(objective, objective.fit, folder, key, title)
    objective.model.load_state_dict(weights)
    return objective.classifier


def _describe(data: Mix, objective: ImageObjective) -> str:
    parameters = sum(p.numel() for p in objective.model.parameters())
    sizes = ", ".join(f"{int(s.copies.sum()):,} {s.name} ({data.share(s):.0%} of a batch)" for s in data.sources)
    plan, epoch = objective.fit, objective.batches.epoch
    return (
        f"{parameters / 1e6:.2f} M parameters; images: {sizes}; {plan.updates} updates of {plan.batch:g}, "
        f"{plan.updates / epoch:.1f} epochs of {epoch} updates"
    )
