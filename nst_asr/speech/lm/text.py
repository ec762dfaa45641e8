"""Text as a neural language model learns it: sentences of units, one a line of a text file."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from nst_asr.key import Key
from nst_asr.speech.ngram.text import Words, read_words, spelt
from nst_asr.speech.tokenizer import SPACE, Tokenizer

log = logging.getLogger("nst_asr")


class TextError(ValueError):
    """Text that no language model can be trained or measured on; the message names the files and the way out."""


@dataclass(frozen=True)
class Text:
    """N sentences of units. units: of all, in order; ends: (N,) where each ends among them; words: (N,) in each."""

    units: np.ndarray
    ends: np.ndarray
    words: np.ndarray

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, place: int) -> np.ndarray:
        """The units of one sentence."""
        return np.asarray(self.units[self.ends[place - 1] if place else 0 : self.ends[place]])

    @cached_property
    def sizes(self) -> np.ndarray:
        """Units of each sentence, its end included."""
        return np.diff(self.ends, prepend=0) + 1

    @cached_property
    def fingerprint(self) -> str:
        """A digest of the sentences in order."""
        digest = hashlib.blake2b(self.units.astype(np.int32).tobytes(), digest_size=12)
        digest.update(self.ends.astype(np.int64).tobytes())
        return digest.hexdigest()

    def only(self, kept: np.ndarray) -> Text:
        """Some of the sentences; kept: (N,) bool."""
        lengths = self.sizes - 1
        return Text(self.units[np.repeat(kept, lengths)], np.cumsum(lengths[kept]), self.words[kept])


def read_text(paths: Sequence[Path], tokenizer: Tokenizer, longest: int) -> Text:
    """The sentences of text files (plain or gzip), as `in_units`. Raises NgramError for a file that is no text."""
    return in_units(read_words(paths), tokenizer, longest, ", ".join(map(str, paths)))


def in_units(words: Words, tokenizer: Tokenizer, longest: int, name: str) -> Text:
    """Sentences in a tokenizer's units; those of more than `longest` are left out.

    So are those with what the tokenizer does not know, up to 1 %; the log counts both, under the name. Raises
    TokenizerError for text that it cannot spell, TextError where no sentence is left.
    """
    found, unknown = spelt(words, tokenizer)
    whole = Text(found.codes, np.cumsum(found.lengths), _words(found.codes, found.lengths, tokenizer))
    text = whole.only(whole.sizes <= longest + 1)
    if not len(text):
        raise TextError(f"{name}: no sentence of at most {longest} units; give text, or raise longest")
    if unknown or len(text) < len(whole):
        log.warning(
            "%s: left out %d sentences with what the tokenizer does not know, and %d of more than %d units; %d stay",
            *(name, unknown, len(whole) - len(text), longest, len(text)),
        )
    return text


def parted(text: Text, share: float, key: Key) -> tuple[Text, Text]:
    """The sentences to learn and those held out, each in order; equal sentences are on one side, whatever the order."""
    held = key.uniforms(text[place].tobytes().hex() for place in range(len(text))) < share
    return text.only(~held), text.only(held)


def _words(units: np.ndarray, lengths: np.ndarray, tokenizer: Tokenizer) -> np.ndarray:
    """How many words each sentence has."""
    if tokenizer.kind == "word":
        return lengths
    # a space begins the first unit of a word, or stands between words of characters
    begins = np.array([name.startswith(SPACE) for name in tokenizer.names])[units].astype(np.int64)
    counted = np.concatenate(([0], np.cumsum(begins)))
    ends = np.cumsum(lengths)
    return np.asarray(counted[ends] - counted[ends - lengths] + (tokenizer.kind == "char"))
