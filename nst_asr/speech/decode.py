"""Labels out of log probabilities, and how sure each of their tokens is.

B batch, T frames (after subsampling), U tokens, V vocabulary; index 0 is the blank.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from nst_asr.config import Record
from nst_asr.speech.ctc import BLANK, alignable
from nst_asr.speech.search import best_path, prefix_search, spell


class DecodePlan(Record):
    """How a label is looked for."""

    beam: int = Field(1, ge=1)  # prefixes kept after each frame; 1 = greedy


@dataclass(frozen=True)
class Hypothesis:
    """A label and its log probability, nats, summed over the alignments that the search saw: at most the true one."""

    tokens: list[int]
    logprob: float


@dataclass(frozen=True)
class Confidence:
    """How sure a label is, all in [0, 1]; `tokens` and `token_entropy` hold one number for each token.

    tokens: the mean probability of the token over the frames that carry it. Under greedy decoding this is the maximum
    probability of the frame. token_entropy: the mean of 1 - H / log V over the same frames (Laptev and Ginsburg 2022,
    Gibbs entropy, linear normalisation). maximum, entropy: the means over the tokens; 0 for a label of no tokens,
    which nothing speaks for.
    """

    tokens: list[float]
    token_entropy: list[float]
    maximum: float
    entropy: float


def decode(log_probs: Tensor, lengths: Tensor, plan: DecodePlan) -> list[list[int]]:
    """The label of each utterance as the plan has it, without blanks. log_probs: (B, T, V) nats; lengths: (B,)."""
    if plan.beam == 1:
        return greedy(log_probs, lengths)
    return [hypotheses[0].tokens for hypotheses in beam_search(log_probs, lengths, plan.beam)]


def greedy(log_probs: Tensor, lengths: Tensor) -> list[list[int]]:
    """The label of each utterance's most probable path: repeats merged, then blanks removed.

    Graves et al. 2006, section 3.2 (best path decoding). Of equally probable tokens the first in the vocabulary.
    Raises ValueError for log probabilities that are not a number.
    """
    real = _check(log_probs, lengths)
    best = log_probs.argmax(dim=2)
    starts = real & (best != BLANK)
    starts[:, 1:] &= best[:, 1:] != best[:, :-1]
    tokens = iter(best[starts].tolist())
    return [list(islice(tokens, count)) for count in starts.sum(dim=1).tolist()]


def beam_search(log_probs: Tensor, lengths: Tensor, beam: int) -> list[list[Hypothesis]]:
    """Up to `beam` labels for each utterance, the most probable first, each only once: CTC prefix beam search.

    After each frame the `beam` most probable prefixes stay; a prefix sums over its alignments (Graves et al. 2006,
    section 3.2; Hannun et al. 2014, algorithm 1, without a language model). With a beam that holds every prefix the
    search is exact; a beam of one is not greedy decoding, it sums where greedy follows one path. Of equally probable
    prefixes the one found first stays ahead. Raises ValueError for log probabilities that are not a number.
    """
    found = []
    for frames in _rows(log_probs, lengths):
        scores, nodes, tree = prefix_search(frames, beam)
        found.append([Hypothesis(spell(n, tree), s) for n, s in zip(nodes.tolist(), scores.tolist(), strict=True)])
    return found


def align(log_probs: Tensor, lengths: Tensor, tokens: Sequence[Sequence[int]]) -> list[np.ndarray]:
    """The place of the token that each frame carries in the label's most probable alignment, -1 for a blank; (T,).

    Raises ValueError naming the row of a label that has no alignment: too many tokens, or probability zero.
    """
    return [_align(b, row, label) for b, (row, label) in enumerate(zip(_rows(log_probs, lengths), tokens, strict=True))]


def confidences(log_probs: Tensor, lengths: Tensor, tokens: Sequence[Sequence[int]]) -> list[Confidence]:
    """How sure each label is, see `Confidence`. log_probs: (B, T, V) nats; lengths: (B,); tokens: a label for each.

    A token's frames are those that carry it in the label's most probable alignment; blank frames count for nothing.
    Raises ValueError naming the row of a label that has no alignment.
    """
    rows = zip(_rows(log_probs, lengths), tokens, strict=True)
    return [_confidence(row, label, _align(b, row, label)) for b, (row, label) in enumerate(rows)]


def _align(b: int, row: np.ndarray, label: Sequence[int]) -> np.ndarray:
    if len(label) and not 0 < min(label) <= max(label) < row.shape[1]:
        raise ValueError(f"row {b}: tokens {list(label)} are not all in 1 ... {row.shape[1] - 1}; a blank is no token")
    path: np.ndarray = best_path(row, np.asarray(label, dtype=np.int32))
    if len(path) < len(row) or not alignable(len(row), label):
        raise ValueError(
            f"row {b}: {len(label)} tokens cannot be aligned with {len(row)} frames: too many of them, or their "
            "probability is zero; give the label that was decoded from these frames"
        )
    return path


def _confidence(row: np.ndarray, label: Sequence[int], path: np.ndarray) -> Confidence:
    if not len(label):
        return Confidence([], [], 0.0, 0.0)
    carrying = path >= 0
    places, log_probs = path[carrying], row[carrying]
    probability = np.exp(log_probs[np.arange(len(places)), np.asarray(label)[places]])
    # p log p is 0 at p = 0, where log p is minus infinity
    entropy = -(np.exp(log_probs) * np.maximum(log_probs, -1e30)).sum(axis=1)
    frames = np.bincount(places, minlength=len(label))
    sure = np.clip(np.bincount(places, probability) / frames, 0.0, 1.0)
    known = np.clip(np.bincount(places, 1 - entropy / math.log(row.shape[1])) / frames, 0.0, 1.0)
    return Confidence(sure.tolist(), known.tolist(), float(sure.mean()), float(known.mean()))


def _rows(log_probs: Tensor, lengths: Tensor) -> Iterator[np.ndarray]:
    """The frames of each utterance (T, V), float64, without padding; one copy to the host for the whole batch."""
    _check(log_probs, lengths)
    values = log_probs.detach().cpu().double().numpy()
    return (values[b, :length] for b, length in enumerate(lengths.tolist()))


def _check(log_probs: Tensor, lengths: Tensor) -> Tensor:
    """True where a frame is real, (B, T). Raises ValueError where a real frame has no finite maximum."""
    B, T, _V = log_probs.shape
    if lengths.shape != (B,) or (B and int(lengths.max()) > T):
        raise ValueError(f"lengths {lengths.tolist()} do not fit log probabilities of shape {tuple(log_probs.shape)}")
    real = torch.arange(T, device=log_probs.device) < lengths.to(log_probs.device)[:, None]
    bad = real & ~torch.isfinite(log_probs.amax(dim=2))
    if bad.any():
        b, t = bad.nonzero()[0].tolist()
        raise ValueError(
            f"row {b}, frame {t}: its log probabilities are not numbers, or all minus infinity; the model's weights "
            "or its input are broken"
        )
    return real
