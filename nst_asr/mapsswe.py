"""Whether two systems differ in word errors: NIST's matched-pairs sentence-segment word error test.

Source: Gillick and Cox 1989, "Some statistical issues in the comparison of speech recognition algorithms"; Pallett,
Fisher and Fiscus 1990, "Tools for the analysis of benchmark speech recognition tests"; sctk's `sc_stats -t mapsswe`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numba
import numpy as np

from nst_asr.align import Costs, aligned_moves
from nst_asr.moves import INSERTION, MATCH

if TYPE_CHECKING:
    import polars as pl

BUFFER = 2  # words that both systems have right, between two segments
LEVEL = 0.05
FEWEST_SEGMENTS = 50


@dataclass(frozen=True)
class MatchedPairs:
    """The test of the same utterances, heard by a first and a second system.

    segments: stretches in which at least one of the two errs. first_errors, second_errors: in all of them. mean,
    variance: of the difference first - second a segment (divisor n - 1). z: mean / sqrt(variance / segments); p: of a
    difference at least as large in either direction where there is none. note: why not to trust the test, or None.
    """

    segments: int
    utterances: int
    first_errors: int
    second_errors: int
    mean: float
    variance: float
    z: float
    p: float
    note: str | None

    @property
    def significant(self) -> bool:
        """Whether p is below 0.05."""
        return self.p < LEVEL

    @property
    def better(self) -> Literal["first", "second"] | None:
        """The system with significantly fewer errors, if there is one."""
        if not self.significant:
            return None
        return "first" if self.mean < 0 else "second"

    def describe(self, first: str = "the first", second: str = "the second") -> str:
        """One line to read."""
        verdict = {"first": f"{first} is better", "second": f"{second} is better", None: "no significant difference"}
        line = (
            f"matched pairs (MAPSSWE): {verdict[self.better]}, p = {self.p:.3g} (z = {self.z:.3f}, {self.mean:+.3f} "
            f"errors a segment of {first} beyond {second} in {self.segments} segments)"
        )
        return f"{line}; {self.note}" if self.note else line

    def to_json(self) -> dict[str, Any]:
        """The fields and both judgements."""
        return asdict(self) | {"significant": self.significant, "better": self.better}


def mapsswe(
    references: Sequence[str] | pl.Series,
    first: Sequence[str] | pl.Series,
    second: Sequence[str] | pl.Series,
    costs: Costs = "unit",
    buffer: int = BUFFER,
) -> MatchedPairs:
    """The matched-pairs test of two systems' hypotheses of the same utterances.

    An utterance is cut where both systems have at least `buffer` words running right, with nothing inserted between
    them; its ends are cuts too. What lies between two cuts and holds an error is a segment, and the errors of
    different segments are taken to be independent, which those of single words are not. Then

        z = mean(d) / sqrt(variance(d) / n),  p = 2 (1 - Phi(|z|)),  d = errors of the first - errors of the second

    over the n segments. Where all d are equal there is no variance and nothing to test by: z is 0 and p is 1, as sctk
    has it, and the note says so. Insertions at the end of an utterance count, so that the errors of all segments are
    all errors. With `costs="sclite"` the alignments are sclite's, and segments, errors and z those of sctk 2.4.10.

    Raises ValueError where the three differ in number or buffer is less than 1.
    """
    if not len(references) == len(first) == len(second):
        raise ValueError(
            f"{len(references)} references, {len(first)} and {len(second)} hypotheses: give one of each system for each"
        )
    if buffer < 1:
        raise ValueError(f"buffer = {buffer}: it takes one word at least to part segments")
    ways = [aligned_moves(references, heard, costs) for heard in (first, second)]
    (left_counts, left), (right_counts, right) = ways
    errors = _segments(left, right, left_counts, right_counts, buffer).astype(np.int64)
    return _tested(errors, len(references))


def _tested(errors: np.ndarray, utterances: int) -> MatchedPairs:
    """The test of the errors of both systems in each segment, (segments, 2)."""
    number = len(errors)
    away = errors[:, 0] - errors[:, 1]
    mean = float(away.mean()) if number else 0.0
    variance = float(away.var(ddof=1)) if number > 1 else 0.0
    z = mean / math.sqrt(variance / number) if variance else 0.0
    p = math.erfc(abs(z) / math.sqrt(2))
    first, second = (int(total) for total in errors.sum(0))
    return MatchedPairs(number, utterances, first, second, mean, variance, z, p, _note(number, mean, variance))


def _note(number: int, mean: float, variance: float) -> str | None:
    if not number:
        return "neither system has an error"
    if not variance and mean:
        return f"all {number} segments differ alike, so there is no variance to test by; use the bootstrap"
    if number < FEWEST_SEGMENTS:
        return f"only {number} segments, and p is that of very many; use the bootstrap, or more utterances"
    return None


@numba.njit(cache=True)
def _segments(
    left: np.ndarray, right: np.ndarray, left_counts: np.ndarray, right_counts: np.ndarray, buffer: int
) -> np.ndarray:  # pragma: no cover - compiled
    """The errors of both systems in each segment, int32 (segments, 2); left and right: their moves, pair after pair."""
    errors = np.zeros((len(left_counts) + 1, 2), np.int32)
    found, i, j = 0, 0, 0
    for pair in range(len(left_counts)):
        words = left_counts[pair, 3]
        ends = i + words + left_counts[pair, 2], j + words + right_counts[pair, 2]
        wrong, right_ones = False, 0  # whether a segment is open, and the words running that both have right
        for word in range(words + 1):
            if found + 1 >= len(errors):
                more = np.zeros((2 * len(errors), 2), np.int32)
                more[: len(errors)] = errors
                errors = more
            while i < ends[0] and left[i] == INSERTION:
                errors[found, 0] += 1
                i, wrong, right_ones = i + 1, True, 0
            while j < ends[1] and right[j] == INSERTION:
                errors[found, 1] += 1
                j, wrong, right_ones = j + 1, True, 0
            if word == words:
                break
            if left[i] == MATCH and right[j] == MATCH:
                right_ones += 1
                if wrong and right_ones >= buffer:
                    found, wrong = found + 1, False
            else:
                errors[found, 0] += left[i] != MATCH
                errors[found, 1] += right[j] != MATCH
                wrong, right_ones = True, 0
            i, j = i + 1, j + 1
        found += wrong
    return errors[:found]
