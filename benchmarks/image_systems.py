"""What benchmarks/train_images.py compares: this package's path, its parts alone, and timm's training loop."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from timm.data.auto_augment import RandAugment
from timm.data.dataset import ImageDataset
from timm.data.loader import create_loader
from timm.optim import create_optimizer_v2  # type: ignore[attr-defined]
from torch import Tensor, nn
from torchvision.transforms import RandomCrop

from nst_asr.corpus import Labeled
from nst_asr.key import Key
from nst_asr.mix import Batches, mix
from nst_asr.plan import FitPlan
from nst_asr.train import fit
from nst_asr.vision.gallery import Gallery
from nst_asr.vision.manifests import read_manifest
from nst_asr.vision.model import Classifier
from nst_asr.vision.nets import NetPlan, build
from nst_asr.vision.noise import NoisePlan
from nst_asr.vision.objective import ImageObjective, ImagePiece
from nst_asr.vision.plan import LossPlan, VisionPlan
from nst_asr.vision.randaugment import RandAugmentPlan

AHEAD = 2  # updates of ours after the clock has stopped, which it loads ahead
READING, KEEPING = "nst_asr, nothing kept", "nst_asr"
_CLASSES = tuple(f"class{number}" for number in range(10))
_MEAN, _STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
_RATE, _DECAY = 0.01, 1e-4

Run = Callable[[], float]  # one turn: the seconds of the updates that count


@dataclass(frozen=True)
class Setting:
    """What all systems train: a net at some resolution, on files of this shape and kind."""

    side: int
    shape: tuple[int, int]  # height and width of the files
    suffix: str
    batch: int


NETS = {
    "resnet20": Setting(32, (32, 32), "png", 128),
    "efficientnet_b0": Setting(224, (375, 500), "jpg", 16),
}


@dataclass(frozen=True)
class Job:
    """How all systems train it."""

    folder: Path
    name: str
    batch: int
    loaders: int
    steps: int  # updates that count
    warm_up: int  # updates before them
    threads: int
    device: str
    precision: str
    clock: str

    @property
    def side(self) -> int:
        """Of the images, pixels."""
        return NETS[self.name].side


@dataclass
class Clock:
    """Told of every update as it begins, it gives the seconds from the first that counts to the one after the last."""

    job: Job
    updates: int = 0
    times: list[float] = field(default_factory=list)

    def mark(self) -> None:
        """An update begins."""
        if self.updates in (self.job.warm_up, self.job.warm_up + self.job.steps):
            if self.job.device == "cuda":
                torch.cuda.synchronize()
            self.times.append(time.process_time() if self.job.clock == "cpu" else time.perf_counter())
        self.updates += 1

    @property
    def done(self) -> bool:
        """Whether the last of the updates that count is over."""
        return len(self.times) == 2

    @property
    def seconds(self) -> float:
        """What they took."""
        return self.times[1] - self.times[0]


@dataclass(frozen=True)
class Timed:
    """Our objective under a clock; `held`: this piece in every batch, so that nothing is loaded."""

    objective: ImageObjective
    clock: Clock
    held: ImagePiece | None = None

    @property
    def model(self) -> nn.Module:
        """The weights to find."""
        return self.objective.model

    def load(self, step: int, rank: int = 0, world: int = 1) -> list[ImagePiece]:
        """The pieces of a batch."""
        return self.objective.load(step, rank, world) if self.held is None else [self.held]

    def loss(self, piece: ImagePiece) -> Tensor:
        """The loss of the one piece of a batch."""
        self.clock.mark()
        return self.objective.loss(piece)


def ours(job: Job) -> Iterator[tuple[str, Run]]:
    """This package's path, without and with decoded images kept, then its loader and its model alone."""
    keeping = _objective(job, VisionPlan.model_fields["cache_mb"].default)
    reading = _objective(job, 0)
    (held,) = keeping.load(0)
    yield READING, lambda: _fitted(job, reading)
    yield KEEPING, lambda: _fitted(job, keeping)
    yield "loader alone, nothing kept", lambda: _loaded(job, reading)
    yield "loader alone", lambda: _loaded(job, keeping)
    yield "model alone", lambda: _fitted(job, keeping, held)


def peers(job: Job) -> Iterator[tuple[str, Run]]:
    """timm's loop as it comes, and with its option for channels last."""
    yield "timm", _peer(job, torch.contiguous_format)
    yield "timm, channels last", _peer(job, torch.channels_last)


