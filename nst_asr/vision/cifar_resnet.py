"""The ResNets for CIFAR (He et al. 2016, Deep Residual Learning for Image Recognition, section 4.2).

6n + 2 weight layers: a stem, three stages of n blocks with 16, 32 and 64 channels, a linear layer. Shortcuts have no
weights (option A). B batch, C channels, H height, W width.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from nst_asr.survivals import survivals
from nst_asr.vision.staged import Residual, Staged, convolution

DEPTHS = (20, 26, 32, 38)


def cifar_resnet(depth: int, classes: int, width: float = 1.0, dropout: float = 0.0, survival: float = 1.0) -> Staged:
    """ResNet-`depth` with channels times `width`; with survival < 1 under stochastic depth.

    The paper has no dropout; here it stands before the linear layer. Raises ValueError unless depth is 6n + 2.
    """
    blocks, rest = divmod(depth - 2, 6)
    if rest or blocks < 1:
        raise ValueError(
            f"depth = {depth}: ResNets for CIFAR have 6n + 2 layers, such as {', '.join(map(str, DEPTHS))}"
        )
    channels = [max(1, round(base * width)) for base in (16, 32, 64)]
    stem = nn.Sequential(convolution(3, channels[0]), nn.BatchNorm2d(channels[0]), nn.ReLU(inplace=True))
    alive = iter(survivals(3 * blocks, survival))
    stages = [
        _stage(inputs, outputs, stride, blocks, alive)
        for inputs, outputs, stride in zip(channels[:1] + channels, channels, (1, 2, 2), strict=False)
    ]
    return Staged(stem, stages, channels[-1], classes, dropout)


class Padded(nn.Module):
    """Option A: every stride-th pixel, and zeros for the channels that the block adds."""

    def __init__(self, more: int, stride: int) -> None:
        super().__init__()
        self.more, self.stride = more, stride

    def forward(self, x: Tensor) -> Tensor:
        """(B, C + more, ceil(H / stride), ceil(W / stride))."""
        return nn.functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.more))


def _stage(inputs: int, outputs: int, stride: int, blocks: int, alive: Iterator[float]) -> nn.Sequential:
    first = _block(inputs, outputs, stride, next(alive))
    return nn.Sequential(first, *(_block(outputs, outputs, 1, next(alive)) for _ in range(blocks - 1)))


def _block(inputs: int, outputs: int, stride: int, survival: float) -> Residual:
    branch = nn.Sequential(
        convolution(inputs, outputs, stride),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
        convolution(outputs, outputs),
        nn.BatchNorm2d(outputs),
    )
    unchanged = inputs == outputs and stride == 1
    return Residual(branch, nn.Identity() if unchanged else Padded(outputs - inputs, stride), survival)
