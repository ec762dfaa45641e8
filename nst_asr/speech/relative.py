"""Multi-head self-attention with relative sinusoidal positions.

B batch, T frames, D width, H heads, E width of a head.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from nst_asr.speech.dropout import Dropout


def relative_sinusoids(frames: int, width: int, device: torch.device) -> Tensor:
    """The encodings of the distances T, T - 1, ... -(T - 1), shape (2 T, D), in float32.

    Sines in the first half of the channels, cosines in the second, of distance times 10,000^(-2 i / D): Vaswani et al.
    2017, section 3.5, as Dai et al. 2019 use it; the order of channels is a matter of the projection that follows.
    No two frames are T apart: that row is there so that `shift` needs no padding.
    """
    frequencies = 10_000.0 ** -(torch.arange(0, width, 2, device=device, dtype=torch.float32) / width)
    distances = torch.arange(frames, -frames, -1, device=device, dtype=torch.float32)
    angles = distances[:, None] * frequencies
    return torch.cat((angles.sin(), angles.cos()), dim=1)


def shift(scores: Tensor) -> Tensor:
    """Scores by place (..., T, T) from scores by distance (..., T, 2 T): query i and key j are at distance i - j.

    Distances as in `relative_sinusoids`: i - j is in column T - i + j. Along a row of memory that is number
    i (2 T - 1) + T + j, so one step aside and another row length do it, without an index (Dai et al. 2019, appendix B).
    """
    T = scores.shape[-2]
    return scores.flatten(-2)[..., T:].view(*scores.shape[:-1], 2 * T - 1)[..., :T]


class RelativeAttention(nn.Module):
    """Pre-norm multi-head self-attention with relative positions, and dropout (Gulati et al. 2020, section 2.1).

    The score of query i and key j is ((q_i + u) . k_j + (q_i + v) . W r_(i-j)) / sqrt(E), with r the sinusoid of the
    distance and u, v a learnt vector for each head: Dai et al. 2019 (Transformer-XL), section 3.3. Deviations: the
    projections of queries, keys and values have biases; u and v are each block's own, and start at zero. Dropout is on
    the module's output, as in the paper; attention weights are not dropped.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.distance = nn.Linear(width, width, bias=False)
        # of one dimension, (H E,), as all biases, which no weight decay shrinks
        self.content_bias = nn.Parameter(torch.zeros(width))  # u
        self.position_bias = nn.Parameter(torch.zeros(width))  # v
        self.out = nn.Linear(width, width)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, sinusoids: Tensor, real: Tensor | None) -> Tensor:
        """What is to be added to `x` (B, T, D). real: True where a frame may be attended to (B, T); None: all."""
        B, T, D = x.shape
        q, k, v = self.qkv(self.norm(x)).view(B, T, 3, self.heads, D // self.heads).permute(2, 0, 3, 1, 4)
        bias = self._by_distance(q, sinusoids)
        if real is not None:
            bias = bias.masked_fill(~real[:, None, None, :], float("-inf"))
        content = q + self._of_heads(self.content_bias, q)
        y = functional.scaled_dot_product_attention(content, k, v, attn_mask=bias)
        return self.dropout(self.out(y.transpose(1, 2).reshape(B, T, D)))  # type: ignore[no-any-return]

    def _by_distance(self, q: Tensor, sinusoids: Tensor) -> Tensor:
        """The positions' part of the scores, (q_i + v) . W r_(i-j) / sqrt(E), shape (B, H, T, T)."""
        E = q.shape[-1]
        r = self.distance(sinusoids.to(q.dtype)).view(-1, self.heads, E).permute(1, 2, 0)  # (H, E, 2 T)
        scaled = (q + self._of_heads(self.position_bias, q)) * E**-0.5
        return shift(scaled @ r)

    def _of_heads(self, bias: Tensor, q: Tensor) -> Tensor:
        return bias.view(self.heads, 1, -1).to(q.dtype)