def write_images(folder: Path, setting: Setting, number: int) -> None:
    """Class folders of so many images: soft blots with some grain, which compress about as photographs do."""
    height, width = setting.shape
    for place in range(number):
        random = np.random.default_rng(place)
        blots = Image.fromarray(random.integers(0, 256, (6, 8, 3), np.uint8)).resize((width, height))
        grained = np.asarray(blots, np.float64) + random.normal(0, 6, (height, width, 3))
        path = folder / _CLASSES[place % len(_CLASSES)] / f"{place:06d}.{setting.suffix}"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(grained.clip(0, 255).astype(np.uint8)).save(path, quality=90)


def _objective(job: Job, megabytes: int) -> ImageObjective:
    plan = FitPlan.model_validate(
        {
            "updates": job.warm_up + job.steps + AHEAD,
            "batch": float(job.batch),
            "loaders": max(1, job.loaders),
            "optimizer": "sgd",
            "peak_rate": _RATE,
            "weight_decay": _DECAY,
            "warmup": 0,
            "clip": None,
            "precision": job.precision,
            "threads": job.threads,
        }
    )
    noise = NoisePlan(
        crop="pad" if job.side == 32 else "resized", rand_augment=RandAugmentPlan(magnitude=9.0, translate=0.45)
    )
    net = NetPlan(name=job.name)
    model = build(net, len(_CLASSES)).to(job.device)
    classifier = Classifier(model, net, _CLASSES, job.side, 1.0, _MEAN, _STD)
    batches = Batches(mix(Labeled(read_manifest(job.folder, labeled=True))), plan.batch, Key(0)["batches"])
    return ImageObjective(classifier, batches, noise, plan, LossPlan(), Gallery(megabytes), Key(0))


def _fitted(job: Job, objective: ImageObjective, held: ImagePiece | None = None) -> float:
    clock = Clock(job)
    with tempfile.TemporaryDirectory() as folder:
        fit(Timed(objective, clock, held), objective.fit, Path(folder), Key(0), "train")
    return clock.seconds


def _loaded(job: Job, objective: ImageObjective) -> float:
    clock = Clock(job)
    for step in range(job.warm_up + job.steps + 1):
        clock.mark()
        if not clock.done:
            objective.load(step)
    return clock.seconds


def _peer(job: Job, memory: torch.memory_format) -> Run:
    loader = _loader(job)
    model: Any = build(NetPlan(name=job.name), len(_CLASSES))
    model = model.to(job.device).to(memory_format=memory)
    optimizer: torch.optim.Optimizer = create_optimizer_v2(
        model, opt="sgd", lr=_RATE, weight_decay=_DECAY, momentum=0.9
    )
    return lambda: _peer_trained(job, loader, model, optimizer, memory)


def _loader(job: Job) -> Any:
    """timm's loader with the noise that ours has."""
    images: Any = ImageDataset
    dataset = images(str(job.folder))
    settings: dict[str, Any] = {
        "input_size": (3, job.side, job.side),
        "batch_size": job.batch,
        "is_training": True,
        "color_jitter": None,
        "auto_augment": "rand-m9-n2-p1.0-mmax100",
        "interpolation": "bilinear",
        "mean": _MEAN,
        "std": _STD,
        "num_workers": job.loaders,
        "pin_memory": job.device == "cuda",
        "device": torch.device(job.device),
    }
    loader = create_loader(dataset, **settings)
    steps = dataset.transform.transforms
    if job.side == 32:  # as is usual for CIFAR: timm itself would take a part of the image and scale it
        steps[0] = RandomCrop(32, padding=4)
    for step in steps:
        for operation in step.ops if isinstance(step, RandAugment) else []:
            operation.kwargs["resample"] = Image.Resampling.NEAREST  # as ours, and the faster one
    return loader


def _peer_trained(
    job: Job, loader: Any, model: nn.Module, optimizer: torch.optim.Optimizer, memory: torch.memory_format
) -> float:
    """Seconds of the updates that count, of an epoch as timm's training script does it."""
    clock, criterion = Clock(job), nn.CrossEntropyLoss()
    autocast: Any = torch.autocast(job.device, torch.bfloat16) if job.precision == "bfloat16" else nullcontext()
    model.train()
    optimizer.zero_grad()
    for images, targets in loader:
        clock.mark()
        if clock.done:
            break
        if memory == torch.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        with autocast:
            loss = criterion(model(images), targets)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return clock.seconds
