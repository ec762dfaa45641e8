"""What the small nets and the CIFAR ResNets share: a stem, stages, a mean over the map and one linear layer.

B batch, C channels (or classes), H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from nst_asr.vision.depth import Survival


class Staged(nn.Module):
    """Images (B, 3, H, W) to logits (B, C): stem, stages, global average, dropout, linear."""

    def __init__(self, stem: nn.Module, stages: Sequence[nn.Module], width: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.stem = stem
        self.stages = nn.Sequential(*stages)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(width, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, C)."""
        return self.classifier(self.dropout(self.stages(self.stem(images)).mean((2, 3))))  # type: ignore[no-any-return]


class Residual(nn.Module):
    """relu(shortcut(x) + branch(x)), the branch under stochastic depth (He et al. 2016, figure 2)."""

    def __init__(self, branch: nn.Module, shortcut: nn.Module, survival: float) -> None:
        super().__init__()
        self.branch, self.shortcut, self.survival = branch, shortcut, Survival(survival)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """The block's output."""
        return self.relu(self.shortcut(x) + self.survival(self.branch(x)))  # type: ignore[no-any-return]


def convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    """A 3 x 3 convolution without a bias, which batch normalisation brings; a side of H becomes ceil(H / stride)."""
    return nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)


def halved() -> nn.MaxPool2d:
    """A 2 x 2 maximum at stride 2; an odd side is rounded up, so that no map falls below one pixel."""
    return nn.MaxPool2d(2, ceil_mode=True)


def initialise(net: nn.Module) -> None:
    """Draw the convolutions' weights from N(0, 2 / (9 C_out)) (He et al. 2015, section 2.2, backward form).

    Batch normalisation and the linear layer stay as they are.
    """
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
