"""Entropy pruning: n-grams go whose loss changes the model least, and the weights of backing off are made anew."""

from __future__ import annotations

import numpy as np

from nst_asr.speech.ngram.model import BOS, EOS, NEVER, Ngram, NgramError, Order, pieces, trimmed

_LEAST = 1e-9  # probability mass under which there is nothing to share out


def prune(model: Ngram, threshold: float) -> Ngram:
    """The model without the n-grams (of order 2 and more) that change its perplexity by less than a relative threshold.

    Taking away the n-gram h w changes the model's entropy, in nats, by

        D = -P(h) { P(w|h) [log P(w|h') + log b'(h) - log P(w|h)] + [log b'(h) - log b(h)] sum over x of P(x|h) }

    where h' is h without its first word, b(h) = (1 - sum of P(y|h)) / (1 - sum of P(y|h')) over the y that have an
    n-gram h y, b'(h) the same without w, and x runs over the words that have none. It goes where exp(D) - 1 is below
    the threshold, unless it is the context of a longer one that stays. From the highest order down; in the end the
    back-offs b are computed anew, so that the model sums to one.

    P(h) is the product of the model's own probabilities, with P(</s>) for <s>. After Kneser-Ney these are not h's
    frequency in the text where h is short, so that such models lose more by pruning than others (Chelba et al. 2010).

    Source: Stolcke 1998, sections 3 and 4. Raises NgramError for a threshold that is not above 0.
    """
    if not threshold > 0:
        raise NgramError(f"threshold = {threshold:g}: give a number above 0, such as 1e-7; at 0 nothing is pruned")
    histories = _histories(model)
    kept = [np.ones(len(order), bool) for order in model.orders]
    for k in range(len(model.orders), 1, -1):
        needed = np.zeros(len(model.orders[k - 1]), bool)
        if k < len(model.orders):
            needed[model.orders[k].context[kept[k]]] = True
        kept[k - 1] = needed | (_changes(model, k, histories[k - 2]) >= threshold)
    return with_backoffs(_without(model, kept))


def with_backoffs(model: Ngram) -> Ngram:
    """The same n-grams and probabilities, with the weights of backing off that let every context sum to one."""
    orders = [model.orders[0]]
    for k in range(2, len(model.orders) + 1):
        below, above = orders[-1], model.orders[k - 1]
        lower = _lower(Ngram(model.names, tuple(orders)), above, k)
        left, shared = _left(above, lower, len(below))
        backoff = np.log10(np.maximum(left, _LEAST) / np.maximum(shared, _LEAST))
        followed = np.bincount(above.context, minlength=len(below)) > 0
        backoff = np.where(followed & (shared >= _LEAST), backoff, 0.0)
        orders[-1] = Order(below.context, below.word, below.logprob, backoff)
        orders.append(Order(above.context, above.word, above.logprob, np.zeros(len(above))))
    return trimmed(model.names, orders)


def _histories(model: Ngram) -> list[np.ndarray]:
    """log10 P(h) of each n-gram as a history."""
    first = model.orders[0].logprob.copy()
    first[model.numbers[BOS]] = first[model.numbers[EOS]]  # a sentence begins as often as one ends
    found = [first]
    for order in model.orders[1:]:
        found.append(found[-1][order.context] + order.logprob)
    return found


def _changes(model: Ngram, k: int, history: np.ndarray) -> np.ndarray:
    """exp(D) - 1 of each n-gram of order k."""
    order = model.orders[k - 1]
    lower = _lower(model, order, k)
    left, shared = (np.maximum(mass, 0.0)[order.context] for mass in _left(order, lower, len(model.orders[k - 2])))
    here = 10.0**order.logprob
    # in nats from here on
    after = np.log((left + here) / np.maximum(shared + 10.0**lower, _LEAST))
    before = np.log(np.maximum(left, _LEAST) / np.maximum(shared, _LEAST))
    own = here * ((lower - order.logprob) * np.log(10) + after)
    others = np.where(left > _LEAST, left * (after - before), 0.0)
    return np.asarray(np.expm1(-(10.0 ** history[order.context]) * (own + others)))


def _left(order: Order, lower: np.ndarray, contexts: int) -> tuple[np.ndarray, np.ndarray]:
    """What each context's n-grams leave over of 1: by their own probabilities, and by those of the order below."""
    return (
        1 - np.bincount(order.context, weights=10.0**order.logprob, minlength=contexts),
        1 - np.bincount(order.context, weights=10.0**lower, minlength=contexts),
    )


def _lower(model: Ngram, order: Order, k: int) -> np.ndarray:
    """log10 P(w given h') of each n-gram of an order k, whose contexts are rows of the model's order k - 1."""
    lower = np.empty(len(order))
    for start, stop in pieces(len(order)):
        words = np.column_stack((model.words(k - 1, order.context[start:stop]), order.word[start:stop]))
        lower[start:stop] = model.lower_logprobs(k, words)
    # the last word may be <s> in a file made elsewhere: nothing predicts it
    return np.maximum(lower, NEVER)


def _without(model: Ngram, kept: list[np.ndarray]) -> Ngram:
    orders: list[Order] = []
    renumbered = np.zeros(1, np.int32)
    for order, keep in zip(model.orders, kept, strict=True):
        context = renumbered[order.context[keep]]
        orders.append(Order(context, order.word[keep], order.logprob[keep], order.backoff[keep]))
        renumbered = np.cumsum(keep, dtype=np.int32) - 1
    return trimmed(model.names, orders)
