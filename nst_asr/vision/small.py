"""Four small nets, each larger than the one before, made to train fast on a CPU: they pool early.

Weight layers (convolutions and one linear layer) are counted in the names, 1 x 1 shortcuts are not. Maximum pooling
comes before batch normalisation: on a quarter of the pixels, and as accurate. B batch, C classes, H height, W width.
"""

from __future__ import annotations

from torch import nn

from nst_asr.vision.depth import survivals
from nst_asr.vision.staged import Residual, Staged, convolution, halved


def convnet5(classes: int, width: float = 1.0, dropout: float = 0.0) -> Staged:
    """Four convolutions and a linear layer: 0.11 M parameters."""
    a, b, c = (scaled(channels, width) for channels in (32, 64, 96))
    stages = [_step(a, b, pool=True), _step(b, b, pool=True), _step(b, c)]
    return Staged(_step(3, a, pool=True), stages, c, classes, dropout)


def convnet6(classes: int, width: float = 1.0, dropout: float = 0.0) -> Staged:
    """Five convolutions and a linear layer: 0.20 M parameters."""
    a, b, c = (scaled(channels, width) for channels in (32, 64, 96))
    stages = [_step(a, b, pool=True), _step(b, b), _step(b, c, pool=True), _step(c, c)]
    return Staged(_step(3, a, pool=True), stages, c, classes, dropout)


def resnet6(classes: int, width: float = 1.0, dropout: float = 0.0, survival: float = 1.0) -> Staged:
    """A stem, two residual blocks of two convolutions, a linear layer: 0.20 M parameters."""
    a, b, c = (scaled(channels, width) for channels in (32, 64, 96))
    first, last = survivals(2, survival)
    return Staged(_step(3, a, pool=True), [_block(a, b, 2, first), _block(b, c, 2, last)], c, classes, dropout)


def resnet9(classes: int, width: float = 1.0, dropout: float = 0.0, survival: float = 1.0) -> Staged:
    """A stem, a convolution, three residual blocks of two, a linear layer: 0.29 M parameters."""
    a, b, c = (scaled(channels, width) for channels in (32, 64, 96))
    first, second, last = survivals(3, survival)
    stages = [_step(a, b, pool=True), _block(b, b, 1, first), _block(b, b, 1, second), _block(b, c, 2, last)]
    return Staged(_step(3, a, pool=True), stages, c, classes, dropout)


def scaled(channels: int, width: float) -> int:
    """`channels` times `width`, to the nearest multiple of 8 above 0."""
    return max(8, 8 * round(channels * width / 8))


def _step(inputs: int, outputs: int, *, pool: bool = False) -> nn.Sequential:
    pooling = [halved()] if pool else []
    return nn.Sequential(convolution(inputs, outputs), *pooling, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def _block(inputs: int, outputs: int, stride: int, survival: float) -> Residual:
    """Two convolutions; where the shape changes the shortcut is a 1 x 1 convolution (He et al. 2016, option B)."""
    branch = nn.Sequential(
        convolution(inputs, outputs, stride),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
        convolution(outputs, outputs),
        nn.BatchNorm2d(outputs),
    )
    shortcut = (
        nn.Identity()
        if (inputs, stride) == (outputs, 1)
        else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
    )
    return Residual(branch, shortcut, survival)
