"""n-gram models written down from the papers, word by word: slow, and independent of the package."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

Gram = tuple[str, ...]


class KneserNey:
    """Interpolated modified Kneser-Ney, as a recursion over dictionaries."""

    def __init__(self, sentences: Sequence[str], order: int, fallback: tuple[float, ...] = (0.5, 1.0, 1.5)) -> None:
        lines = [["<s>", *sentence.split(), "</s>"] for sentence in sentences]
        self.order = order
        self.vocabulary = sorted({word for line in lines for word in line} | {"<unk>"})
        raw = [
            Counter(tuple(line[i : i + k]) for line in lines for i in range(len(line) - k + 1))
            for k in range(1, order + 1)
        ]
        raw[0].pop(("<s>",))
        self.counts = [self._adjusted(raw, k) for k in range(1, order + 1)]
        self.discounts = [self._discounts(list(counts.values()), fallback) for counts in self.counts]
        self.following = [defaultdict(list) for _ in range(order)]
        for counts, following in zip(self.counts, self.following, strict=True):
            for gram, count in counts.items():
                following[gram[:-1]].append(count)

    def _adjusted(self, raw: list[Counter[Gram]], k: int) -> Counter[Gram]:
        if k == self.order:
            return raw[k - 1]
        before = defaultdict(set)
        for gram in raw[k]:
            before[gram[1:]].add(gram[0])
        return Counter({gram: raw[k - 1][gram] if gram[0] == "<s>" else len(before[gram]) for gram in raw[k - 1]})

    @staticmethod
    def _discounts(counts: list[int], fallback: tuple[float, ...]) -> list[float]:
        n = [counts.count(j) for j in range(5)]
        if not (n[1] and n[2] and n[3]):
            return [0.0, *fallback]
        y = n[1] / (n[1] + 2 * n[2])
        found = [j - (j + 1) * y * n[j + 1] / n[j] for j in (1, 2, 3)]
        return [0.0, *(found if all(0 <= d <= j for j, d in enumerate(found, 1)) else fallback)]

    def probability(self, word: str, context: Gram = ()) -> float:
        context = context[-(self.order - 1) :] if self.order > 1 else ()
        k = len(context)
        lower = self.probability(word, context[1:]) if context else 1 / (len(self.vocabulary) - 1)
        following = self.following[k].get(context)
        if not following:
            return lower
        discounts, count = self.discounts[k], self.counts[k].get((*context, word), 0)
        held = sum(discounts[min(c, 3)] for c in following)
        return (count - discounts[min(count, 3)] + held * lower) / sum(following)

    def log10(self, sentence: str) -> float:
        words = ["<s>", *sentence.split(), "</s>"]
        return sum(math.log10(self.probability(words[i], tuple(words[:i]))) for i in range(1, len(words)))
