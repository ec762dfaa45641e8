"""Conformers of other libraries, of a given shape, as (features, frames) -> (logits, lengths).

B utterances, T frames, F mel channels, D width, V vocabulary.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Literal

import torch
from torch import Tensor, nn

from nst_asr.speech.conformer import Conformer, ConformerPlan
from nst_asr.speech.subsampling import Subsampling, subsampled_lengths


@dataclass(frozen=True)
class Shape:
    """What all systems of one run have in common."""

    width: int = 144
    blocks: int = 8
    heads: int = 4
    inner: int = 576  # of the feed-forward modules
    kernel: int = 15
    channels: int = 144  # of both subsampling convolutions
    mels: int = 80
    vocabulary: int = 512
    dropout: float = 0.1


def ours(shape: Shape, positions: Literal["rotary", "relative"]) -> nn.Module:
    """This package's."""
    plan = ConformerPlan(
        width=shape.width,
        blocks=shape.blocks,
        heads=shape.heads,
        feed_forward=shape.inner // shape.width,
        kernel=shape.kernel,
        channels=shape.channels,
        positions=positions,
    )
    return Conformer(plan, shape.mels, shape.vocabulary, dropout=shape.dropout)


class SpeechBrainSubsampling(nn.Module):
    """SpeechBrain's ConvolutionFrontEnd (LayerNorm, leaky ReLU) and linear layer, as its CTC recipes have them."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        # by name: it is no dependency, and where it is missing there is nothing to check types against
        self.front = import_module("speechbrain.lobes.models.convolution").ConvolutionFrontEnd(
            input_shape=(8, 10, shape.mels),
            num_blocks=2,
            num_layers_per_block=1,
            out_channels=[shape.channels] * 2,
            kernel_sizes=(3, 3),
            strides=(2, 2),
            residuals=(False, False),
        )
        self.out = nn.Linear(shape.mels // 4 * shape.channels, shape.width)
        self.dropout = nn.Dropout(shape.dropout)

    def forward(self, features: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors (B, T / 4, D) and their numbers (B,)."""
        return self.dropout(self.out(self.front(features).flatten(2))), subsampled_lengths(frames)


class SpeechBrain(nn.Module):
    """SpeechBrain's ConformerEncoder behind its own subsampling."""

    def __init__(self, shape: Shape, attention: str) -> None:
        super().__init__()
        logging.getLogger("speechbrain").setLevel(logging.WARNING)
        conformer = import_module("speechbrain.lobes.models.transformer.Conformer")
        sinusoids = import_module("speechbrain.nnet.attention").RelPosEncXL
        self.front = SpeechBrainSubsampling(shape)
        self.positions = sinusoids(shape.width) if attention == "RelPosMHAXL" else None
        self.encoder = conformer.ConformerEncoder(
            num_layers=shape.blocks,
            d_model=shape.width,
            d_ffn=shape.inner,
            nhead=shape.heads,
            kernel_size=shape.kernel,
            dropout=shape.dropout,
            attention_type=attention,
        )
        self.head = nn.Linear(shape.width, shape.vocabulary)

    def forward(self, features: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, T / 4, V) and lengths (B,)."""
        x, lengths = self.front(features, frames)
        padding = torch.arange(x.shape[1], device=x.device) >= lengths[:, None]
        positions = None if self.positions is None else self.positions(x)
        x, _ = self.encoder(x, src_key_padding_mask=padding, pos_embs=positions)
        return self.head(x), lengths


class Torchaudio(nn.Module):
    """torchaudio's Conformer, which has no positions, behind another's subsampling, as it has none of its own."""

    def __init__(self, shape: Shape, front: nn.Module) -> None:
        super().__init__()
        self.front = front
        self.encoder = import_module("torchaudio.models").Conformer(
            input_dim=shape.width,
            num_heads=shape.heads,
            ffn_dim=shape.inner,
            num_layers=shape.blocks,
            depthwise_conv_kernel_size=shape.kernel,
            dropout=shape.dropout,
        )
        self.head = nn.Linear(shape.width, shape.vocabulary)

    def forward(self, features: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, T / 4, V) and lengths (B,)."""
        x, lengths = self.encoder(*self.front(features, frames))
        return self.head(x), lengths


def with_our_dropout(peer: SpeechBrain | Torchaudio) -> nn.Module:
    """The peer without dropout where this package has none: in its convolutions and on attention weights."""
    for name, module in peer.named_modules():
        kind = type(module).__name__
        if isinstance(module, nn.Dropout) and (name.startswith("front.front.") or name.endswith("dropout_att")):
            module.p = 0.0
        elif kind in ("MultiheadAttention", "RoPEMHA") and isinstance(getattr(module, "dropout", None), float):
            module.dropout = 0.0
    return peer


def systems(shape: Shape) -> dict[str, Callable[[], nn.Module]]:
    """Name -> what makes the system; this package's first. SpeechBrain's parts only where it is installed."""
    found: dict[str, Callable[[], nn.Module]] = {
        "nst_asr, rotary": lambda: ours(shape, "rotary"),
        "nst_asr, relative": lambda: ours(shape, "relative"),
        "torchaudio behind nst_asr's subsampling": lambda: Torchaudio(
            shape, Subsampling(shape.mels, shape.channels, shape.width, shape.dropout)
        ),
    }
    if find_spec("speechbrain") is None:
        print("SpeechBrain is left out: pip install -r benchmarks/requirements-peers.txt\n")
        return found
    return found | {
        "torchaudio behind SpeechBrain's subsampling": lambda: Torchaudio(shape, SpeechBrainSubsampling(shape)),
        "SpeechBrain, relative": lambda: SpeechBrain(shape, "RelPosMHAXL"),
        "SpeechBrain, rotary": lambda: SpeechBrain(shape, "RoPEMHA"),
        "SpeechBrain, no positions": lambda: SpeechBrain(shape, "regularMHA"),
        "torchaudio behind SpeechBrain's subsampling, our dropout": lambda: with_our_dropout(
            Torchaudio(shape, SpeechBrainSubsampling(shape))
        ),
        "SpeechBrain, relative, our dropout": lambda: with_our_dropout(SpeechBrain(shape, "RelPosMHAXL")),
        "SpeechBrain, no positions, our dropout": lambda: with_our_dropout(SpeechBrain(shape, "regularMHA")),
    }
