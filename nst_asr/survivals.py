"""Stochastic depth: how probable it is that each block survives."""

from __future__ import annotations


def survivals(blocks: int, last: float) -> list[float]:
    """The probability that each block's branch survives in training: p_l = 1 - (l / L) (1 - p_L), l = 1 ... L.

    Huang et al. 2016 (Deep Networks with Stochastic Depth), equation 4; `last` is p_L, and the input layer is l = 0.
    Raises ValueError unless 0 < last <= 1.
    """
    if not 0 < last <= 1:
        raise ValueError(f"survival = {last}: expected a probability in (0, 1]")
    return [1 - place / blocks * (1 - last) for place in range(1, blocks + 1)]
