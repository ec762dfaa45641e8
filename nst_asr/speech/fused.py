"""Compiled CTC prefix search with an n-gram model, over the model's units or over the words of a lexicon.

T frames, V vocabulary, K beam; index 0 is the blank. Logarithms are natural, in float64. A prefix is a string of units;
it sums over its alignments, as in `search.prefix_search`. What ranks prefixes is

    log P(prefix | frames) + weight * (log P_LM + ahead) + bonus * length

where `ahead` is the best that the word under way can still come to: its probability where it may end here, the best
unigram among the longer words (language model look-ahead, Ortmanns et al. 1996).
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

from nst_asr.speech.backoff import Backoff, Table, find, step
from nst_asr.speech.search import CHILD, NEVER, PARENT, PLACE, SIBLING, TOKEN, child_of, kept_parts, new_tree, totals


class Words(NamedTuple):
    """Which strings of units are words. N nodes of a prefix tree of spellings, 0 its root; without a lexicon N is 0.

    A word ends where a unit follows that begins words, or the separator, or nothing.
    """

    units: np.ndarray  # (V,) int32: without a lexicon, the LM's word for each unit
    table: Table  # from a node and a unit to the next node
    word: np.ndarray  # (N,) int32: the LM's word that is spelt so far, or -1
    ahead: np.ndarray  # (N,): the best unigram log probability among the longer words
    follow: np.ndarray  # (N,) int64: bit v % 64 is set where unit v may come next; a quick first look
    begins: np.ndarray  # (V,) bool: units that stand at the beginning of words only
    separator: int  # the unit between words, or -1


class Limits(NamedTuple):
    """What is looked at."""

    beam: int  # prefixes kept after each frame
    tokens: int  # units that may extend them: the most probable of the frame
    threshold: float  # nats below the best prefix at which one is dropped


class Fusion(NamedTuple):
    """A language model, and how much it counts."""

    model: Backoff
    start: int  # the state at the beginning of a sentence
    end: int  # the word that ends one
    weight: float
    bonus: float


class _Prefixes(NamedTuple):
    """What is known of prefixes, by node."""

    tree: np.ndarray
    sums: np.ndarray  # (nodes, 2): LM log probability of the whole words so far; what is added to the acoustic part
    places: np.ndarray  # (nodes, 3) int32: state of the LM, node of the spelling, length


class _Candidates(NamedTuple):
    """Prefixes one frame on, C of them; order, rank: (K,) the places of the best among them, and what ranks them."""

    order: np.ndarray
    rank: np.ndarray
    sums: np.ndarray  # (C, 3): as of a prefix, and the acoustic part
    places: np.ndarray  # (C, 5) int32: as of a prefix, place in the old beam, unit added or 0


_LM, _ADDEND, _ACOUSTIC = 0, 1, 2
_STATE, _SPELLING, _LENGTH, _ORIGIN, _ADDED = 0, 1, 2, 3, 4


@numba.njit(cache=True, nogil=True)
def fused_search(
    log_probs: np.ndarray, limits: Limits, fusion: Fusion, words: Words
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The prefixes in the beam after the last frame: acoustic and LM log probabilities, lengths, nodes; and the tree.

    log_probs: (T, V). In no order. A prefix that stops within a word has an LM log probability of minus infinity; where
    all do, there is only the longest beginning of the best that does not, its acoustic part minus infinity. There is
    none where the frames give every string of words, and every beginning of one, a probability of 0.
    """
    room = 1 + len(log_probs) * limits.beam
    prefixes = _Prefixes(new_tree(room), np.zeros((room, 2)), np.zeros((room, 3), np.int32))
    tree = prefixes.tree
    prefixes.places[0, _STATE] = fusion.start
    most = limits.beam * (1 + min(limits.tokens, log_probs.shape[1]))
    candidates = _Candidates(
        np.empty(limits.beam, np.int32), np.empty(limits.beam), np.empty((most, 3)), np.empty((most, 5), np.int32)
    )
    nodes, parts, total = np.zeros(1, np.int32), np.array([[0.0, NEVER]]), np.zeros(1)
    seen = np.zeros(log_probs.shape[1], np.int64)
    for t in range(len(log_probs)):
        frame = log_probs[t]
        for i in range(len(nodes)):
            tree[nodes[i], PLACE] = i
        kept = kept_parts(frame, nodes, parts, total, tree)
        stay = totals(kept)
        count = _stay(stay, nodes, prefixes, candidates)
        count = _extend(frame, nodes, parts, total, prefixes, candidates, count, limits, fusion, words, seen)
        for node in nodes:
            tree[node, PLACE] = -1
        nodes, parts, total = _grow(nodes, kept, stay, prefixes, candidates, count, limits.threshold)
    acoustic, lm = total, _finished(nodes, prefixes, fusion, words)
    if len(nodes) and lm.max() == NEVER:
        node = nodes[0]
        while lm[0] == NEVER:
            node = tree[node, PARENT]
            nodes = np.full(1, node, np.int32)
            lm = _finished(nodes, prefixes, fusion, words)
        acoustic = np.full(1, NEVER)
    return acoustic, lm, prefixes.places[nodes, _LENGTH], nodes, tree


