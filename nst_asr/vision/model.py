"""A classifier: a self-contained folder with weights, class names, the way images are normalised, and lineage.

Legend: B batch, S side of the square image, C classes.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from nst_asr import __version__, config, sealed
from nst_asr.store import StoreError, written_aside
from nst_asr.vision import efficientnet
from nst_asr.vision.nets import NetPlan, build

_WEIGHTS = "weights.safetensors"
_DECIDING = ("architecture", "classes", "resolution", "crop", "mean", "std")
Triple = tuple[float, float, float]


class ModelError(ValueError):
    """Weights, classes or images that do not fit; the message names what, its value and the way out."""


@dataclass(frozen=True)
class Classifier:
    """A net with all that it takes to go from pixels to classes."""

    net: nn.Module
    architecture: NetPlan
    classes: tuple[str, ...]
    resolution: int  # pixels, the side of the images it is given
    crop: float  # share of the shorter side that the clean centre crop takes, in (0, 1]
    mean: Triple  # of each channel, in units where a pixel lies in [0, 1]
    std: Triple

    def __post_init__(self) -> None:
        _refuse_unusable(self)

    @property
    def device(self) -> torch.device:
        """Where the net is."""
        return next(self.net.parameters()).device

    def normalise(self, images: Tensor) -> Tensor:
        """uint8 images (B, S, S, 3) as float32 (B, 3, S, S), mean 0 and std 1, channels last, on the net's device."""
        mean, std = (torch.tensor(values, device=self.device).view(3, 1, 1) for values in (self.mean, self.std))
        # pixels of an image array already lie channels last: permuting copies nothing
        return images.to(self.device).permute(0, 3, 1, 2).float().sub_(255 * mean).div_(255 * std)

    def logits(self, images: np.ndarray | Tensor) -> Tensor:
        """Logits (B, C), float32, of uint8 images (B, S, S, 3): evaluation mode, clean input; bfloat16 on a GPU.

        Raises ModelError for images of another type or shape than the net was made for.
        """
        images = torch.as_tensor(images)
        _refuse_misshapen(images, self.resolution)
        self.net.eval()
        on_gpu = self.device.type == "cuda"
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, enabled=on_gpu):
            found: Tensor = self.net(self.normalise(images))
        return found.float()

    def probabilities(self, images: np.ndarray | Tensor, temperature: float = 1.0) -> Tensor:
        """softmax(logits / temperature), (B, C), float32."""
        if not temperature > 0:
            raise ModelError(f"temperature = {temperature:g}: expected a number above 0")
        return (self.logits(images) / temperature).softmax(-1)

    def save(self, folder: Path, lineage: dict[str, Any]) -> None:
        """Write the folder and seal it with its hash, the last file written."""
        folder.mkdir(parents=True, exist_ok=True)
        with written_aside(folder / _WEIGHTS) as part:
            part.write_bytes(save({name: _stored(value) for name, value in self.net.state_dict().items()}))
        content = {
            "architecture": self.architecture.model_dump(mode="json"),
            "classes": list(self.classes),
            "resolution": self.resolution,
            "crop": self.crop,
            "mean": list(self.mean),
            "std": list(self.std),
            "parameters": sum(value.numel() for value in self.net.parameters()),
            "lineage": lineage,
            "version": __version__,
        }
        sealed.seal(folder, content, (_WEIGHTS,), _DECIDING)


def load(folder: Path, device: torch.device | str = "cpu") -> Classifier:
    """The classifier in a model folder, in evaluation mode, without dropout or stochastic depth.

    Raises StoreError where the folder holds none, or other content than its hash sealed.
    """
    sealed.refuse_unfinished(folder)
    sealed.refuse_altered(folder, (_WEIGHTS,), _DECIDING)
    try:
        return _load(folder, device)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise StoreError(f"{folder}: a damaged model folder ({error})") from error


def folder_hash(folder: Path) -> str:
    """A digest of everything in a model folder that decides what it sees."""
    return sealed.digest(folder, (_WEIGHTS,), _DECIDING)


