"""Small n-gram models for tests: ARPA text, and its probabilities by a dictionary and the back-off formula."""

import itertools
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

Ngram = tuple[str, ...]


class SmallNgram:
    """A model of random but proper form: every n-gram's beginning and end are there; logarithms to base 10."""

    def __init__(self, words: Sequence[str], order: int, seed: int, share: float = 0.5) -> None:
        draw = np.random.default_rng(seed)
        singles = [*words, "<s>", "</s>", "<unk>"]
        self.order = order
        self.logprob: dict[Ngram, float] = {(word,): float(draw.uniform(-2, -0.2)) for word in singles}
        self.logprob["<s>",] = -99.0
        level = [(word,) for word in singles if word not in ("</s>", "<unk>")]
        for _ in range(1, order):
            longer = [(*ngram, word) for ngram in level for word in [*words, "</s>"]]
            kept = [ngram for ngram in longer if ngram[1:] in self.logprob and draw.random() < share]
            self.logprob.update({ngram: float(draw.uniform(-1.5, -0.05)) for ngram in kept})
            level = [ngram for ngram in kept if ngram[-1] != "</s>"]
        self.backoff = {
            ngram: float(draw.uniform(-0.7, 0.0))
            for ngram in self.logprob
            if len(ngram) < order and ngram[-1] not in ("</s>", "<unk>")
        }

    def write(self, path: Path) -> Path:
        """The model as an ARPA file."""
        lines = ["\\data\\"]
        sizes = range(1, self.order + 1)
        lines += [f"ngram {n}={sum(len(ngram) == n for ngram in self.logprob)}" for n in sizes]
        for n in sizes:
            lines += ["", f"\\{n}-grams:"]
            for ngram, value in self.logprob.items():
                if len(ngram) == n:
                    tail = [f"{self.backoff[ngram]:.9f}"] if ngram in self.backoff else []
                    lines.append("\t".join([f"{value:.9f}", " ".join(ngram), *tail]))
        path.write_text("\n".join([*lines, "", "\\end\\", ""]), encoding="utf-8")
        return path

    def log10(self, history: Ngram, word: str) -> float:
        """log10 P(word | history) by the back-off formula."""
        history = history[-(self.order - 1) :] if self.order > 1 else ()
        if (*history, word) in self.logprob:
            return self.logprob[*history, word]
        if not history:
            return self.logprob["<unk>",]
        return self.backoff.get(history, 0.0) + self.log10(history[1:], word)

    def sentence(self, words: Sequence[str]) -> float:
        """log P(words, end), nats."""
        whole = ("<s>", *words, "</s>")
        return math.log(10) * sum(self.log10(whole[:n], whole[n]) for n in range(1, len(whole)))


def strings(units: Sequence[int], longest: int) -> list[tuple[int, ...]]:
    """Every string of at most so many units."""
    return [label for size in range(longest + 1) for label in itertools.product(units, repeat=size)]
