"""The Conformer encoder with a CTC head: features in, logits out.

B batch, T frames, F mel channels, D width, L blocks, V vocabulary (the blank, index 0, counted).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from nst_asr.config import Record
from nst_asr.speech import presets
from nst_asr.speech.attention import SelfAttention, rotary_angles
from nst_asr.speech.convolution import Convolution
from nst_asr.speech.depth import survive
from nst_asr.speech.dropout import Dropout
from nst_asr.speech.relative import RelativeAttention, relative_sinusoids
from nst_asr.speech.subsampling import Subsampling, inside
from nst_asr.survivals import survivals


class ConformerPlan(Record):
    """The architecture. Dropout and stochastic depth are noise, and no part of it: `train` brings them.

    `preset: M` in a plan stands for all the keys of that size (`presets.PRESETS`); keys beside it win over its own.
    The record holds what came of it, so a model made by a preset and one spelt out are the same. Without a preset, the
    defaults are the encoder of Conformer S (Gulati et al. 2020, table 1) with rotary positions, 64 channels, and the
    kernel 31 for the paper's 32 so that the convolution has a middle.
    """

    preset: Literal["S", "M", "L"] | None = Field(None, exclude=True)  # always null once read
    width: int = Field(144, ge=2)  # D: size of a frame's vector between the blocks
    blocks: int = Field(16, ge=1)
    heads: int = Field(4, ge=1)
    feed_forward: int = Field(4, ge=1)  # inner size of the feed-forward modules, in multiples of the width
    kernel: int = Field(31, ge=1)  # frames that a depthwise convolution spans; an even one reaches one frame further on
    channels: int = Field(64, ge=1)  # of the two subsampling convolutions
    positions: Literal["rotary", "relative"] = "rotary"  # relative: sinusoids, the paper's; slower

    @model_validator(mode="before")
    @classmethod
    def _preset_is_written_out(cls, content: Any) -> Any:
        return presets.expand(content) if isinstance(content, Mapping) else content

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.width % (2 * self.heads):
            raise ValueError(
                f"width {self.width} must be a multiple of 2 x heads = {2 * self.heads}: positions come in pairs of "
                "channels"
            )
        return self


class Conformer(nn.Module):
    """Logits over the vocabulary, one vector for every four frames (Gulati et al. 2020, arXiv 2005.08100).

    Deviations: rotary positions unless the plan says relative, as the paper has them; LayerNorm for BatchNorm in the
    convolution module, since the statistics of a batch would count padding and tie utterances together; a linear CTC
    head for the transducer.

    dropout: after the subsampling, inside and after each feed-forward, after attention, after the convolution module
    (sections 2 and 3.2). survival: stochastic depth, see `survivals`. Both act in training mode only and draw from
    torch's global generator, which the caller seeds. recompute: training keeps each block's input alone and computes
    the rest again when gradients are due, with the same draws: the same result for less memory, in more time.
    """

    def __init__(
        self,
        plan: ConformerPlan,
        mels: int,
        vocabulary: int,
        *,
        dropout: float = 0.0,
        survival: float = 1.0,
        recompute: bool = False,
    ) -> None:
        super().__init__()
        if vocabulary < 2:
            raise ValueError(f"vocabulary = {vocabulary}: expected the blank and at least one token")
        self.plan = plan
        self.recompute = recompute
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
        positions = position_codes(self.plan, x.shape[1], x.device)
        for block, survival in zip(self.blocks, self.survivals, strict=True):
            # wherever gradients are wanted: a lesson of a curriculum trains in evaluation mode
            again = self.recompute and torch.is_grad_enabled()
            step = partial(checkpoint, block, use_reentrant=False) if again else block
            x = survive(step, survival, x, positions, real) if self.training else step(x, positions, real)
        return self.head(x), lengths

    def compile_blocks(self) -> None:
        """Have torch compile each block in place, for any length and batch, when it is first called.

        Names of weights stay as they are. Subsampling, head and the draws of stochastic depth stay outside. The same
        result but for rounding, and for dropout, which a compiled block draws otherwise on a GPU.
        """
        # what an earlier process compiled and torch 2.11 kept on disk was made for that process's lengths: on others,
        # attention then fails ("expected size ..., stride ...")
        torch.compiler.config.force_disable_caches = True
        for block in self.blocks:
            block.compile(dynamic=True)


def position_codes(plan: ConformerPlan, frames: int, device: torch.device) -> Tensor:
    """What the blocks of such a model know positions by: rotary (2, T, E), relative (2 T, D); float32."""
    if plan.positions == "relative":
        return relative_sinusoids(frames, plan.width, device)
    return rotary_angles(frames, plan.width // plan.heads, device)


class Block(nn.Module):
    """One Conformer block: half a feed-forward, attention, convolution, half a feed-forward, norm (section 2.4)."""

    def __init__(self, plan: ConformerPlan, dropout: float) -> None:
        super().__init__()
        self.before = _feed_forward(plan, dropout)
        attention = RelativeAttention if plan.positions == "relative" else SelfAttention
        self.attention = attention(plan.width, plan.heads, dropout)
        self.convolution = Convolution(plan.width, plan.kernel, dropout)
        self.after = _feed_forward(plan, dropout)
        self.norm = nn.LayerNorm(plan.width)

    def forward(self, x: Tensor, positions: Tensor, real: Tensor | None) -> Tensor:
        """The block's output (B, T, D). positions: see `position_codes`.

        real: True where a frame is no padding (B, T), or None for everywhere.
        """
        x = torch.add(x, self.before(x), alpha=0.5)
        x = x + self.attention(x, positions, real)
        x = x + self.convolution(x, real)
        return self.norm(torch.add(x, self.after(x), alpha=0.5))  # type: ignore[no-any-return]


def _feed_forward(plan: ConformerPlan, dropout: float) -> nn.Sequential:
    """Norm, expansion, swish, dropout, projection, dropout (section 2.3)."""
    inner = plan.feed_forward * plan.width
    return nn.Sequential(
        nn.LayerNorm(plan.width),
        nn.Linear(plan.width, inner),
        nn.Identity(),  # holds the place that the names of saved weights count with
        Dropout(dropout, swish=True),
        nn.Linear(inner, plan.width),
        Dropout(dropout),
    )
