"""Transcripts that stand in a language model's text: with them error rates look better than they are.

The sign is a sequence of eight words that an utterance shares with the text. Case is no difference, and line ends are
none: a sentence cut otherwise is still found.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from nst_asr.speech.ngram.made_of import made_of_path, read_eightgrams, read_made_of
from nst_asr.speech.ngram.text import Words, coded, read_words

LENGTH = 8  # words in a row: chance and phrases seldom go that far
LIMIT = 0.01  # share of the utterances
_SHOWN = 3
_SINGLE = np.uint64(0x9E3779B97F4A7C15)  # odd constants of splitmix64 (Steele et al. 2014)
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_MOSTLY = 0.99  # share of the words with letters that makes a text one of upper or lower case

log = logging.getLogger("nst_asr")


class TextLeakError(ValueError):
    """Transcripts in a language model's text, or a text in other letters; the message names some and the way out."""


class LettersError(TextLeakError):
    """A text in other letters than the transcripts."""


@dataclass(frozen=True)
class TextOverlap:
    """How much of a set stands in a text."""

    name: str
    utterances: int
    too_short: int  # of fewer than eight words: they cannot be compared
    shared: int  # utterances with at least one 8-gram of the text
    examples: tuple[tuple[str, str], ...] = ()  # id and 8-gram of a few of them

    @property
    def share(self) -> float:
        """Of the utterances that can be compared, those that share an 8-gram, in [0, 1]; 0 where none can be."""
        return self.shared / max(self.utterances - self.too_short, 1)

    def describe(self) -> str:
        """One line for the log."""
        return (
            f"{self.name}: {self.shared} of {self.utterances - self.too_short} utterances of eight words or more "
            f"({100 * self.share:.2f} %) share an 8-gram with the language model's text; "
            f"{self.too_short} are too short to tell"
        )


def shared_text(text: Iterable[Path], sets: Mapping[str, pl.DataFrame], *, limit: float = LIMIT) -> list[TextOverlap]:
    """How much of each set (columns id and label) stands in text files. Raises TextLeakError above the limit.

    Hits of the 8-grams' hashes are compared word by word: a collision accuses nobody. Raises LettersError where the
    text's letters are in another case than the transcripts.
    """
    words = read_words(text)
    _refuse_other_case(letters(words), sets, "the text", "write the text as the transcripts are written")
    hashes = _hashes(words)
    order = np.argsort(hashes)
    found = [_overlap(name, rows, hashes[order], (words, order)) for name, rows in sets.items()]
    return _within(found, limit)


def refuse_shared_text(
    lm: Path, sets: Mapping[str, pl.DataFrame], limit: float = LIMIT, *, any_case: bool = False
) -> list[TextOverlap]:
    """How much of each set (columns id and label) stands in a language model's text, by what is kept beside the model.

    Raises TextLeakError above the limit, and LettersError where the text's letters were in another case, unless
    `any_case`: a lexicon file spells the model's words in other letters. With nothing beside the model it cannot be
    seen: the log says so, and the list is empty. Only hashes of 64 bits are compared: with n
    8-grams in the text, an utterance of 30 words is accused falsely with a probability of 23 n / 2^64, which for a
    thousand million words is about 1e-9.
    """
    made_of = read_made_of(lm)
    if made_of is None:
        log.warning(
            "%s: there is no %s beside it, so it cannot be seen whether transcripts of this corpus were in its text. "
            "Models of nst-asr lm train have one",
            *(lm, made_of_path(lm).name),
        )
        return []
    if not any_case:
        way = f"nst-asr lm convert {lm} OUT --upper or --lower"
        _refuse_other_case(made_of["letters"], sets, f"the text of {lm}", way)
    hashes = read_eightgrams(lm)
    return _within([_overlap(name, rows, hashes) for name, rows in sets.items()], limit)


def eightgrams(words: Words) -> np.ndarray:
    """The sorted, distinct hashes (uint64) of a text's 8-grams, to be kept beside a model."""
    return np.unique(_hashes(words))


