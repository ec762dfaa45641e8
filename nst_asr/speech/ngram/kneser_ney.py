"""Interpolated modified Kneser-Ney: n-gram probabilities from the counts of a text.

T tokens of padded sentences (<s> w1 ... wn </s>), N distinct n-grams of one order, V words.

    u(w | h) = max(0, a(h w) - D(a(h w))) / sum over x of a(h x)
    P(w | h) = u(w | h) + g(h) P(w | h without its first word)

a is the count at the highest order; below it, the number of different words seen before the n-gram, except where that
begins with <s>, before which nothing stands: its count. D is D1, D2 or D3 for a of 1, 2 and more; g(h), the weight of
backing off, is what the discounts (and pruned n-grams) leave over. Unigrams are interpolated with the uniform
distribution over all words but <s>, of which <unk>, never seen, gets its share.

Source: Chen & Goodman 1998, sections 3 and 4.1.6 (the discounts by counts of counts, equation 26); the details of
<s>, <unk> and pruning follow Heafield et al. 2013 (lmplz).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from nst_asr.speech.ngram.model import NEVER, Order

UNKNOWN, START, END = 0, 1, 2  # numbers of <unk>, <s>, </s>; a text's words follow
Discounts = tuple[float, float, float]


@dataclass(frozen=True)
class Grams:
    """The distinct n-grams of one order of a text, sorted by context and word."""

    context: np.ndarray  # (N,) int32: row, in the order below, of all words but the last
    suffix: np.ndarray  # (N,) int32: row, in the order below, of all words but the first
    word: np.ndarray  # (N,) int32: the last word
    count: np.ndarray  # (N,) int64: how often it occurs
    begins: np.ndarray  # (N,) bool: whether its first word is <s>

    def __len__(self) -> int:
        return len(self.word)


@dataclass(frozen=True)
class Discounted:
    """The discounts of one order, and why they are not those of its counts of counts, where they are not."""

    values: Discounts
    fallback: str = ""


def padded(tokens: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tokens with <s> before and </s> after each sentence, int32, and each one's place in its sentence, int32."""
    ends = np.cumsum(lengths + 2)
    out = np.full(int(ends[-1]) if len(ends) else 0, END, np.int32)
    place = (np.arange(len(out)) - np.repeat(ends - lengths - 2, lengths + 2)).astype(np.int32)
    out[place == 0] = START
    inner = place > 0
    inner[ends - 1] = False
    out[inner] = tokens
    return out, place


def count_ngrams(tokens: np.ndarray, place: np.ndarray, order: int, words: int) -> list[Grams]:
    """The n-grams of orders 1 ... order of padded tokens; words: V, all of which are unigrams, seen or not.

    An n-gram of order k is numbered by that of its first k - 1 words and its last word, one 64-bit integer whatever the
    order, and sorted: no table of words is compared.
    """
    numbers = np.arange(words, dtype=np.int32)
    count = np.bincount(tokens, minlength=words)
    count[START] = 0  # nothing predicts it
    nothing = np.zeros(words, np.int32)
    found = [Grams(nothing, nothing, numbers, count, numbers == START)]
    ranks = tokens  # of the n-gram of the order below that ends at each token
    for k in range(2, order + 1):
        at = np.flatnonzero(place >= k - 1)
        grams, in_order = _grams(ranks, tokens, at, place, k, words)
        found.append(grams)
        ranks = np.full(len(tokens), -1, np.int32)
        ranks[at] = in_order
    return found


