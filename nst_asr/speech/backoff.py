"""A back-off n-gram model as arrays that compiled code walks: states, and the cost of the next word in each.

A state is the longest n-gram, below the model's order, that ends the history. Its number is that of the n-gram; 0 is
the empty one. Logarithms are natural.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numba
import numpy as np

from nst_asr.speech.ngram import model as ngram_model
from nst_asr.speech.ngram.model import Ngram

_LN10 = math.log(10)


class Table(NamedTuple):
    """(node, token) -> node, with open addressing: a slot is free where its key is negative."""

    keys: np.ndarray  # int64, a power of two of them
    values: np.ndarray  # int32


class Backoff(NamedTuple):
    """An n-gram model. logprob: of an n-gram's last word after the others; N n-grams, the empty one included."""

    table: Table  # from an n-gram and a word to the n-gram that is longer by it
    logprob: np.ndarray  # (N,) float64
    backoff: np.ndarray  # (N,) float64: what leaving the state for `shorter` costs
    shorter: np.ndarray  # (N,) int32: the longest proper suffix that is an n-gram of the model
    state: np.ndarray  # (N,) int32: where the n-gram leads, itself unless it is of the highest order


def compiled(ngram: Ngram) -> Backoff:
    """The model as its arrays for the search: row r of an order is n-gram number r + 1 + the rows of lower orders."""
    sizes = [len(order) for order in ngram.orders]
    first = 1 + np.cumsum([0, *sizes])
    table, count = empty_table(int(first[-1])), int(first[-1])
    logprob, backoff = np.zeros(count), np.zeros(count)
    shorter, state = np.zeros(count, np.int32), np.arange(count, dtype=np.int32)
    for number, order in enumerate(ngram.orders):
        start, stop = first[number], first[number + 1]
        context = order.context.astype(np.int32) + first[number - 1] if number else np.zeros(len(order), np.int32)
        _enter_order(context.astype(np.int32), order.word.astype(np.int32), int(start), table, shorter)
        logprob[start:stop] = np.maximum(order.logprob, ngram_model.NEVER) * _LN10
        backoff[start:stop] = order.backoff * _LN10
    highest = slice(int(first[-2]), count)
    if len(ngram.orders) > 1:
        state[highest] = shorter[highest]
    else:
        state[highest] = 0
    return Backoff(table, logprob, backoff, shorter, state)


@numba.njit(cache=True, nogil=True)
def step(state: int, word: int, model: Backoff) -> tuple[float, int]:
    """(log P(word | state), the state after it); minus infinity for a word that the model does not know."""
    cost = 0.0
    while True:
        longer = find(state, word, model.table)
        if longer >= 0:
            return cost + model.logprob[longer], model.state[longer]
        if state == 0:
            return -np.inf, 0
        cost += model.backoff[state]
        state = model.shorter[state]


def after(words: Sequence[int], model: Backoff) -> int:
    """The state after words, from the empty one."""
    state = 0
    for word in words:
        _, state = step(state, word, model)
    return state


def empty_table(count: int) -> Table:
    """A table for `count` entries, at most two thirds full."""
    size = 1 << max(4, math.ceil(math.log2(1.5 * count + 1)))
    return Table(np.full(size, -1, np.int64), np.zeros(size, np.int32))


@numba.njit(cache=True, nogil=True)
def find(node: int, token: int, table: Table) -> int:
    """Where a token leads from a node, or -1."""
    slot = slot_of(node, token, table)
    return table.values[slot] if table.keys[slot] >= 0 else -1


@numba.njit(cache=True, nogil=True)
def slot_of(node: int, token: int, table: Table) -> int:
    """The slot that holds a node and a token, or the free one where they belong."""
    key = (np.int64(node) << 32) | np.int64(token)
    mask = len(table.keys) - 1
    slot = int((key * np.int64(-7046029254386353131)) >> 24) & mask  # Fibonacci hashing
    while table.keys[slot] >= 0 and table.keys[slot] != key:
        slot = (slot + 1) & mask
    return slot


@numba.njit(cache=True, nogil=True)
def enter(node: int, token: int, value: int, table: Table) -> None:
    """Let a token lead from a node to `value`."""
    slot = slot_of(node, token, table)
    table.keys[slot] = (np.int64(node) << 32) | np.int64(token)
    table.values[slot] = value


@numba.njit(cache=True, nogil=True)
def _enter_order(context: np.ndarray, word: np.ndarray, first: int, table: Table, shorter: np.ndarray) -> None:
    """Enter the n-grams of one order, numbered from `first`, whose contexts have the given numbers."""
    for i in range(len(word)):
        node, suffix = context[i], 0
        while node > 0 and suffix == 0:
            node = shorter[node]
            suffix = max(find(node, word[i], table), 0)
        shorter[first + i] = suffix
    for i in range(len(word)):
        enter(context[i], word[i], first + i, table)
