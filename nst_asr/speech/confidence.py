"""How sure a label is, token by token, from the frames that carry each token.

B batch, T frames (after subsampling), U tokens, V vocabulary; index 0 is the blank.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from nst_asr.speech.alignment import align, frames_of

ALPHA = 1 / 3  # of Tsallis entropy, as Laptev and Ginsburg recommend; unlikely units count for more than at 1


@dataclass(frozen=True)
class Confidence:
    """How sure a label is, all in [0, 1]; the lists hold one number for each token.

    tokens: the mean probability of the token over the frames that carry it. Under greedy decoding this is the maximum
    probability of the frame. token_entropy: the mean of 1 - H / log V over the same frames (Laptev and Ginsburg 2022,
    Gibbs entropy, linear normalisation). token_tsallis: the mean of `tsallis_confidence` over the same frames. maximum,
    entropy: the means over the tokens of the first two; 0 for a label of no tokens, which nothing speaks for.
    """

    tokens: list[float]
    token_entropy: list[float]
    maximum: float
    entropy: float
    token_tsallis: list[float]


def confidences(
    log_probs: Tensor, lengths: Tensor, tokens: Sequence[Sequence[int]], paths: Sequence[np.ndarray] | None = None
) -> list[Confidence]:
    """How sure each label is, see `Confidence`. log_probs: (B, T, V) nats; lengths: (B,); tokens: a label for each.

    A token's frames are those that carry it in the label's most probable alignment (`paths`, where `align` has been
    asked already); blank frames count for nothing. Raises ValueError naming the row of a label that has no alignment.
    """
    paths = align(log_probs, lengths, tokens) if paths is None else paths
    rows = zip(frames_of(log_probs, lengths), tokens, paths, strict=True)
    return [_confidence(row, label, path) for row, label, path in rows]


def tsallis_confidence(log_probs: np.ndarray, alpha: float = ALPHA) -> np.ndarray:
    """The confidence of each frame by its Tsallis entropy, in [0, 1]: 0 for an even frame, 1 for a certain one; (T,).

    log_probs: (T, V) nats; alpha: positive, not 1. With the entropy (Tsallis 1988)

        H = (1 - sum over v of p_v^alpha) / (alpha - 1),  at most  H_max = (V^(1 - alpha) - 1) / (1 - alpha),

    and exponential normalisation

        confidence = (exp(-H) - exp(-H_max)) / (1 - exp(-H_max)).

    Source: Laptev and Ginsburg 2022, "Fast entropy-based methods of word-level confidence estimation for end-to-end
    automatic speech recognition" (arXiv 2212.08703).
    """
    size = log_probs.shape[1]
    # a unit of probability zero adds nothing: exp(alpha * -inf) is 0
    minus_entropy = (np.exp(alpha * log_probs).sum(axis=1) - 1) / (alpha - 1)
    least = math.exp((size ** (1 - alpha) - 1) / (alpha - 1))
    found: np.ndarray = (np.exp(minus_entropy) - least) / (1 - least)
    return found


def _confidence(row: np.ndarray, label: Sequence[int], path: np.ndarray) -> Confidence:
    if not len(label):
        return Confidence([], [], 0.0, 0.0, [])
    carrying = path >= 0
    places, log_probs = path[carrying], row[carrying]
    probability = np.exp(log_probs[np.arange(len(places)), np.asarray(label)[places]])
    # p log p is 0 at p = 0, where log p is minus infinity
    entropy = -(np.exp(log_probs) * np.maximum(log_probs, -1e30)).sum(axis=1)
    frames = np.bincount(places, minlength=len(label))
    by_frame = (probability, 1 - entropy / math.log(row.shape[1]), tsallis_confidence(log_probs))
    sure, known, tsallis = (np.clip(np.bincount(places, each) / frames, 0.0, 1.0) for each in by_frame)
    return Confidence(sure.tolist(), known.tolist(), float(sure.mean()), float(known.mean()), tsallis.tolist())