def _grams(
    ranks: np.ndarray, tokens: np.ndarray, at: np.ndarray, place: np.ndarray, k: int, words: int
) -> tuple[Grams, np.ndarray]:
    """The n-grams of order k that end at the positions `at`, and the row of each position's."""
    keys = ranks[at - 1].astype(np.int64) * words + tokens[at]
    order = np.argsort(keys)
    keys = keys[order]
    new = np.concatenate((np.ones(min(len(keys), 1), bool), keys[1:] != keys[:-1]))
    first = np.flatnonzero(new)
    rows = np.empty(len(at), np.int32)
    rows[order] = np.cumsum(new) - 1
    example = at[order[first]]  # a position where each n-gram ends
    distinct = keys[first]
    grams = Grams(
        context=(distinct // words).astype(np.int32),
        suffix=ranks[example].astype(np.int32),
        word=(distinct % words).astype(np.int32),
        count=np.diff(first, append=len(keys)),
        begins=place[example] == k - 1,
    )
    return grams, rows


def adjusted_counts(grams: Sequence[Grams]) -> list[np.ndarray]:
    """What Kneser-Ney counts (a above), for each order, (N,) int64."""
    lower = [
        np.where(here.begins, here.count, np.bincount(above.suffix, minlength=len(here)))
        for here, above in pairwise(grams)
    ]
    return [*lower, grams[-1].count]


def discounts(adjusted: np.ndarray, fallback: Discounts) -> Discounted:
    """D1, D2 and D3 of an order from how many of its n-grams have a count of 1, 2, 3 and 4:

        Y = n1 / (n1 + 2 n2),  Dj = j - (j + 1) Y n(j+1) / nj

    Where n1, n2 or n3 is 0, or a Dj is not in [0, j] (tiny or artificial text, units that are all frequent), the
    formula has no answer, and all three are those of `fallback`, as lmplz --discount_fallback does.
    """
    n = np.bincount(adjusted[(adjusted > 0) & (adjusted < 5)], minlength=5)
    if missing := [j for j in (1, 2, 3) if not n[j]]:
        return Discounted(fallback, f"no n-gram has the count {missing[0]}")
    y = n[1] / (n[1] + 2 * n[2])
    d1, d2, d3 = (j - (j + 1) * y * n[j + 1] / n[j] for j in (1, 2, 3))
    for j, d in enumerate((d1, d2, d3), start=1):
        if not 0 <= d <= j:
            return Discounted(fallback, f"the formula gives D{j} = {d:.3f}, which is not in [0, {j}]")
    return Discounted((float(d1), float(d2), float(d3)))


def estimate(
    grams: Sequence[Grams], adjusted: Sequence[np.ndarray], given: Sequence[Discounts], kept: Sequence[np.ndarray]
) -> tuple[Order, ...]:
    """The model's orders, with the n-grams that are `kept` (for each order: (N,) bool) and their own numbers.

    Discounts are those of all n-grams; the mass of those not kept goes to the weights of backing off (Heafield et al.
    2013). Of a kept n-gram, context and suffix must be kept. Words keep their order.
    """
    orders: list[Order] = []
    lower, weight, renumbered = np.empty(0), np.empty(0), np.zeros(1, np.int32)
    words = np.cumsum(kept[0], dtype=np.int32) - 1
    for k, (here, a, keep) in enumerate(zip(grams, adjusted, kept, strict=True)):
        contexts = len(grams[k - 1]) if k else 1
        discounted, weight = _discounted(here, a, given[k], keep, contexts)
        if k:
            orders[-1] = _with_backoff(orders[-1], weight[kept[k - 1]])
            probability = discounted + weight[here.context] * lower[here.suffix]
        else:
            probability = discounted + weight[0] / (int(keep.sum()) - 1)  # all but <s>
        lower = probability
        logprob = np.log10(np.maximum(probability[keep], 10**NEVER))
        if not k:
            logprob[words[START]] = NEVER
        context = renumbered[here.context[keep]]
        orders.append(Order(context, words[here.word[keep]], logprob, np.zeros(len(logprob))))
        renumbered = np.cumsum(keep, dtype=np.int32) - 1
    return tuple(orders)


def _discounted(
    grams: Grams, adjusted: np.ndarray, given: Discounts, keep: np.ndarray, contexts: int
) -> tuple[np.ndarray, np.ndarray]:
    """u of each n-gram, and the weight of backing off from each context, 1 where nothing follows it."""
    held = np.array([0.0, *given])[np.minimum(adjusted, 3)]
    total = np.bincount(grams.context, weights=adjusted, minlength=contexts)
    left = np.bincount(grams.context, weights=np.where(keep, held, adjusted), minlength=contexts)
    followed = total > 0
    weight = np.divide(left, total, out=np.ones(contexts), where=followed)
    of_context = np.where(followed, total, 1.0)[grams.context]
    return np.where(keep, adjusted - held, 0.0) / of_context, weight


def _with_backoff(order: Order, weight: np.ndarray) -> Order:
    # a weight of 0, where the formula gives a D2 or D3 of exactly 0, has no place in a file
    return Order(order.context, order.word, order.logprob, np.log10(np.maximum(weight, 10**NEVER)))
