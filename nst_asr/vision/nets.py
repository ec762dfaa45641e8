"""Which net is meant by a name, how large it is, and which of its layers come last.

B batch, C classes, H height, W width.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from functools import lru_cache

import torch
from pydantic import Field, field_validator, model_validator
from torch import nn

from nst_asr.config import Record
from nst_asr.vision import efficientnet, small
from nst_asr.vision.cifar_resnet import DEPTHS, cifar_resnet
from nst_asr.vision.exact import exact
from nst_asr.vision.staged import Staged, initialise

_SMALL = ("convnet5", "convnet6", "resnet6", "resnet9")
_CIFAR = {f"resnet{depth}": depth for depth in DEPTHS}
NAMES = (*_SMALL, *_CIFAR, *efficientnet.NAMES)


class NetError(ValueError):
    """A net that cannot be built or used as asked; the message names the net, the value and the way out."""


class NetPlan(Record):
    """A net by its name."""

    name: str
    width: float = Field(1.0, gt=0, le=16)  # channels of the small nets and the CIFAR ResNets are multiplied by it

    @field_validator("name")
    @classmethod
    def _name_is_known(cls, name: str) -> str:
        if name not in NAMES:
            near = difflib.get_close_matches(name, NAMES, n=1, cutoff=0.0)[0]
            raise ValueError(f"unknown net; did you mean {near}? (known: {', '.join(NAMES)})")
        return name

    @model_validator(mode="after")
    def _efficientnets_have_sizes_of_their_own(self) -> NetPlan:
        if self.name in efficientnet.NAMES and self.width != 1:
            raise ValueError(f"width = {self.width:g}: leave it out with {self.name}; take another of B0 to B8 and L2")
        return self


def build(plan: NetPlan, classes: int, *, dropout: float = 0.0, survival: float = 1.0) -> nn.Module:
    """A new net: normalised images, floats (B, 3, H, W), to logits (B, C). Its weights lie channels last.

    dropout: the probability before the classifier; survival: of the last residual branch under stochastic depth.
    Weights are drawn from torch's global generator, which the caller seeds. Raises NetError for values out of range.
    """
    refuse_unfit(plan, classes, dropout, survival)
    if plan.name in efficientnet.NAMES:
        net = efficientnet.efficientnet(plan.name, classes, dropout, survival)
    else:
        net = _staged(plan, classes, dropout, survival)
        initialise(net)
    net.classifier = exact(net.get_submodule("classifier"))  # type: ignore[arg-type]
    return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


@lru_cache(maxsize=64)
def parameter_count(plan: NetPlan, classes: int = 10) -> int:
    """Trainable numbers in the net, counted without memory for them."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in build(plan, classes).parameters())


def refuse_smaller(student: NetPlan, teacher: NetPlan, classes: int = 10) -> None:
    """Raise NetError where the student has fewer parameters than its teacher (Xie et al. 2020: equal or larger)."""
    ours, theirs = parameter_count(student, classes), parameter_count(teacher, classes)
    if ours < theirs:
        raise NetError(
            f"the student {student.name} has {ours:,} parameters, its teacher {teacher.name} {theirs:,}: "
            "take an equal or a larger net"
        )


def first_modules(net: nn.Module, plan: NetPlan, stages: int = 1) -> list[nn.Module]:
    """What comes before the last `stages` stages: the modules to freeze when only the last layers are trained.

    What an EfficientNet has between its last stage and its classifier counts as classifier. Raises NetError where the
    net has fewer stages.
    """
    stem, blocks = _stem_and_stages(net)
    if not 0 <= stages <= len(blocks):
        raise NetError(f"stages = {stages}: {plan.name} has {len(blocks)} stages; give 0 to {len(blocks)}")
    return [*stem, *blocks[: len(blocks) - stages]]


def freeze(modules: Sequence[nn.Module]) -> None:
    """Take the modules out of training: no gradients, evaluation mode, so that running statistics stay as they are.

    `net.train()` puts the whole net back into training mode: call this again after it.
    """
    for module in modules:
        module.eval().requires_grad_(False)


def refuse_unfit(plan: NetPlan, classes: int, dropout: float, survival: float) -> None:
    """Raise NetError where the net cannot be built with these values."""
    if classes < 1:
        raise NetError(f"classes = {classes}: {plan.name} needs one or more")
    if not 0 <= dropout < 1:
        raise NetError(f"dropout = {dropout:g}: expected a probability in [0, 1)")
    if not 0 < survival <= 1:
        raise NetError(f"survival = {survival:g}: expected a probability in (0, 1]")
    if survival < 1 and plan.name.startswith("conv"):
        raise NetError(f"survival = {survival:g}: {plan.name} has no branches to drop; leave it at 1 or take a ResNet")


def _stem_and_stages(net: nn.Module) -> tuple[list[nn.Module], list[nn.Module]]:
    if isinstance(net, Staged):
        return [net.stem], list(net.stages)
    return [net.get_submodule("conv_stem"), net.get_submodule("bn1")], list(net.get_submodule("blocks").children())


def _staged(plan: NetPlan, classes: int, dropout: float, survival: float) -> Staged:
    if plan.name in _CIFAR:
        return cifar_resnet(_CIFAR[plan.name], classes, plan.width, dropout, survival)
    if plan.name.startswith("conv"):
        make = small.convnet5 if plan.name == "convnet5" else small.convnet6
        return make(classes, plan.width, dropout)
    branched = small.resnet6 if plan.name == "resnet6" else small.resnet9
    return branched(classes, plan.width, dropout, survival)
