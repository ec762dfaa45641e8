"""How many errors hypotheses of each confidence have, learnt from some that were scored; and how far that scatters.

Doubt is minus the confidence. What was not heard at all has no doubt: empty hypotheses are counted apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from nst_asr.bootstrap import resampled_weights
from nst_asr.census import length
from nst_asr.isotonic import Blocks, Curve, pool_adjacent_violators
from nst_asr.key import Key

_MOST_BINS = 100
_FEWEST = 20  # rows of a bin
_PIECES = 2000
_TINY = 1e-300


@dataclass(frozen=True)
class Heard:
    """Hypotheses, or pieces of many alike: doubt, words heard, and the number of empty ones, (N,) f64 each."""

    doubt: np.ndarray
    spoken: np.ndarray
    empty: np.ndarray

    @classmethod
    def of(cls, rows: pl.DataFrame) -> Heard:
        """Of rows with label and confidence; the confidence of an empty label does not matter."""
        spoken = rows.select(length("word")).to_series().cast(pl.Float64).to_numpy()
        confidence = rows["confidence"].cast(pl.Float64).fill_null(0).to_numpy()
        return cls(np.where(spoken > 0, -confidence, 0.0), spoken, (spoken == 0).astype(np.float64))

    def pieces(self) -> Heard:
        """The same in about 2,000 pieces at most: by doubt, each at the mean of its words; and the empty ones."""
        said = np.flatnonzero(self.spoken)
        order = said[np.argsort(self.doubt[said], kind="stable")]
        empty = np.array([self.empty.sum()])
        if not len(order):
            return Heard(np.zeros(1), np.zeros(1), empty)
        starts = np.unique(np.arange(_PIECES) * len(order) // _PIECES)
        spoken = np.add.reduceat(self.spoken[order], starts)
        doubt = np.add.reduceat((self.doubt * self.spoken)[order], starts) / spoken
        return Heard(np.append(doubt, 0), np.append(spoken, 0), np.append(np.zeros(len(starts)), empty))


@dataclass(frozen=True)
class Taught:
    """Expected errors and words of hypotheses.

    rate: errors a word of the truth, by doubt; words: words of the truth for one heard; scales: of errors and words, so
    that what taught it comes out right; of_empty: errors and words of a hypothesis in which nothing was heard.
    """

    rate: Curve
    words: Curve
    scales: tuple[float, float]
    of_empty: tuple[float, float]

    def __call__(self, heard: Heard) -> tuple[np.ndarray, np.ndarray]:
        """Expected errors, and words of the truth, of each, (N,)."""
        words = self.words(heard.doubt) * heard.spoken
        errors = self.rate(heard.doubt) * words
        scaled = (errors * self.scales[0], words * self.scales[1])
        return scaled[0] + heard.empty * self.of_empty[0], scaled[1] + heard.empty * self.of_empty[1]


@dataclass(frozen=True)
class Lesson:
    """Hypotheses that were scored, in bins of doubt; empty ones are the bin after the last.

    amounts: errors, words of the truth, words heard, and 1, (N, 4); centres: mean doubt of each bin but that of the
    empty ones; reach: the least and the most doubt. At least one is not empty.
    """

    heard: Heard
    bins: np.ndarray
    amounts: np.ndarray
    centres: np.ndarray
    reach: tuple[float, float]

    @classmethod
    def of(cls, rows: pl.DataFrame) -> Lesson:
        """Of rows with label, confidence, errors and words."""
        heard = Heard.of(rows)
        errors, true = (rows[name].cast(pl.Float64).to_numpy() for name in ("errors", "words"))
        said = heard.spoken > 0
        doubt = np.sort(heard.doubt[said])
        number = max(1, min(_MOST_BINS, len(doubt) // _FEWEST))
        # a bin begins with the first of equal doubts, so that none are parted
        firsts = np.unique(doubt[np.arange(number) * len(doubt) // number])
        bins = np.where(said, np.searchsorted(firsts, heard.doubt, side="right") - 1, len(firsts))
        centres = np.bincount(bins[said], heard.doubt[said]) / np.bincount(bins[said])
        amounts = np.column_stack([errors, true, heard.spoken, np.ones(len(true))])
        return cls(heard, bins, amounts, centres, (float(doubt[0]), float(doubt[-1])))

    def totals(self, weights: np.ndarray) -> np.ndarray:
        """The amounts of each bin, (R, bins + 1, 4), where rows count as often as weights (R, N) say."""
        order = np.argsort(self.bins, kind="stable")
        there, starts = np.unique(self.bins[order], return_index=True)
        found = np.zeros((len(weights), len(self.centres) + 1, 4))
        for place, column in enumerate(self.amounts.T):
            found[:, there, place] = np.add.reduceat((weights * column)[:, order], starts, axis=1)
        return found

    def resampled(self, unit: np.ndarray, key: Key, resamples: int) -> Iterator[np.ndarray]:
        """The amounts of each bin, (bins + 1, 4), in each resample of units; `unit`: the number of each row's, (N,)."""
        for weights in resampled_weights(unit, key, resamples):
            yield from self.totals(weights)

    def block(self, totals: np.ndarray) -> np.ndarray:
        """The block of each bin in which the rates of neighbours are pooled until they rise."""
        errors, true = totals[:-1, :2].T
        return pool_adjacent_violators(errors / np.maximum(true, _TINY), true)

    def taught(self, totals: np.ndarray) -> Taught:
        """What these totals of the bins (bins + 1, 4) teach; if a resample has no empty rows, all of them stand in."""
        said, block = totals[:-1], self.block(totals)
        errors, true, spoken, _ = (np.bincount(block, column) for column in said.T)
        rows = np.bincount(self.bins[self.heard.spoken > 0]).astype(np.float64)
        x = np.bincount(block, self.centres * rows) / np.bincount(block, rows)
        risen = Blocks(x, errors / np.maximum(true, _TINY), block, self.reach).curve()
        words = Curve(tuple(x.tolist()), tuple((true / np.maximum(spoken, _TINY)).tolist()))
        as_it_is = Taught(risen, words, (1.0, 1.0), (0.0, 0.0))
        expected = as_it_is(Heard(self.centres, said[:, 2], np.zeros(len(said))))
        scales = [_scale(float(part.sum()), float(own)) for part, own in zip(expected, said[:, :2].sum(0), strict=True)]
        return Taught(risen, words, (scales[0], scales[1]), self._of_empty(totals[-1]))

    def _of_empty(self, total: np.ndarray) -> tuple[float, float]:
        """Errors and words of an empty hypothesis; all words of an average truth where there is none to learn from."""
        if not total[3]:
            total = self.amounts[self.heard.spoken == 0].sum(0)
        if not total[3]:
            mean = float(self.amounts[:, 1].mean())
            return mean, mean
        return float(total[0] / total[3]), float(total[1] / total[3])


