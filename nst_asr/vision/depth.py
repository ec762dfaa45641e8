"""Stochastic depth: in training, examples skip residual branches at random.

B batch, C channels, H height, W width, L blocks.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Survival(nn.Module):
    """The branch (B, C, H, W), in training times gate / p, one gate for each example: its expectation is the branch.

    Per example as Xie et al. 2020 have it. Huang et al. gate whole batches, and scale by p when they test instead of by
    1 / p when they train: in expectation the same. Branches are computed for all examples, so that batch
    normalisation always sees the whole batch. Draws come from torch's global generator of the branch's device.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, branch: Tensor) -> Tensor:
        """The branch as it is added to its skip connection."""
        if not self.training or self.probability == 1:
            return branch
        gate = torch.rand(len(branch), 1, 1, 1, device=branch.device) < self.probability
        return branch * (gate.to(branch.dtype) / self.probability)

    def extra_repr(self) -> str:
        """What `print` shows."""
        return f"probability={self.probability:g}"