def from_published(
    weights: Path,
    plan: NetPlan,
    classes: Sequence[str],
    *,
    resolution: int | None = None,
    crop: float | None = None,
    device: torch.device | str = "cpu",
) -> Classifier:
    """A classifier of published EfficientNet weights: a .pth or .safetensors file of timm's tf_efficientnet_*_ns.

    classes: names in the order of the weights' outputs. Resolution and crop are those that timm gives for the
    noisy-student weights, unless they are given (L2's: 800 and 0.96; for the weights trained at 475 give 475 and
    0.936). Raises ModelError where the file cannot be read, or names and shapes are not those of the plan.
    """
    if plan.name not in efficientnet.NAMES:
        raise ModelError(f"{plan.name}: weights are published for EfficientNets; name one of them")
    given, seen = _published_state(weights), efficientnet.published(plan.name)
    net = build(plan, len(classes))
    _refuse_mismatch(weights, plan, given, net.state_dict())
    net.load_state_dict(given)
    return Classifier(
        net.to(device).eval(),
        plan,
        tuple(classes),
        seen.resolution if resolution is None else resolution,
        seen.crop if crop is None else crop,
        seen.mean,
        seen.std,
    )


def _load(folder: Path, device: torch.device | str) -> Classifier:
    content = json.loads((folder / sealed.DESCRIPTION).read_text(encoding="utf-8"))
    plan = config.parse(NetPlan, content["architecture"], str(folder / sealed.DESCRIPTION))
    classes = tuple(content["classes"])
    with torch.device("meta"):  # draws nothing: loading leaves torch's generator as it was
        net = build(plan, len(classes))
    net.to_empty(device=device).load_state_dict(load_file(folder / _WEIGHTS))
    seen = content["resolution"], content["crop"], _triple(content["mean"]), _triple(content["std"])
    return Classifier(net.eval(), plan, classes, *seen)


def _stored(value: Tensor) -> Tensor:
    """Fractions as float32; whole numbers, such as batch normalisation's count of batches, as they are."""
    value = value.detach().cpu()
    return (value.float() if value.is_floating_point() else value).contiguous()


def _triple(values: Sequence[float]) -> Triple:
    red, green, blue = values
    return red, green, blue


def _published_state(weights: Path) -> dict[str, Tensor]:
    """Names and values in a file of weights."""
    try:
        if weights.suffix == ".safetensors":
            return dict(load_file(weights))
        content = torch.load(weights, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError, UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{weights}: not weights that can be read ({reason})") from error
    content = content.get("state_dict", content) if isinstance(content, Mapping) else {}
    state = {name: value for name, value in content.items() if isinstance(value, Tensor)}
    if not state:
        raise ModelError(f"{weights}: holds no named weights; give a file that timm publishes")
    return state


def _refuse_mismatch(weights: Path, plan: NetPlan, given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """Say how the weights differ from the net. Counts of batches, which old files lack, do not matter."""
    if "classifier.bias" in given and len(given["classifier.bias"]) != len(wanted["classifier.bias"]):
        raise ModelError(
            f"{weights}: its classifier has {len(given['classifier.bias'])} classes, "
            f"{len(wanted['classifier.bias'])} names were given; give one name for each output"
        )
    missing = [name for name in wanted if name not in given and not name.endswith("num_batches_tracked")]
    unknown = [name for name in given if name not in wanted]
    other = [name for name in wanted if name in given and given[name].shape != wanted[name].shape]
    for what, names in (("lacks", missing), ("has besides", unknown), ("has in another shape", other)):
        if names:
            shapes = (
                f" {tuple(given[names[0]].shape)}, expected {tuple(wanted[names[0]].shape)}" if names is other else ""
            )
            raise ModelError(
                f"{weights}: not the weights of {plan.name}: {what} {names[0]}{shapes} "
                f"({len(names)} such names); name the net that they were made for"
            )


def _refuse_unusable(classifier: Classifier) -> None:
    doubled = [name for name, times in Counter(classifier.classes).items() if times > 1]
    if doubled or not classifier.classes:
        what = f"the class {doubled[0]!r} occurs twice" if doubled else "there are no classes"
        raise ModelError(f"{what}; give each output a name of its own")
    if classifier.resolution < 1 or not 0 < classifier.crop <= 1:
        raise ModelError(
            f"resolution = {classifier.resolution}, crop = {classifier.crop:g}: "
            "expected pixels above 0 and a share in (0, 1]"
        )
    if not all(value > 0 for value in classifier.std):
        raise ModelError(f"std = {classifier.std}: expected numbers above 0; is a channel the same everywhere?")


def _refuse_misshapen(images: Tensor, resolution: int) -> None:
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1:] != (resolution, resolution, 3):
        raise ModelError(
            f"images are {str(images.dtype).removeprefix('torch.')} {tuple(images.shape)}, expected uint8 "
            f"(B, {resolution}, {resolution}, 3): crop and scale them first, or replace the classifier's resolution"
        )