def letters(words: Words) -> str:
    """The case of a text: `upper`, `lower`, `mixed`, or `none` where its letters have no case."""
    count = np.bincount(words.codes, minlength=len(words.names))
    upper = np.array([name != name.lower() for name in words.names], bool)
    lower = np.array([name != name.upper() for name in words.names], bool)
    cased, only_upper, only_lower = (int(count[of].sum()) for of in (upper | lower, upper & ~lower, lower & ~upper))
    if not cased:
        return "none"
    if only_upper >= _MOSTLY * cased:
        return "upper"
    return "lower" if only_lower >= _MOSTLY * cased else "mixed"


def _overlap(
    name: str, rows: pl.DataFrame, known: np.ndarray, verify: tuple[Words, np.ndarray] | None = None
) -> TextOverlap:
    """known: sorted hashes of the text; verify: the text, and the place in it of each hash."""
    words = coded(rows["label"].to_list())
    hashes = _hashes(words)
    utterance = np.repeat(np.arange(len(words.lengths)), words.lengths)
    last = np.concatenate((utterance[LENGTH - 1 :], np.full(min(len(utterance), LENGTH - 1), -1)))
    inside = utterance == last  # the eight words from here on are all of one utterance
    at = np.flatnonzero(inside)
    place = np.searchsorted(known, hashes[at])
    hit = place < len(known)
    hit[hit] = known[place[hit]] == hashes[at[hit]]
    at, place = at[hit], place[hit]
    if verify:
        same = _same(words, at, *verify, place)
        at = at[same]
    shared, first = np.unique(utterance[at], return_index=True)
    examples = tuple(
        (str(rows["id"][int(row)]), " ".join(words.names[code] for code in words.codes[start : start + LENGTH]))
        for row, start in zip(shared[:_SHOWN], at[first[:_SHOWN]], strict=True)
    )
    return TextOverlap(name, len(rows), int((words.lengths < LENGTH).sum()), len(shared), examples)


def _same(words: Words, at: np.ndarray, text: Words, order: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Whether the eight words of a set at `at` are those of the text at `order[place]`, case apart.

    Of several places in the text with one hash the first is looked at: others hold the same words, or collide.
    """
    numbers: dict[str, int] = {}
    ours, theirs = (
        np.array([numbers.setdefault(name.casefold(), len(numbers)) for name in each.names], np.int64)[each.codes]
        for each in (words, text)
    )
    steps = np.arange(LENGTH)
    return np.asarray((ours[at[:, None] + steps] == theirs[order[place][:, None] + steps]).all(axis=1))


def _hashes(words: Words) -> np.ndarray:
    """A hash (uint64) of the eight words that begin at each word of a text; of its last seven none."""
    of_name = np.array([_hash(name) for name in words.names], np.uint64)
    single = of_name[words.codes] if len(words.codes) else np.empty(0, np.uint64)
    count = max(len(single) - LENGTH + 1, 0)
    total = np.zeros(count, np.uint64)
    for step in range(LENGTH):
        total = _mixed(total + _SINGLE) ^ single[step : step + count]
    return _mixed(total)


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.casefold().encode(), digest_size=8).digest(), "little")


def _mixed(values: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64: every bit of the result depends on every bit of the value."""
    values = (values ^ (values >> np.uint64(30))) * _MIX[0]
    values = (values ^ (values >> np.uint64(27))) * _MIX[1]
    return np.asarray(values ^ (values >> np.uint64(31)))


def _within(found: list[TextOverlap], limit: float) -> list[TextOverlap]:
    bad = [overlap for overlap in found if overlap.share > limit]
    if bad:
        raise TextLeakError(
            "\n".join(line for overlap in bad for line in (overlap.describe(), *_shown(overlap)))
            + f"\nAt most {100 * limit:g} % may. Train the language model on a text without them (whole books, not "
            "single lines, where the text is of books); error rates would look better than they are."
        )
    return found


def _shown(overlap: TextOverlap) -> list[str]:
    return [f"  {id}: {words}" for id, words in overlap.examples]


def _refuse_other_case(of_text: str, sets: Mapping[str, pl.DataFrame], what: str, way: str) -> None:
    for name, rows in sets.items():
        ours = letters(coded(rows["label"].to_list()))
        if "none" not in (of_text, ours) and of_text != ours:
            raise LettersError(
                f"{what} is in {of_text} case and the transcripts of {name} in {ours} case: a language model knows "
                f"only words that are written as its own; {way}"
            )
