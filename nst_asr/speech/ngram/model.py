"""An n-gram language model with back-off, as arrays: what an ARPA file says, and what it gives for text.

N rows of an order, T tokens. Logarithms are to base 10 here, as in the files: converting them would lose digits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numba
import numpy as np

BOS, EOS, UNK = "<s>", "</s>", "<unk>"
NEVER = -99.0  # the log probability of <s>, which nothing predicts
_PIECE = 500_000  # n-grams whose words are laid out at once


class NgramError(ValueError):
    """A text or a model that cannot be used; the message names the file, the value and the way out."""


@dataclass(frozen=True)
class Order:
    """The n-grams of one order, sorted by context and word."""

    context: np.ndarray  # (N,) int32: the row, in the order below, of all words but the last; 0 for unigrams
    word: np.ndarray  # (N,) int32: the last word's number
    logprob: np.ndarray  # (N,) float64: log10 P(word given context)
    backoff: np.ndarray  # (N,) float64: log10 of the weight as a context; 0 at the highest order

    def __len__(self) -> int:
        return len(self.word)


@dataclass(frozen=True)
class Ngram:
    """The model: P(w given h) is that of the n-gram h w where there is one, else backoff(h) P(w given h without its
    first word), with a back-off weight of 1 where h is no n-gram."""

    names: tuple[str, ...]  # of words by number
    orders: tuple[Order, ...]  # unigrams first; row r of these is word r

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Word -> number."""
        return {name: number for number, name in enumerate(self.names)}

    @cached_property
    def unknown(self) -> int:
        """The number of <unk>, however it is written; -1 where the model has none."""
        return self.numbers.get(UNK, self.numbers.get(UNK.upper(), -1))

    @cached_property
    def _starts(self) -> list[np.ndarray]:
        """For each order: where in it the n-grams of each context begin, and where those of the last one end."""
        sizes = [1, *map(len, self.orders)]
        return [
            np.searchsorted(order.context, np.arange(below + 1, dtype=np.int32))
            for order, below in zip(self.orders, sizes, strict=False)
        ]

    def rows(self, order: int, context: np.ndarray, word: np.ndarray) -> np.ndarray:
        """The row (int32) of each n-gram of an order (2, 3, ...) by its context's row and its last word; -1: none.

        A context's row of -1 has none.
        """
        found: np.ndarray = _find(self._starts[order - 1], self.orders[order - 1].word, context, word)
        return found

    def words(self, order: int, rows: np.ndarray) -> np.ndarray:
        """The words of some n-grams of an order, int32 of shape (len(rows), order)."""
        columns = []
        for each in reversed(self.orders[:order]):
            columns.append(each.word[rows])
            rows = each.context[rows]
        return np.stack(columns[::-1], axis=1)

    def logprobs(self, tokens: np.ndarray, place: np.ndarray) -> np.ndarray:
        """log10 P of each token given those before it in its sentence, (T,) float64.

        tokens: (T,) word numbers, -1 for a word that the model cannot name, whose result is NaN; place: (T,) how many
        tokens of the sentence precede. A token of place 0 is given its unigram probability: for <s> that means nothing.
        """
        found = np.where(tokens >= 0, self.orders[0].logprob[tokens], np.nan)
        rows = tokens
        for order, (below, above) in enumerate(zip(self.orders, self.orders[1:], strict=False), start=2):
            has_context = place >= order - 1
            context = np.where(has_context, np.concatenate(([-1], rows[:-1])), -1).astype(np.int32)
            rows = self.rows(order, context, tokens)
            found = found + np.where(context >= 0, below.backoff[context], 0.0)
            there = rows >= 0
            found[there] = above.logprob[rows[there]]
        return found

    def lower_logprobs(self, order: int, word_rows: np.ndarray) -> np.ndarray:
        """log10 P of the last word of each row of words (N, order), given those before it without the first one."""
        words = np.ascontiguousarray(word_rows[:, 1:])
        place = np.tile(np.arange(order - 1, dtype=np.int32), len(words))
        return self.logprobs(words.ravel(), place)[order - 2 :: order - 1]


def trimmed(names: Sequence[str], orders: Sequence[Order]) -> Ngram:
    """The model without highest orders that have no n-gram, which readers of ARPA files do not expect.

    One of them stays where weights of backing off below it count: the highest order has none.
    """
    last = max(k for k, order in enumerate(orders, start=1) if len(order) or k == 1)
    return Ngram(tuple(names), tuple(orders[: last + int(orders[last - 1].backoff.any())]))


def pieces(rows: int) -> Iterator[tuple[int, int]]:
    """Start and end of successive pieces of so many rows: memory stays flat however long an order is."""
    return ((start, min(start + _PIECE, rows)) for start in range(0, rows, _PIECE))


@numba.njit(cache=True)
def _find(  # pragma: no cover - compiled
    starts: np.ndarray, words: np.ndarray, context: np.ndarray, word: np.ndarray
) -> np.ndarray:
    """Binary search for each word among those of its context."""
    found = np.full(len(word), -1, np.int32)
    for n in range(len(word)):
        if context[n] < 0:
            continue
        low, high = starts[context[n]], starts[context[n] + 1]
        while low < high:
            middle = (low + high) // 2
            if words[middle] < word[n]:
                low = middle + 1
            else:
                high = middle
        if low < starts[context[n] + 1] and words[low] == word[n]:
            found[n] = low
    return found