# Records are taken apart before loops: a look into one counts references to its arrays, which costs more than a step.


@numba.njit(cache=True, nogil=True)
def _stay(stay: np.ndarray, nodes: np.ndarray, prefixes: _Prefixes, candidates: _Candidates) -> int:
    """Take each prefix of the beam, no longer than it was, for a candidate; how many there are."""
    rank, order, places, sums = candidates.rank, candidates.order, candidates.places, prefixes.sums
    count = 0
    for i in range(len(nodes)):
        places[i, _ORIGIN], places[i, _ADDED] = i, 0
        count = _insert(stay[i] + sums[nodes[i], _ADDEND], i, count, rank, order)
    return count


@numba.njit(cache=True, nogil=True)
def _extend(
    frame: np.ndarray,
    nodes: np.ndarray,
    parts: np.ndarray,
    total: np.ndarray,
    prefixes: _Prefixes,
    candidates: _Candidates,
    count: int,
    limits: Limits,
    fusion: Fusion,
    words: Words,
    seen: np.ndarray,
) -> int:
    """Take each prefix with one more unit for a candidate; how many candidates are in order then."""
    tree, places, sums = prefixes.tree, prefixes.places, prefixes.sums
    rank, order, new_places, new_sums = candidates.rank, candidates.order, candidates.places, candidates.sums
    model, weight, bonus = fusion.model, fusion.weight, fusion.bonus
    table, word, ahead, begins, separator = words.table, words.word, words.ahead, words.begins, words.separator
    units, follow, beam, threshold = words.units, words.follow, limits.beam, limits.threshold
    probable = _most_probable(frame, limits.tokens)
    made = len(nodes)
    for i in range(len(nodes)):
        node = nodes[i]
        seen[0] += 1  # a fresh mark
        child = tree[node, CHILD]
        while child >= 0:  # children in the beam: `kept_parts` has counted them
            if tree[child, PLACE] >= 0:
                seen[tree[child, TOKEN]] = seen[0]
            child = tree[child, SIBLING]
        # no word makes the LM's part larger
        bound = weight * sums[node, _LM] + bonus * places[node, _LENGTH] + max(bonus, 0.0)
        for v in probable:
            floor = rank[0] - threshold if count else NEVER
            if count == beam:
                floor = max(floor, rank[-1])
            if total[i] + frame[v] + bound <= floor:
                break  # and so do the less probable
            if seen[v] == seen[0] or (len(word) and not (follow[places[node, _SPELLING]] >> (v & 63)) & 1):
                continue
            acoustic = (parts[i, 0] if v == tree[node, TOKEN] else total[i]) + frame[v]
            if acoustic + bound <= floor:
                continue
            state, spelling = places[node, _STATE], places[node, _SPELLING]
            length, lm, best = places[node, _LENGTH], sums[node, _LM], 0.0
            if len(word) == 0:
                cost, state = step(state, units[v], model)
                lm += cost
                length += 1
            else:
                spelling, state, lm, length, best = _spelt(
                    v, spelling, state, lm, length, model, table, word, ahead, begins, separator
                )
            addend = weight * (lm + best) + bonus * length
            if spelling < 0 or acoustic + addend <= floor:
                continue
            new_sums[made, _LM], new_sums[made, _ADDEND], new_sums[made, _ACOUSTIC] = lm, addend, acoustic
            new_places[made, _STATE], new_places[made, _SPELLING], new_places[made, _LENGTH] = state, spelling, length
            new_places[made, _ORIGIN], new_places[made, _ADDED] = i, v
            count = _insert(acoustic + addend, made, count, rank, order)
            made += 1
    return count


