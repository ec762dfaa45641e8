"""The probability of a label given the logits, summed over all its CTC alignments.

B batch, T frames (after subsampling), U tokens, V vocabulary; index 0 is the blank.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

BLANK = 0


def alignable(frames: int, tokens: Sequence[int]) -> bool:
    """Whether so many frames can carry these tokens: one frame each, and a blank between two equal neighbours.

    Leave an utterance that cannot be aligned out of training, with its id: its loss is infinite.
    """
    return frames >= len(tokens) + sum(first == second for first, second in pairwise(tokens))


def ctc_loss_sum(
    logits: Tensor,
    logit_lengths: Tensor,
    tokens: Sequence[Sequence[int]] | Tensor,
    token_lengths: Tensor | None = None,
    weights: Tensor | None = None,
) -> Tensor:
    """-log P(tokens | logits) of each utterance, nats, float32, shape (B,); summed over alignments, divided by nothing.

    logits: (B, T, V), any float type; they need not be normalised. logit_lengths: (B,). tokens: a list of lists, or a
    padded tensor (B, U) with token_lengths (B,). weights: factor of each utterance (B,). Divide by the global count
    of tokens or utterances, never by that of one piece of a batch. A label of no tokens is the all-blank path.

    P = sum over alignments a of prod over t of P(a_t | t): Graves et al. 2006, section 4.1.

    An utterance that cannot be aligned (`alignable`) has probability 0: its loss is infinite and its gradient is not a
    number. That is never hidden (there is no `zero_infinity`), and a weight of 0 does not hide it either.
    """
    padded, counts = _padded(tokens, token_lengths)
    loss = functional.ctc_loss(
        logits.float().log_softmax(dim=-1).transpose(0, 1),
        padded.to(logits.device),
        logit_lengths,
        counts,
        blank=BLANK,
        reduction="none",
    )
    return loss if weights is None else loss * weights


def log_probability(
    logits: Tensor, lengths: Tensor, tokens: Sequence[Sequence[int]] | Tensor, token_lengths: Tensor | None = None
) -> Tensor:
    """log P(tokens | logits) of each utterance, nats, float32, shape (B,): the CTC forward sum, without gradient."""
    with torch.no_grad():
        return -ctc_loss_sum(logits, lengths, tokens, token_lengths)


def _padded(tokens: Sequence[Sequence[int]] | Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
    """Tokens as (B, U), and how many are real (B,)."""
    if isinstance(tokens, Tensor):
        if lengths is None:
            raise ValueError("a tensor of tokens needs token_lengths: which of them are padding?")
        return tokens, lengths
    counts = [len(label) for label in tokens]
    longest = max(counts, default=0)
    rows = [[*label, *[BLANK] * (longest - len(label))] for label in tokens]
    return torch.tensor(rows, dtype=torch.long).view(len(counts), longest), torch.tensor(counts)
