"""Log-mel frames to a quarter as many vectors: the Conformer's convolutional subsampling, blind to padding.

B batch, T frames, F mel channels, C convolution channels, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nst_asr.speech.dropout import Dropout
from nst_asr.speech.strided import two_convolutions


def subsampled_lengths(lengths: Tensor) -> Tensor:
    """How many vectors come out of `lengths` frames: ceil(ceil(T / 2) / 2) = ceil(T / 4), so 1 from 1 frame."""
    return (lengths + 3) // 4


def inside(lengths: Tensor, frames: int) -> Tensor | None:
    """True where a frame is real, shape (B, frames); None where no utterance is padded, so that nobody masks.

    An utterance of no frames keeps its first one: attention over nothing would be not-a-number.
    """
    if int(lengths.min()) >= frames:
        return None
    return torch.arange(frames, device=lengths.device) < lengths.clamp(min=1)[:, None]


class Subsampling(nn.Module):
    """Two 3x3 convolutions of stride 2 with ReLU, a linear layer to the width, dropout (Gulati et al. 2020, fig. 1).

    Each convolution pads one zero on both sides, and padding frames are zeroed before both: an utterance sees at its
    end the same zeros alone and in a padded batch. Vector j is centred on frame 4 j. The paper names the rate only;
    kernel, stride and ReLU are those of the common implementations.
    """

    def __init__(self, mels: int, channels: int, width: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, channels, 3, stride=2, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, stride=2, padding=1)
        self.out = nn.Linear((mels + 3) // 4 * channels, width)
        self.dropout = Dropout(dropout)

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors (B, ceil(T / 4), D) and their numbers (B,), from features (B, T, F) and lengths (B,)."""
        x = _zeroed(features, lengths)
        x = self.by_products(x, lengths) if x.device.type == "cpu" else self.by_convolutions(x, lengths)
        return self.dropout(self.out(x.flatten(2))), subsampled_lengths(lengths)

    def by_products(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Both convolutions (B, T', F', C) of features with zeros for padding: the same sums, for a CPU."""
        rows = (features.shape[1] + 1) // 2
        real = torch.arange(rows, device=lengths.device) < ((lengths.clamp(min=1) + 1) // 2)[:, None]
        first, second = ((layer.weight, layer.bias) for layer in (self.first, self.second))
        return two_convolutions(features, real, first, second)  # type: ignore[arg-type]

    def by_convolutions(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Both convolutions (B, T', F', C) of features with zeros for padding: for a GPU."""
        # channels last: the convolution is faster, and flattening its result copies nothing
        x = self.first(features.unsqueeze(1).contiguous(memory_format=torch.channels_last)).relu()
        x = _zeroed(x.transpose(1, 2), (lengths + 1) // 2).transpose(1, 2)
        return self.second(x).relu().permute(0, 2, 3, 1)  # type: ignore[no-any-return]


def _zeroed(x: Tensor, lengths: Tensor) -> Tensor:
    """`x` (B, T, ...) with zeros from each length on."""
    real = inside(lengths, x.shape[1])
    return x if real is None else x.masked_fill(~real.view(*real.shape, *[1] * (x.ndim - 2)), 0.0)
