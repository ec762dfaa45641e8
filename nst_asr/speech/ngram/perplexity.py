"""How well a model predicts a text."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from nst_asr.speech.ngram.kneser_ney import padded
from nst_asr.speech.ngram.model import BOS, EOS, Ngram, NgramError
from nst_asr.speech.ngram.text import Words, read_words, spelt
from nst_asr.speech.tokenizer import Tokenizer


@dataclass(frozen=True)
class Perplexity:
    """What a model gives for a text. Sentence ends are predicted too, and count; logarithms are to base 10."""

    sentences: int
    words: int  # between white space
    tokens: int  # words, or units of a tokenizer
    unknown: int  # tokens that the model has no n-gram for
    logprob: float | None  # of all, the unknown ones with the probability of <unk>; None: the model has no <unk>
    logprob_known: float  # without the unknown ones
    left_out: int = 0  # sentences that the tokenizer cannot write

    @property
    def perplexity(self) -> float | None:
        """Of a token, unknown ones with the probability of <unk>: 10 ^ (-logprob / (tokens + sentences))."""
        return None if self.logprob is None else 10 ** (-self.logprob / (self.tokens + self.sentences))

    @property
    def perplexity_known(self) -> float:
        """Of a token that the model knows; the others still stand in the contexts of what follows."""
        return float(10 ** (-self.logprob_known / (self.tokens + self.sentences - self.unknown)))

    @property
    def perplexity_of_words(self) -> float | None:
        """Of a word, however many units spell it: comparable between models of different units."""
        return None if self.logprob is None else 10 ** (-self.logprob / (self.words + self.sentences))

    def to_json(self) -> dict[str, float | None]:
        """All of it as plain values."""
        return asdict(self) | {
            "perplexity": self.perplexity,
            "perplexity_known": self.perplexity_known,
            "perplexity_of_words": self.perplexity_of_words,
        }

    def describe(self) -> str:
        """Lines for a terminal."""
        share = 100 * self.unknown / max(self.tokens, 1)
        lines = [
            f"{self.sentences} sentences, {self.words} words, {self.tokens} tokens, "
            f"{self.unknown} of them unknown to the model ({share:.2f} %)",
            "perplexity with unknown tokens as <unk>: "
            + ("not defined, the model has no <unk>" if self.perplexity is None else f"{self.perplexity:.2f}"),
            f"perplexity without unknown tokens: {self.perplexity_known:.2f}",
        ]
        if self.tokens != self.words and self.perplexity_of_words is not None:
            lines.append(f"perplexity by word: {self.perplexity_of_words:.2f}")
        if self.left_out:
            lines.append(f"{self.left_out} sentences left out: the tokenizer cannot write them")
        return "\n".join(lines)


def perplexity(model: Ngram, paths: Iterable[Path], tokenizer: Tokenizer | None = None) -> Perplexity:
    """The perplexity of text files, one sentence a line, in words or in a tokenizer's units.

    Raises NgramError for a text without words, and where the model knows none of them.
    """
    words = read_words(paths)
    tokens, left_out = spelt(words, tokenizer) if tokenizer else (words, 0)
    if not len(tokens.codes):
        raise NgramError("the text has no words: give a file with one sentence a line")
    return measured(model, tokens, words=len(words.codes), left_out=left_out)


def measured(model: Ngram, text: Words, *, words: int, left_out: int = 0) -> Perplexity:
    """The perplexity of a text of so many words in the model's tokens."""
    numbers = text.numbered(model.numbers, -1)
    if (numbers < 0).all():
        shown = ", ".join(map(repr, text.names[:5]))
        raise NgramError(
            f"the model knows none of the words of the text ({shown}); if they differ in case: nst-asr lm convert "
            "--lower or --upper; if the model has a tokenizer's units: --tokenizer"
        )
    # the padding's numbers are our own, and are replaced by those of the model
    tokens, place = padded(numbers, text.lengths)
    last = np.append(place[1:] == 0, True)
    tokens[place == 0], tokens[last] = model.numbers[BOS], model.numbers[EOS]
    strange = tokens < 0
    logprobs = model.logprobs(np.where(strange, model.unknown, tokens), place)
    predicted = place > 0
    total = float(logprobs[predicted].sum()) if model.unknown >= 0 or not strange.any() else math.nan
    return Perplexity(
        sentences=len(text.lengths),
        words=words,
        tokens=len(numbers),
        unknown=int(strange.sum()),
        logprob=None if math.isnan(total) else total,
        logprob_known=float(logprobs[predicted & ~strange].sum()),
        left_out=left_out,
    )