@numba.njit(cache=True, nogil=True)
def _spelt(
    v: int,
    spelling: int,
    state: int,
    lm: float,
    length: int,
    model: Backoff,
    table: Table,
    word: np.ndarray,
    ahead: np.ndarray,
    begins: np.ndarray,
    separator: int,
) -> tuple[int, int, float, int, float]:
    """One more unit: node of the spelling (-1: no word is spelt so), LM's state, part, words begun, best to come."""
    if v == separator or begins[v]:
        if spelling > 0:
            if word[spelling] < 0:
                return -1, state, lm, length, 0.0
            cost, state = step(state, word[spelling], model)
            lm += cost
        elif v == separator:
            return -1, state, lm, length, 0.0
        if v == separator:
            return 0, state, lm, length, 0.0
        spelling = 0
    length += spelling == 0
    spelling = find(spelling, v, table)
    if spelling < 0:
        return -1, state, lm, length, 0.0
    best = ahead[spelling]
    if word[spelling] >= 0:
        best = max(best, step(state, word[spelling], model)[0])
    return spelling, state, lm, length, best


@numba.njit(cache=True, nogil=True)
def _grow(
    nodes: np.ndarray,
    kept: np.ndarray,
    stay: np.ndarray,
    prefixes: _Prefixes,
    candidates: _Candidates,
    count: int,
    threshold: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The new beam of the candidates that are near enough to the best: nodes (K,), parts (K, 2) and their sums (K,)."""
    tree, places, sums = prefixes.tree, prefixes.places, prefixes.sums
    rank, order, new_places, new_sums = candidates.rank, candidates.order, candidates.places, candidates.sums
    while count > 1 and rank[count - 1] < rank[0] - threshold:
        count -= 1
    chosen, parts, total = np.empty(count, np.int32), np.full((count, 2), NEVER), np.empty(count)
    for k in range(count):
        place = order[k]
        origin, added = new_places[place, _ORIGIN], new_places[place, _ADDED]
        chosen[k] = nodes[origin]
        if added:
            node = child_of(nodes[origin], added, tree)
            chosen[k] = node
            for column in (_LM, _ADDEND):
                sums[node, column] = new_sums[place, column]
            for column in (_STATE, _SPELLING, _LENGTH):
                places[node, column] = new_places[place, column]
            total[k] = parts[k, 1] = new_sums[place, _ACOUSTIC]
        else:
            parts[k, 0], parts[k, 1], total[k] = kept[origin, 0], kept[origin, 1], stay[origin]
    return chosen, parts, total


@numba.njit(cache=True, nogil=True)
def _finished(nodes: np.ndarray, prefixes: _Prefixes, fusion: Fusion, words: Words) -> np.ndarray:
    """The LM log probability of each prefix as a whole sentence, (K,)."""
    lm = np.empty(len(nodes))
    for k in range(len(nodes)):
        state, spelling, _ = prefixes.places[nodes[k]]
        lm[k] = prefixes.sums[nodes[k], _LM]
        if len(words.word) and nodes[k] > 0:
            if words.word[spelling] < 0:  # within a word, or after a separator: the root is no word
                lm[k] = NEVER
                continue
            cost, state = step(state, words.word[spelling], fusion.model)
            lm[k] += cost
        lm[k] += step(state, fusion.end, fusion.model)[0]
    return lm


@numba.njit(cache=True, nogil=True)
def _insert(value: float, place: int, count: int, rank: np.ndarray, order: np.ndarray) -> int:
    """Put a candidate in its place among the best, of equal ones the earlier ahead; how many there are then."""
    if value == NEVER or (count == len(rank) and not value > rank[-1]):
        return count
    k = min(count, len(rank) - 1)
    while k > 0 and value > rank[k - 1]:
        rank[k], order[k] = rank[k - 1], order[k - 1]
        k -= 1
    rank[k], order[k] = value, place
    return min(count + 1, len(rank))


@numba.njit(cache=True, nogil=True)
def _most_probable(frame: np.ndarray, count: int) -> np.ndarray:
    """The most probable units besides the blank, the most probable first; of equal ones, the first."""
    count = min(count, len(frame) - 1)
    units = np.zeros(count, np.int32)
    filled = 0
    for v in range(1, len(frame)):
        if filled == count and not frame[v] > frame[units[count - 1]]:
            continue
        k = min(filled, count - 1)
        while k > 0 and frame[v] > frame[units[k - 1]]:
            units[k] = units[k - 1]
            k -= 1
        units[k] = v
        filled = min(filled + 1, count)
    return units
