"""What was heard in an utterance, by a teacher or by another system, and what a teacher's frames say of it.

Legend: B batch, T frames (after subsampling), V vocabulary (blank included).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor

from nst_asr import bootstrap
from nst_asr.align import align_counts
from nst_asr.speech import alignment, confidence, ctc
from nst_asr.speech.decode import Label
from nst_asr.speech.tokenizer import Tokenizer, TokenizerError
from nst_asr.speech.unspoken import unspoken

Columns = dict[str, Sequence[Any]]  # of the label table, a value for each utterance


@dataclass(frozen=True)
class Heard:
    """A label. tokens: None where it cannot be spelled or does not fit its frames; the rest is as in `decode.Label`."""

    text: str
    tokens: list[int] | None
    score: float | None = None
    lm_logprob: float | None = None
    margin: float | None = None
    without_lm: str | None = None

    @staticmethod
    def of(label: Label, tokenizer: Tokenizer) -> Heard:
        """What a search found, as text."""
        alone = label.tokens_without_lm
        without = None if alone is None else tokenizer.decode(alone)
        return Heard(tokenizer.decode(label.tokens), label.tokens, label.score, label.lm_logprob, label.margin, without)

    def spelled(self, tokenizer: Tokenizer, frames: int) -> Heard:
        """The same with the tokens of another tokenizer, or None where it has none for the text, or too many."""
        try:
            tokens = tokenizer.encode(self.text)
        except TokenizerError:
            return replace(self, tokens=None)
        return replace(self, tokens=tokens if ctc.alignable(frames, tokens) else None)


def searched(labels: Sequence[Heard]) -> Columns:
    """What the search says of each label, and how far the label is from that without a language model."""
    distance: list[float | None] = [None] * len(labels)
    pairs = [(place, label.without_lm) for place, label in enumerate(labels) if label.without_lm is not None]
    if pairs:
        counts = align_counts([alone for _, alone in pairs], [labels[place].text for place, _ in pairs], "character")
        rates = bootstrap.rate(counts[:, :3].sum(1), counts[:, 3]).tolist()
        for (place, _), found in zip(pairs, rates, strict=True):
            distance[place] = found
    return {
        "label": [label.text for label in labels],
        "score": [label.score for label in labels],
        "lm_logprob": [label.lm_logprob for label in labels],
        "margin": [label.margin for label in labels],
        "label_without_lm": [label.without_lm for label in labels],
        "lm_distance": distance,
    }


def measured(
    labels: Sequence[Heard], frames: tuple[Tensor, Tensor], waves: Sequence[np.ndarray], rate: int, stride: float
) -> Columns:
    """What the frames of a teacher say of each label, whoever it is from.

    frames: log probabilities (B, T, V) and lengths (B,); waves: samples at `rate`; stride: seconds a frame. A label
    without tokens has no logprob, which no filter lets pass, and confidence 0.
    """
    tokens = [label.tokens or [] for label in labels]
    paths = alignment.align(*frames, tokens)
    sure = confidence.confidences(*frames, tokens, paths)
    logprob = ctc.log_probability(*frames, tokens).tolist()
    return {
        "tokens": tokens,
        "logprob": [None if label.tokens is None else each for label, each in zip(labels, logprob, strict=True)],
        "confidence": [each.maximum for each in sure],
        "token_confidence": [each.tokens for each in sure],
        "entropy_confidence": [each.entropy for each in sure],
        "token_entropy_confidence": [each.token_entropy for each in sure],
        "token_tsallis_confidence": [each.token_tsallis for each in sure],
        "unspoken": [unspoken(wave, rate, path, stride) for wave, path in zip(waves, paths, strict=True)],
    }
