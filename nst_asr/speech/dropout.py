"""Dropout, and swish with dropout, that do not hold up training on a CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

_PARTS = 2**16  # what a share is rounded to


class Dropout(nn.Module):
    """Zeroes a share of all numbers in training and scales the others so that the mean stays (Srivastava et al. 2014).

    On a CPU, torch's own dropout takes about a quarter of a small Conformer's step. Here four numbers share one
    64-bit draw of numpy's SFC64, whose seed comes from torch's global generator: ten times faster. The share is then
    rounded to a multiple of 1 / 65,536, and the scale is that of the rounded share. Other devices use torch's, and so
    do compiled blocks.

    swish: of x times the logistic function of x, as the feed-forward modules have it (Ramachandran et al. 2017), in one
    pass with the dropout.
    """

    def __init__(self, share: float, *, swish: bool = False) -> None:
        super().__init__()
        if not 0 <= share < 1:
            raise ValueError(f"dropout = {share}: expected a share in [0, 1)")
        self.share = share
        self.swish = swish

    def forward(self, x: Tensor) -> Tensor:
        """`x`, after swish where asked for; in training mode with dropped numbers."""
        if not self.training or self.share == 0:
            return functional.silu(x) if self.swish else x
        if x.device.type != "cpu" or torch.compiler.is_compiling():
            return functional.dropout(functional.silu(x) if self.swish else x, self.share)
        dropped = min(round(self.share * _PARTS), _PARTS - 1)
        function = _SwishDropped if self.swish else _Dropped
        return function.apply(x, draw_words(x.shape), dropped)  # type: ignore[no-any-return, no-untyped-call]

    def extra_repr(self) -> str:
        """What print shows."""
        return f"share={self.share}" + (", swish" if self.swish else "")


def draw_words(shape: torch.Size) -> Tensor:
    """Whole numbers uniform over -32,768 ... 32,767, int16, from a seed that torch's global generator gives."""
    count = shape.numel()
    seed = int(torch.empty((), dtype=torch.int64).random_())
    draws = np.random.Generator(np.random.SFC64(seed)).integers(0, 2**64, (count + 3) // 4, dtype=np.uint64)
    return torch.from_numpy(draws.view(np.int16)[:count]).view(shape)


def _factors(words: Tensor, dropped: int, like: Tensor) -> Tensor:
    """1 / (1 - share) for numbers that are kept and 0 for the others, of the type of `like`."""
    # compared into numbers rather than into truth values: torch does both this and the product with many at a time
    kept = torch.ge(words, dropped - _PARTS // 2, out=like.new_empty(like.shape))
    return kept.mul_(_PARTS / (_PARTS - dropped))


class _Dropped(torch.autograd.Function):
    """Dropout that keeps two bytes for each number, and makes the factors again for the backward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, words: Tensor, dropped: int) -> Tensor:
        ctx.save_for_backward(words)
        ctx.dropped = dropped
        return _factors(words, dropped, x).mul_(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (words,) = ctx.saved_tensors
        return _factors(words, ctx.dropped, gradient).mul_(gradient), None, None


class _SwishDropped(torch.autograd.Function):
    """Dropout of swish: as `_Dropped`, and nothing kept between the two."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, words: Tensor, dropped: int) -> Tensor:
        ctx.save_for_backward(x, words)
        ctx.dropped = dropped
        return functional.silu(x).mul_(_factors(words, dropped, x))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        x, words = ctx.saved_tensors
        outer = _factors(words, ctx.dropped, gradient).mul_(gradient)
        return torch.ops.aten.silu_backward(outer, x), None, None
