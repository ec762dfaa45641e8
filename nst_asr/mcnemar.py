"""Whether two classifiers differ in accuracy on the same images: McNemar's test, exact."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

LEVEL = 0.05
MOST_EXACT = 100_000  # discordant images; of more, the normal approximation differs in the sixth digit


@dataclass(frozen=True)
class McNemar:
    """The test of two systems on the same examples.

    both, first_only, second_only, neither: examples that these have right. p: two-sided; method: how it was found;
    mid_p: the same with the probability of what was seen counted half, None where the normal approximation was taken.
    """

    both: int
    first_only: int
    second_only: int
    neither: int
    p: float
    method: Literal["exact binomial", "normal approximation"]
    mid_p: float | None

    @property
    def discordant(self) -> int:
        """Examples that one of the two alone has right; the others say nothing about which is better."""
        return self.first_only + self.second_only

    @property
    def significant(self) -> bool:
        """Whether p (not mid-p) is below 0.05."""
        return self.p < LEVEL

    @property
    def better(self) -> Literal["first", "second"] | None:
        """The system with significantly more right, if there is one."""
        if not self.significant:
            return None
        return "first" if self.first_only > self.second_only else "second"

    def to_json(self) -> dict[str, Any]:
        """The fields and both judgements."""
        return asdict(self) | {"significant": self.significant, "better": self.better}


def mcnemar(first: np.ndarray, second: np.ndarray) -> McNemar:
    """The test of whether the first (N,) and the second (N,) of two systems, bool, are right equally often.

    If they are, each of the n examples that one alone has right is either's with probability 1/2, and
    with k of them the first's

        p = min(1, 2 P(B <= min(k, n - k))),  B binomial (n, 1/2);  1 where n = 0

    This is the exact conditional test, and never too sure. mid-p is less by the probability of k itself: nearer
    to the nominal level on average, but not bounded by it (Fagerland, Lydersen and Laake 2013). Above 100,000 such
    examples: p = erfc(|z| / sqrt 2) with z = (|2 k - n| - 1) / sqrt(n). Source: McNemar 1947; Gillick and Cox 1989.

    Raises ValueError where the two differ in number.
    """
    if first.shape != second.shape:
        raise ValueError(f"{len(first)} and {len(second)} outcomes: give both systems' of the same examples")
    both, first_only, second_only = (
        int((a & b).sum()) for a, b in ((first, second), (first, ~second), (~first, second))
    )
    counts = both, first_only, second_only, len(first) - both - first_only - second_only
    number, least = first_only + second_only, min(first_only, second_only)
    if number > MOST_EXACT:
        z = max(number - 2 * least - 1, 0) / math.sqrt(number)
        return McNemar(*counts, math.erfc(z / math.sqrt(2)), "normal approximation", None)
    logs = [_log_probability(number, k) for k in range(least + 1)]
    tail, own = math.fsum(map(math.exp, logs)), math.exp(logs[-1])
    return McNemar(*counts, min(1.0, 2 * tail), "exact binomial", min(1.0, 2 * tail - own))


def _log_probability(number: int, k: int) -> float:
    """log P(B = k), B binomial (number, 1/2)."""
    return math.lgamma(number + 1) - math.lgamma(k + 1) - math.lgamma(number - k + 1) - number * math.log(2)
