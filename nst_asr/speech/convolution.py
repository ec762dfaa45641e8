"""The Conformer's convolution module, blind to padding.

B batch, T frames, D width, K kernel.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from nst_asr.speech.dropout import Dropout


class Convolution(nn.Module):
    """Norm, pointwise GLU, depthwise convolution over time, norm, swish, pointwise, dropout (Gulati et al. 2020, 2.2).

    LayerNorm over the channels of a frame in the place of BatchNorm. An odd kernel is centred on its frame. An even
    one, such as the paper's 32, has no middle: it spans (K - 1) // 2 frames before and K // 2 after, so the extra
    frame lies in the future, as with TensorFlow's "same" padding; the paper does not say which side it takes.
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
        y = self._along_time(y)
        return self.dropout(self.out(functional.silu(self.inner_norm(y))))  # type: ignore[no-any-return]

    def _along_time(self, y: Tensor) -> Tensor:
        # (B, T, D) seen as (B, D, 1, T) *is* channels last: no copy, and the fast depthwise kernel
        found = self.depthwise(y.transpose(1, 2).unsqueeze(2)).squeeze(2).transpose(1, 2)
        # an even kernel leaves one frame too many, at the start: the window that lies one frame too early
        return found[:, found.shape[1] - y.shape[1] :]  # type: ignore[no-any-return]
