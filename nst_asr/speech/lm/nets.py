"""The nets of neural language models: logits of the next unit, for whole sentences or one unit at a time.

B sentences, U units, V vocabulary, D width, H heads, L layers. Unit 0, the blank of CTC, stands for a sentence's
beginning where it is read and for its end where it is predicted; no text contains it.
"""

from __future__ import annotations

import math
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from nst_asr.speech.lm.plan import NetPlan

State = tuple[Tensor, ...]  # what a net remembers of the units it has read; B is each tensor's first dimension


class Net(Protocol):
    """What a language model computes with."""

    def __call__(self, units: Tensor) -> Tensor:
        """Logits (B, U, V) of what follows each unit. units: (B, U)."""

    def start(self, count: int) -> State:
        """The state before anything is read, for so many sentences."""

    def step(self, state: State, units: Tensor) -> tuple[Tensor, State]:
        """Logits (B, V) of what follows one more unit of each sentence, and the new state. units: (B,)."""


def build(plan: NetPlan, size: int) -> LSTM | Transformer:
    """The net of a plan over `size` units; weights are drawn from torch's generator."""
    return LSTM(plan, size) if plan.kind == "lstm" else Transformer(plan, size)


class LSTM(nn.Module):
    """Embedding, LSTM layers with dropout between them, and the embedding once more as output."""

    def __init__(self, plan: NetPlan, size: int) -> None:
        super().__init__()
        self.plan = plan
        self.embedding = _embedding(size, plan.width)
        self.dropout = nn.Dropout(plan.dropout)
        between = plan.dropout if plan.layers > 1 else 0.0
        self.layers = nn.LSTM(plan.width, plan.width, plan.layers, batch_first=True, dropout=between)
        self.bias = nn.Parameter(torch.zeros(size))

    def forward(self, units: Tensor) -> Tensor:
        """Logits (B, U, V) of what follows each unit."""
        found, _ = self.layers(self.dropout(self.embedding(units)))
        return self._logits(found)

    def start(self, count: int) -> State:
        """Hidden and cell state, (B, L, D) each, of zeros."""
        zeros = self.bias.new_zeros(count, self.plan.layers, self.plan.width)
        return zeros, zeros

    def step(self, state: State, units: Tensor) -> tuple[Tensor, State]:
        """Logits (B, V) of what follows one more unit, and the new state."""
        hidden, cell = (part.transpose(0, 1).contiguous() for part in state)
        found, after = self.layers(self.dropout(self.embedding(units[:, None])), (hidden, cell))
        return self._logits(found)[:, 0], tuple(part.transpose(0, 1) for part in after)

    def _logits(self, found: Tensor) -> Tensor:
        return functional.linear(self.dropout(found), self.embedding.weight, self.bias)


class Transformer(nn.Module):
    """Pre-norm decoder blocks with sinusoidal positions (Vaswani et al. 2017, section 3.5), each sees what came before.

    Xiong et al. 2020 put the norms before the sublayers, so that no long warm-up is needed.
    """

    def __init__(self, plan: NetPlan, size: int) -> None:
        super().__init__()
        self.plan = plan
        self.embedding = _embedding(size, plan.width)
        self.dropout = nn.Dropout(plan.dropout)
        self.blocks = nn.ModuleList(_Block(plan) for _ in range(plan.layers))
        self.norm = nn.LayerNorm(plan.width)
        self.bias = nn.Parameter(torch.zeros(size))

    def forward(self, units: Tensor) -> Tensor:
        """Logits (B, U, V) of what follows each unit."""
        found = self._embed(units, 0)
        for block in self.blocks:
            found, _ = block(found, None)
        return self._logits(found)

    def start(self, count: int) -> State:
        """Keys and values of each block, (B, H, 0, D / H): nothing has been read."""
        empty = self.bias.new_zeros(count, self.plan.heads, 0, self.plan.width // self.plan.heads)
        return (empty,) * (2 * self.plan.layers)

    def step(self, state: State, units: Tensor) -> tuple[Tensor, State]:
        """Logits (B, V) of what follows one more unit, and the new state."""
        found, after = self._embed(units[:, None], state[0].shape[2]), []
        for place, block in enumerate(self.blocks):
            found, kept = block(found, (state[2 * place], state[2 * place + 1]))
            after += kept
        return self._logits(found)[:, 0], tuple(after)

    def _embed(self, units: Tensor, first: int) -> Tensor:
        # of the size of the positions; an embedding that is also the output is smaller
        scaled = self.embedding(units) * math.sqrt(self.plan.width)
        return cast(Tensor, self.dropout(scaled + _positions(first, units.shape[1], scaled)))

    def _logits(self, found: Tensor) -> Tensor:
        return functional.linear(self.norm(found), self.embedding.weight, self.bias)


class _Block(nn.Module):
    def __init__(self, plan: NetPlan) -> None:
        super().__init__()
        D, inner = plan.width, plan.width * plan.feed_forward
        self.heads, self.rate = plan.heads, plan.dropout
        self.attention_norm, self.queries, self.output = nn.LayerNorm(D), nn.Linear(D, 3 * D), nn.Linear(D, D)
        self.forward_norm, self.inner, self.outer = nn.LayerNorm(D), nn.Linear(D, inner), nn.Linear(inner, D)
        self.dropout = nn.Dropout(plan.dropout)

    def forward(self, found: Tensor, before: tuple[Tensor, Tensor] | None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """The block's output (B, U, D), and keys and values of all that was read. before: those of earlier units."""
        B, U, D = found.shape
        parts = self.queries(self.attention_norm(found)).view(B, U, 3, self.heads, D // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        if before is not None:
            key, value = torch.cat((before[0], key), 2), torch.cat((before[1], value), 2)
        heard = functional.scaled_dot_product_attention(
            query, key, value, dropout_p=self.rate if self.training else 0.0, is_causal=before is None
        )
        found = found + self.dropout(self.output(heard.transpose(1, 2).reshape(B, U, D)))
        inner = self.dropout(functional.gelu(self.inner(self.forward_norm(found))))
        return found + self.dropout(self.outer(inner)), (key, value)


def _embedding(size: int, width: int) -> nn.Embedding:
    embedding = nn.Embedding(size, width)
    nn.init.normal_(embedding.weight, std=width**-0.5)
    return embedding


def _positions(first: int, count: int, like: Tensor) -> Tensor:
    """Sines and cosines of places first, first + 1, ...: (count, D)."""
    places = torch.arange(first, first + count, device=like.device, dtype=torch.float32)[:, None]
    D = like.shape[-1]
    rates = torch.exp(torch.arange(0, D, 2, device=like.device) * (-math.log(10000.0) / D))
    return torch.stack(((places * rates).sin(), (places * rates).cos()), -1).view(count, D).to(like.dtype)
