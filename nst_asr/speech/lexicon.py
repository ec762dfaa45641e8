"""Which strings of units are words: a lexicon file, or the words of a language model as the tokenizer spells them.

How words are told apart follows from the tokenizer: characters have a unit between words; of word pieces, those with a
leading mark begin words. Where the units are words already there is nothing to spell.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numba
import numpy as np

from nst_asr.lines import numbered_lines
from nst_asr.speech.backoff import Table, empty_table, enter, find
from nst_asr.speech.fused import Words
from nst_asr.speech.ngram.coverage import refuse_unknown
from nst_asr.speech.tokenizer import SPACE, Tokenizer

log = logging.getLogger("nst_asr")


class LexiconError(ValueError):
    """A lexicon that cannot be used; the message names the line or the word and the way out."""


@dataclass(frozen=True)
class Spelling:
    """A word and its units; `place` says where that stands."""

    word: str
    units: tuple[int, ...]
    place: str


def read(path: Path, tokenizer: Tokenizer) -> list[Spelling]:
    """The spellings of a lexicon file, one `word unit unit ...` a line, a word may have several.

    Among characters a unit for the space at the end is left out: it is between words, not in them. Raises LexiconError
    naming the line of a word without units, or of a unit that is none.
    """
    _refuse_words(tokenizer)
    numbers = {name: number for number, name in enumerate(tokenizer.names) if number > 0}
    if not path.is_file():
        raise LexiconError(f"{path}: no such lexicon; name a file of `word unit unit ...` lines")
    found = []
    for number, line in numbered_lines(path):
        word, *units = line.split()
        place = f"{path}, line {number}"
        if tokenizer.kind == "char" and units and units[-1] == SPACE:
            units = units[:-1]
        if not units:
            raise LexiconError(f"{place}: the word {word!r} has no spelling; give its units after it, or drop it")
        if strange := [unit for unit in units if unit not in numbers]:
            raise LexiconError(
                f"{place}: {word!r} is spelt with {' '.join(map(repr, strange))}, no units of the model; "
                "spell words by the units in the model's tokenizer.json"
            )
        found.append(Spelling(word, tuple(numbers[unit] for unit in units), place))
    if not found:
        raise LexiconError(f"{path}: an empty lexicon; give `word unit unit ...` lines, or lexicon: vocabulary")
    return found


def spelt(words: Iterable[str], tokenizer: Tokenizer, source: str) -> list[Spelling]:
    """The words as the tokenizer spells them; those with characters it does not know cannot be heard and are left out.

    Raises LexiconError where none is left.
    """
    _refuse_words(tokenizer)
    found, strange = [], []
    for word in words:
        if tokenizer.unknown(word):
            strange.append(word)
        else:
            found.append(Spelling(word, tuple(tokenizer.encode(word)), f"{source}, word {word!r}"))
    if not found:
        raise LexiconError(
            f"{source}: the tokenizer can spell none of its words, such as {' '.join(strange[:5])!r}; normalise the "
            "text of the language model as that of the training set"
        )
    if strange:
        log.warning("%s: %d of its words cannot be spelt: %s", source, len(strange), " ".join(strange[:5]))
    return found


def compiled(
    spellings: Sequence[Spelling], known: Mapping[str, int], unigram: np.ndarray, tokenizer: Tokenizer, source: str
) -> Words:
    """The prefix tree of spellings. known: the LM's numbers of words; unigram: log probability of each, nats.

    Raises CoverageError for a word that the LM does not know, LexiconError for units that cannot stand where they do or
    that spell two words.
    """
    refuse_unknown(known, (spelling.word for spelling in spellings), source, "words of the lexicon")
    begins, separator = _boundaries(tokenizer)
    for spelling in spellings:
        _refuse_misplaced(spelling, begins, separator, tokenizer)
    units = np.array([unit for spelling in spellings for unit in spelling.units], np.int32)
    ends = np.cumsum([len(spelling.units) for spelling in spellings])
    words = np.array([known[spelling.word] for spelling in spellings], np.int32)
    nodes = len(units) + 1
    table, word, parent = empty_table(nodes), np.full(nodes, -1, np.int32), np.zeros(nodes, np.int32)
    owner = np.full(nodes, -1, np.int64)
    bad, count = _plant(units, ends, words, table, word, parent, owner)
    if bad >= 0:
        first = next(s for s in spellings if s.units == spellings[bad].units)
        raise LexiconError(
            f"{spellings[bad].place}: {spellings[bad].word!r} is spelt as {first.word!r} is ({first.place}), and what "
            "is heard could not tell them apart; keep one of them"
        )
    word = word[:count]
    ahead, follow = _ahead(word, parent, unigram), _follow(table, word, begins, separator)
    return Words(np.zeros(0, np.int32), table, word, ahead, follow, begins, separator)


def without(tokenizer: Tokenizer, known: Mapping[str, int], source: str) -> Words:
    """Every string of units, each of them a word to the LM. Raises CoverageError for units unknown to the LM."""
    refuse_unknown(known, tokenizer.names[1:], source, "units of the tokenizer")
    units = np.array([-1, *(known[name] for name in tokenizer.names[1:])], np.int32)
    begins = np.zeros(tokenizer.size, np.bool_)
    return Words(units, empty_table(0), np.zeros(0, np.int32), np.zeros(0), np.zeros(0, np.int64), begins, -1)


def _boundaries(tokenizer: Tokenizer) -> tuple[np.ndarray, int]:
    """Which units begin words (V,), and the unit between words or -1."""
    if tokenizer.kind == "char":
        separator = tokenizer.names.index(SPACE) if SPACE in tokenizer.names else -1
        return np.zeros(tokenizer.size, np.bool_), separator
    return np.array([name.startswith(SPACE) for name in tokenizer.names]), -1


def _follow(table: Table, word: np.ndarray, begins: np.ndarray, separator: int) -> np.ndarray:
    """Which units may come after each node, (N,) int64: bit v % 64 for unit v."""
    follow = np.zeros(len(word), np.int64)
    keys = table.keys[table.keys >= 0]  # node * 2^32 + unit
    np.bitwise_or.at(follow, keys >> 32, np.int64(1) << (keys & 63))
    if separator >= 0:
        follow[word >= 0] |= np.int64(1) << (separator & 63)
    if begins.any():
        follow[word >= 0] |= follow[0]
    return follow


def _refuse_words(tokenizer: Tokenizer) -> None:
    if tokenizer.kind == "word":
        raise LexiconError("lexicon: the model's units are words already, there is nothing to spell; leave lexicon out")


def _refuse_misplaced(spelling: Spelling, begins: np.ndarray, separator: int, tokenizer: Tokenizer) -> None:
    if separator in spelling.units:
        raise LexiconError(f"{spelling.place}: {spelling.word!r} has the unit between words in it; drop that")
    if not begins.any():
        return
    if not begins[spelling.units[0]] or begins[list(spelling.units[1:])].any():
        names = " ".join(tokenizer.names[unit] for unit in spelling.units)
        raise LexiconError(
            f"{spelling.place}: {spelling.word!r} is spelt {names}; a word begins with a unit that starts with "
            f"{SPACE}, and no other unit of it does"
        )


@numba.njit(cache=True)
def _plant(
    units: np.ndarray,
    ends: np.ndarray,
    words: np.ndarray,
    table: Table,
    word: np.ndarray,
    parent: np.ndarray,
    owner: np.ndarray,
) -> tuple[int, int]:
    """Fill the tree: (place of the first spelling that was there before or -1, number of nodes)."""
    count, start = 1, 0
    for i in range(len(words)):
        node = 0
        for unit in units[start : ends[i]]:
            below = find(node, unit, table)
            if below < 0:
                below = count
                count += 1
                enter(node, unit, below, table)
                parent[below] = node
            node = below
        if owner[node] >= 0:
            return i, count
        owner[node], word[node] = i, words[i]
        start = ends[i]
    return -1, count


@numba.njit(cache=True)
def _ahead(word: np.ndarray, parent: np.ndarray, unigram: np.ndarray) -> np.ndarray:
    """The best unigram among the words strictly below each node, (N,)."""
    ahead = np.full(len(word), -np.inf)
    for node in range(len(word) - 1, 0, -1):  # a node's number is above its parent's
        best = ahead[node]
        if word[node] >= 0:
            best = max(best, unigram[word[node]])
        ahead[parent[node]] = max(ahead[parent[node]], best)
    return ahead
