"""Multi-head self-attention with rotary positions.

B batch, T frames, D width, H heads, E width of a head.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from nst_asr.speech.dropout import Dropout


def rotary_angles(frames: int, size: int, device: torch.device) -> Tensor:
    """Cosine and sine of position times frequency, shape (2, frames, size), in float32.

    Su et al. 2021 (RoFormer), equation 34, with the pairs (i, i + size / 2) in the place of (2 i, 2 i + 1): the same
    up to an order of channels, which the projection learns anyway.
    """
    frequencies = 10_000.0 ** -(torch.arange(0, size, 2, device=device, dtype=torch.float32) / size)
    angles = torch.arange(frames, device=device, dtype=torch.float32)[:, None] * frequencies
    angles = torch.cat((angles, angles), dim=1)
    return torch.stack((angles.cos(), angles.sin()))


def rotate(x: Tensor, angles: Tensor) -> Tensor:
    """`x` (..., T, E) with each pair of channels turned by its angle: dot products then depend on distance alone."""
    cosine, sine = angles.unbind(0)
    low, high = x.chunk(2, dim=-1)
    return x * cosine + torch.cat((-high, low), dim=-1) * sine


class SelfAttention(nn.Module):
    """Pre-norm multi-head self-attention and dropout (Gulati et al. 2020, section 2.1).

    Rotary positions stand in for the paper's relative sinusoidal ones (`relative.RelativeAttention`): as relative,
    without a T x T bias, so that the fused kernel applies. Dropout is on the module's output, as in the paper;
    attention weights are not dropped.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, angles: Tensor, real: Tensor | None) -> Tensor:
        """What is to be added to `x` (B, T, D). real: True where a frame may be attended to (B, T); None: all."""
        B, T, D = x.shape
        q, k, v = self.qkv(self.norm(x)).view(B, T, 3, self.heads, D // self.heads).permute(2, 0, 3, 1, 4)
        mask = None if real is None else real[:, None, None, :]
        # autocast computes the rotation in float32; the kernel wants one type
        q, k = rotate(q, angles).to(v.dtype), rotate(k, angles).to(v.dtype)
        y = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.dropout(self.out(y.transpose(1, 2).reshape(B, T, D)))  # type: ignore[no-any-return]
