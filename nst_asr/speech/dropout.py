"""Dropout that does not hold up training on a CPU."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Dropout(nn.Module):
    """Zeroes a share of all numbers in training and scales the others so that the mean stays (Srivastava et al. 2014).

    On a CPU, torch's own dropout takes about a quarter of a small Conformer's step. Here four numbers share one
    64-bit draw, which is several times faster; the share is then rounded to a multiple of 1 / 65,536, and the scale
    is that of the rounded share. Other devices use torch's. Draws come from torch's global generator.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        if not 0 <= share < 1:
            raise ValueError(f"dropout = {share}: expected a share in [0, 1)")
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        """`x` in evaluation mode, and `x` with dropped numbers in training mode."""
        if not self.training or self.share == 0:
            return x
        if x.device.type != "cpu":
            return functional.dropout(x, self.share)
        below = min(round(self.share * 2**16), 2**16 - 1)
        dropped = _words(x.shape) < below - 2**15
        return x.masked_fill(dropped, 0.0) * (2**16 / (2**16 - below))

    def extra_repr(self) -> str:
        """What print shows."""
        return f"share={self.share}"


def _words(shape: torch.Size) -> Tensor:
    """Whole numbers uniform over -32,768 ... 32,767."""
    count = shape.numel()
    # without its bounds, random_ leaves the sign bit of every 64 bits zero
    draws = torch.empty((count + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
    return draws.view(torch.int16)[:count].view(shape)