def _scale(expected: float, own: float) -> float:
    return own / expected if expected > 0 else 1.0


@dataclass(frozen=True)
class Scatter:
    """How far errors are from what is expected, as variances for sums over hypotheses with W expected words.

        Var(sum of residuals) = sum over kinds of v W  +  t (sum over groups of W_g^2 - sum over hypotheses of W_i^2)

    each: v of each block of confidence, and last of the empty ones; edges: doubt at which the next block begins; group:
    t, how far the errors of one group go together, 0 where groups are not known.
    """

    each: np.ndarray
    edges: np.ndarray
    group: float

    def variance(self, heard: Heard, words: np.ndarray, unit: np.ndarray | None) -> float:
        """The variance of the sum of residuals of these, of `words` expected; `unit`: the group of each, if known."""
        kind = _kind(heard, self.edges)
        alone = float((self.each[kind] * words).sum())
        return alone if unit is None else alone + self.group * _pairs(words, unit)


def scatter(lesson: Lesson, taught: Taught, rate: float, unit: np.ndarray | None) -> Scatter:
    """How far what was scored scatters about what it taught, in errors beyond `rate` times the words of the truth.

    unit: the group of each row, if groups are known: their share is found by the method of moments, from the squared
    sums of groups beyond the sums of squares.
    """
    errors, words = taught(lesson.heard)
    residual = lesson.amounts[:, 0] - errors - rate * (lesson.amounts[:, 1] - words)
    block = lesson.block(lesson.totals(np.ones((1, len(residual))))[0])
    firsts = np.array([lesson.heard.doubt[lesson.bins == place].min() for place in np.flatnonzero(np.diff(block)) + 1])
    kind = _kind(lesson.heard, firsts)
    number = len(firsts) + 2
    freedom = len(residual) / max(len(residual) - len(firsts) - 1, 1)
    squares, mass = (np.bincount(kind, part, number) for part in (residual**2, words))
    each = freedom * squares / np.maximum(mass, _TINY)
    if unit is None:
        return Scatter(each, firsts, 0.0)
    beyond = float((np.bincount(unit, residual) ** 2).sum() - (residual**2).sum())
    return Scatter(each, firsts, max(0.0, beyond / max(_pairs(words, unit), _TINY)))


def _kind(heard: Heard, edges: np.ndarray) -> np.ndarray:
    """The block of each, counted from 0, and the number after the last for empty ones."""
    return np.where(heard.spoken > 0, np.searchsorted(edges, heard.doubt, side="right"), len(edges) + 1)


def _pairs(words: np.ndarray, unit: np.ndarray) -> float:
    return float((np.bincount(unit, words) ** 2).sum() - (words**2).sum())
