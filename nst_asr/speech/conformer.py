"""The Conformer encoder with a CTC head: features in, logits out.

B batch, T frames, F mel channels, D width, L blocks, V vocabulary (the blank, index 0, counted).
"""

from __future__ import annotations

from typing import Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from nst_asr.config import Record
from nst_asr.speech.attention import SelfAttention, rotary_angles
from nst_asr.speech.dropout import Dropout
from nst_asr.speech.subsampling import Subsampling, inside, subsampled_lengths

__all__ = ["Conformer", "ConformerPlan", "subsampled_lengths", "survivals"]


class ConformerPlan(Record):
    """The architecture. Dropout and stochastic depth are noise, and no part of it: `train` brings them.

    The defaults are the encoder of Conformer S (Gulati et al. 2020, table 1), its kernel 31 for the paper's 32 so that
    the convolution has a middle.
    """

    width: int = Field(144, ge=2)  # D: size of a frame's vector between the blocks
    blocks: int = Field(16, ge=1)
    heads: int = Field(4, ge=1)
    feed_forward: int = Field(4, ge=1)  # inner size of the feed-forward modules, in multiples of the width
    kernel: int = Field(31, ge=1)  # frames that a depthwise convolution spans; odd
    channels: int = Field(64, ge=1)  # of the two subsampling convolutions

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.width % (2 * self.heads):
            raise ValueError(
                f"width {self.width} must be a multiple of 2 x heads = {2 * self.heads}: rotary positions turn pairs"
            )
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel {self.kernel} must be odd, such as {self.kernel + 1}: it is centred on a frame")
        return self


class Conformer(nn.Module):
    """Logits over the vocabulary, one vector for every four frames (Gulati et al. 2020, arXiv 2005.08100).

    Deviations: rotary for relative sinusoidal positions; LayerNorm for BatchNorm in the convolution module, since the
    statistics of a batch would count padding and tie utterances together; a linear CTC head for the transducer.

    dropout: after the subsampling, inside and after each feed-forward, after attention, after the convolution module
    (sections 2 and 3.2). survival: stochastic depth, see `survivals`. Both act in training mode only and draw from
    torch's global generator, which the caller seeds.
    """

    def __init__(
        self, plan: ConformerPlan, mels: int, vocabulary: int, *, dropout: float = 0.0, survival: float = 1.0
    ) -> None:
        super().__init__()
        if vocabulary < 2:
            raise ValueError(f"vocabulary = {vocabulary}: expected the blank and at least one token")
        self.plan = plan
        self.survivals = survivals(plan.blocks, survival)
        self.subsampling = Subsampling(mels, plan.channels, plan.width, dropout)
        self.blocks = nn.ModuleList(Block(plan, dropout) for _ in range(plan.blocks))
        self.head = nn.Linear(plan.width, vocabulary)

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, T', V) and their lengths (B,), T' = ceil(T / 4); those past a length mean nothing.

        features: (B, T, F) log-mel; whatever lies past an utterance's length is ignored. lengths: frames, integers
        (B,). An utterance of 1 to 4 frames gives one vector, one of none gives none. Raises ValueError for lengths
        that the features do not hold.
        """
        B, T, _F = features.shape
        if T == 0 or lengths.shape != (B,) or int(lengths.max()) > T or int(lengths.min()) < 0:
            raise ValueError(f"lengths {lengths.tolist()} do not fit features of shape {tuple(features.shape)}")
        x, lengths = self.subsampling(features, lengths)
        real = inside(lengths, x.shape[1])
        angles = rotary_angles(x.shape[1], self.plan.width // self.plan.heads, x.device)
        for block, survival in zip(self.blocks, self.survivals, strict=True):
            x = _survive(block, survival, x, angles, real) if self.training else block(x, angles, real)
        return self.head(x), lengths


class Block(nn.Module):
    """One Conformer block: half a feed-forward, attention, convolution, half a feed-forward, norm (section 2.4)."""

    def __init__(self, plan: ConformerPlan, dropout: float) -> None:
        super().__init__()
        self.before = _feed_forward(plan, dropout)
        self.attention = SelfAttention(plan.width, plan.heads, dropout)
        self.convolution = Convolution(plan.width, plan.kernel, dropout)
        self.after = _feed_forward(plan, dropout)
        self.norm = nn.LayerNorm(plan.width)

    def forward(self, x: Tensor, angles: tuple[Tensor, Tensor], real: Tensor | None) -> Tensor:
        """The block's output (B, T, D). real: True where a frame is no padding (B, T), or None for everywhere."""
        x = torch.add(x, self.before(x), alpha=0.5)
        x = x + self.attention(x, angles, real)
        x = x + self.convolution(x, real)
        return self.norm(torch.add(x, self.after(x), alpha=0.5))  # type: ignore[no-any-return]


class Convolution(nn.Module):
    """Norm, pointwise GLU, depthwise convolution over time, norm, swish, pointwise, dropout (section 2.2).

    LayerNorm over the channels of a frame in the place of BatchNorm.
    """

    def __init__(self, width: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.gated = nn.Linear(width, 2 * width)
        self.depthwise = nn.Conv2d(width, width, (1, kernel), padding=(0, kernel // 2), groups=width)
        self.inner_norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, width)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, real: Tensor | None) -> Tensor:
        """What is to be added to `x` (B, T, D)."""
        y = functional.glu(self.gated(self.norm(x)))
        if real is not None:
            y = y.masked_fill(~real[:, :, None], 0.0)
        # (B, T, D) seen as (B, D, 1, T) *is* channels last: no copy, and the fast depthwise kernel
        y = self.depthwise(y.transpose(1, 2).unsqueeze(2)).squeeze(2).transpose(1, 2)
        return self.dropout(self.out(functional.silu(self.inner_norm(y))))  # type: ignore[no-any-return]


def survivals(blocks: int, last: float) -> list[float]:
    """The probability that each block survives in training: p_l = 1 - (l / L) (1 - p_L), l = 1 ... L.

    Huang et al. 2016 (Deep Networks with Stochastic Depth), equation 4; `last` is p_L. Raises ValueError unless
    0 < last <= 1.
    """
    if not 0 < last <= 1:
        raise ValueError(f"survival = {last}: expected a probability in (0, 1]")
    return [1 - place / blocks * (1 - last) for place in range(1, blocks + 1)]


def _survive(
    block: nn.Module, survival: float, x: Tensor, angles: tuple[Tensor, Tensor], real: Tensor | None
) -> Tensor:
    """x + (gate / p) (block(x) - x), one gate for each utterance; its expectation is what evaluation computes.

    Per utterance as Xie et al. 2020 have it; Huang et al. gate whole batches, and scale by p when they test. Only
    the utterances that survive are computed: a dropped block costs nothing.
    """
    if survival == 1:
        return block(x, angles, real)  # type: ignore[no-any-return]
    # drawn on the CPU, so that the number of survivors is known without waiting for a GPU
    alive = (torch.rand(len(x)) < survival).nonzero().squeeze(1).to(x.device)
    chosen = x[alive]
    change = block(chosen, angles, None if real is None else real[alive]) - chosen
    return x.to(change.dtype).index_add(0, alive, change, alpha=1 / survival)


def _feed_forward(plan: ConformerPlan, dropout: float) -> nn.Sequential:
    """Norm, expansion, swish, dropout, projection, dropout (section 2.3)."""
    inner = plan.feed_forward * plan.width
    return nn.Sequential(
        nn.LayerNorm(plan.width),
        nn.Linear(plan.width, inner),
        nn.SiLU(),
        Dropout(dropout),
        nn.Linear(inner, plan.width),
        Dropout(dropout),
    )
