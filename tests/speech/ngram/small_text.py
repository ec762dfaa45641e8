"""Small texts to train on, and models of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nst_asr.key import Key
from nst_asr.speech.ngram.model import BOS, Ngram
from nst_asr.speech.ngram.text import read_words
from nst_asr.speech.ngram.train import NgramPlan, train_ngram

WORDS = [f"{a}{b}" for a in "bcdfg" for b in "aeiou"]


def sentences(count: int, seed: int = 0) -> list[str]:
    """Sentences in which frequent words are far more frequent, and each word depends on the one before."""
    rng = Key(seed)["sentences"].generator()
    found = []
    for _ in range(count):
        place, words = 0, []
        for _ in range(int(rng.integers(1, 12))):
            place = int((3 * place + rng.geometric(0.25)) % len(WORDS))
            words.append(WORDS[place])
        found.append(" ".join(words))
    return found


def written(path: Path, lines: Sequence[str]) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def model_of(folder: Path, lines: Sequence[str], **plan: Any) -> Ngram:
    return train_ngram(read_words([written(folder / "text.txt", lines)]), NgramPlan(**plan)).model


def sums(model: Ngram, contexts: Sequence[Sequence[str]]) -> list[float]:
    """For each context the sum of P(w | context) over all words but <s>."""
    words = [number for number, name in enumerate(model.names) if name != BOS]
    totals = []
    for context in contexts:
        given = [model.numbers[name] for name in context]
        tokens = np.array([[*given, word] for word in words], np.int32)
        place = np.tile(np.arange(len(given) + 1), len(words))
        last = model.logprobs(tokens.ravel(), place)[len(given) :: len(given) + 1]
        totals.append(float((10.0**last).sum()))
    return totals


def all_contexts(model: Ngram) -> list[list[str]]:
    """Every n-gram that can be a context, the empty one, and some that no n-gram is."""
    found = [[model.names[word] for word in row] for k in range(1, len(model.orders)) for row in rows(model, k)]
    return [[], *found, ["<s>", "ba", "ba"], ["gu", "gu", "gu"]]


def rows(model: Ngram, k: int) -> np.ndarray:
    return model.words(k, np.arange(len(model.orders[k - 1])))
