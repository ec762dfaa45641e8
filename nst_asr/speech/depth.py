"""Stochastic depth: in training, utterances skip blocks at random.

B batch, T frames, D width, L blocks.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

# a block: (x, positions, real) -> its output
Step = Callable[[Tensor, Tensor, Tensor | None], Tensor]


def survive(block: Step, survival: float, x: Tensor, positions: Tensor, real: Tensor | None) -> Tensor:
    """x + (gate / p) (block(x) - x), one gate for each utterance; its expectation is what evaluation computes.

    Per utterance as Xie et al. 2020 have it; Huang et al. gate whole batches, and scale by p when they test. Only
    the utterances that survive are computed: a dropped block costs nothing.
    """
    if survival == 1:
        return block(x, positions, real)
    # drawn on the CPU, so that the number of survivors is known without waiting for a GPU
    drawn = (torch.rand(len(x)) < survival).nonzero().squeeze(1)
    # a GPU's fused attention refuses an empty batch: where nobody survives, one is computed and counts nothing
    scale = 1 / survival if len(drawn) else 0.0
    alive = (drawn if len(drawn) else drawn.new_zeros(1)).to(x.device)
    chosen = x[alive]
    change = block(chosen, positions, None if real is None else real[alive]) - chosen
    return x.to(change.dtype).index_add(0, alive, change, alpha=scale)
