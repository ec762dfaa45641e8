"""Four small nets, each larger than the one before, made to train fast on a CPU: they pool early.

The names count weight layers: convolutions and one linear layer. Maximum pooling comes before batch normalisation,
which then sees a quarter of the pixels. B batch, C classes, H height, W width.
"""

from __future__ import annotations

from torch import nn

from nst_asr.survivals import survivals
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
    """Three convolutions, a residual block of two on the smallest map, a linear layer: 0.24 M parameters."""
    a, b, c = (scaled(channels, width) for channels in (32, 64, 96))
    stages = [_step(a, b, pool=True), _step(b, c, pool=True), _block(c, *survivals(1, survival))]
    return Staged(_step(3, a, pool=True), stages, c, classes, dropout)


def resnet9(classes: int, width: float = 1.0, dropout: float = 0.0, survival: float = 1.0) -> Staged:
    """Four convolutions, after the second and the third a residual block of two, a linear layer: 0.31 M parameters."""
    a, b, c = (scaled(channels, width) for channels in (32, 64, 80))
    first, last = survivals(2, survival)
    stages = [_step(a, b, pool=True), _block(b, first), _step(b, c, pool=True), _block(c, last), _step(c, c)]
    return Staged(_step(3, a, pool=True), stages, c, classes, dropout)


def scaled(channels: int, width: float) -> int:
    """`channels` times `width`, to the nearest multiple of 8 above 0."""
    return max(8, 8 * round(channels * width / 8))


def _step(inputs: int, outputs: int, *, pool: bool = False) -> nn.Sequential:
    pooling = [halved()] if pool else []
    return nn.Sequential(convolution(inputs, outputs), *pooling, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def _block(channels: int, survival: float) -> Residual:
    """Two convolutions beside an identity. The block begins as the identity (Goyal et al. 2017, section 5.1)."""
    last = nn.BatchNorm2d(channels)
    nn.init.zeros_(last.weight)
    first = (convolution(channels, channels), nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
    return Residual(nn.Sequential(*first, convolution(channels, channels), last), nn.Identity(), survival)
