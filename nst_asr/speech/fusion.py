"""Which weights a language model deserves: labels found once, scored again under every weight on a grid.

N labels, K parts of a score (acoustic, lm, neural, length), G points of the grid.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from pydantic import Field, model_validator

from nst_asr.config import Record


class FusionPlan(Record):
    """Where weights are looked for that a plan leaves to `tune`."""

    rows: int = Field(1000, ge=1)  # utterances of dev that are decoded at most; drawn by their ids
    highest_weight: float = Field(2.0, gt=0)
    weight_step: float = Field(0.1, gt=0)
    lowest_bonus: float = -2.0  # nats a unit, or a word with a lexicon
    highest_bonus: float = 3.0
    bonus_step: float = Field(0.25, gt=0)
    anchors: tuple[float, ...] = Field((0.3, 0.8, 1.5), min_length=1)  # weights that the first decodings are made with
    rounds: int = Field(4, ge=1)  # decodings at the best point so far, at most

    @model_validator(mode="after")
    def _limits_are_in_order(self) -> Self:
        if self.lowest_bonus > self.highest_bonus:
            raise ValueError(f"lowest_bonus = {self.lowest_bonus:g} is above highest_bonus = {self.highest_bonus:g}")
        if not all(0 < anchor <= self.highest_weight for anchor in self.anchors):
            raise ValueError(
                f"anchors = {list(self.anchors)}: give weights above 0 and up to highest_weight = "
                f"{self.highest_weight:g}"
            )
        return self


class Point(NamedTuple):
    """Weights: score = acoustic + weight * lm + neural_weight * neural + bonus * length."""

    weight: float
    neural_weight: float
    bonus: float


class Parts(NamedTuple):
    """What the score of a label is made of: nats, and its length in units or words."""

    acoustic: float
    lm: float
    neural: float
    length: float


Label = tuple[int, ...]  # its units
Nbest = dict[Label, Parts]  # labels of one utterance


@dataclass(frozen=True)
class Candidates:
    """The labels found for each utterance. parts: (N, K); errors: (N,); starts: the first of each; words: in all."""

    parts: np.ndarray
    errors: np.ndarray
    starts: np.ndarray
    words: int

    def rates(self, points: Sequence[Point]) -> np.ndarray:
        """The error rate at each point, (G,), were the best label of each utterance under its weights taken."""
        weights = np.array([(1.0, *point) for point in points]).T
        total = np.zeros(len(points), np.int64)
        for start, end in itertools.pairwise([*self.starts, len(self.errors)]):
            best = (self.parts[start:end] @ weights).argmax(axis=0)
            total += self.errors[start:end][best]
        return np.asarray(total / max(self.words, 1))


def candidates(nbests: Sequence[Nbest], errors: Sequence[dict[Label, int]], words: int) -> Candidates:
    """The labels of all utterances in one table; those of an utterance in the order of their units.

    errors: of each label of each utterance, against its reference. An utterance without a label cannot be.
    """
    ordered = [sorted(nbest) for nbest in nbests]
    parts = [nbest[label] for nbest, labels in zip(nbests, ordered, strict=True) for label in labels]
    counts = [known[label] for known, labels in zip(errors, ordered, strict=True) for label in labels]
    starts = np.cumsum([0, *map(len, ordered)])[:-1]
    return Candidates(np.array(parts, float).reshape(-1, 4), np.array(counts, np.int64), starts, words)


def merged(first: Nbest, second: Nbest) -> Nbest:
    """Both, each label once: a search that kept more of a label's alignments found the larger acoustic part."""
    result = dict(first)
    for label, parts in second.items():
        if label not in result or parts.acoustic > result[label].acoustic:
            result[label] = parts
    return result


@dataclass(frozen=True)
class Grid:
    """The values of each weight; one that a plan gives as a number has that one alone."""

    weights: tuple[float, ...]
    neural_weights: tuple[float, ...]
    bonuses: tuple[float, ...]

    @property
    def points(self) -> list[Point]:
        """All points; rates over them have the shape of the three axes."""
        return [Point(*values) for values in itertools.product(self.weights, self.neural_weights, self.bonuses)]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Values of each axis."""
        return len(self.weights), len(self.neural_weights), len(self.bonuses)

    def at_the_edge(self, point: Point) -> list[str]:
        """The names of what is at the end of its axis, beyond which something better may lie."""
        axes = {"weight": self.weights, "neural_weight": self.neural_weights, "bonus": self.bonuses}
        lows = {"bonus"}  # the lowest weight has none below it but 0
        return [
            name
            for name, values in axes.items()
            if len(values) > 1
            and (getattr(point, name) == values[-1] or (name in lows and getattr(point, name) == values[0]))
        ]


def weights_of(plan: FusionPlan, given: float | None) -> tuple[float, ...]:
    """The weights to try: steps above 0, or the one that is given."""
    if given is not None:
        return (given,)
    return _steps(plan.weight_step, plan.highest_weight, plan.weight_step)


def bonuses_of(plan: FusionPlan, given: float | None) -> tuple[float, ...]:
    """The bonuses to try, or the one that is given."""
    return _steps(plan.lowest_bonus, plan.highest_bonus, plan.bonus_step) if given is None else (given,)


def best_point(rates: np.ndarray, points: Sequence[Point]) -> int:
    """The place of the lowest rate; of equal ones that of the smaller weights, then of the bonus nearest to 0."""
    return min(range(len(points)), key=lambda place: (rates[place], *_modest(points[place])))


@dataclass(frozen=True)
class Trial:
    """A decoding at one point: the rate that scoring the labels of earlier decodings promised, and the one found."""

    point: Point
    rescored: float
    decoded: float


@dataclass(frozen=True)
class Fusion:
    """What tuning found: the grid with its rates after the last decoding, the trials, and the one that is taken."""

    grid: Grid
    rates: np.ndarray
    trials: tuple[Trial, ...]

    @property
    def best(self) -> Trial:
        """The decoding with the fewest errors; of equal ones that with the smaller weights."""
        return min(self.trials, key=lambda trial: (trial.decoded, *_modest(trial.point)))

    def surface(self) -> dict[str, Any]:
        """The grid and the rates over it, nested in the order weight, neural_weight, bonus."""
        axes = {
            "weight": list(self.grid.weights),
            "neural_weight": list(self.grid.neural_weights),
            "bonus": list(self.grid.bonuses),
        }
        return axes | {"rate": np.round(self.rates.reshape(self.grid.shape), 6).tolist()}


def tune(
    decode: Callable[[Sequence[Point]], Iterable[list[Nbest]]],
    errors: Callable[[Sequence[Nbest]], list[dict[Label, int]]],
    words: int,
    grid: Grid,
    anchors: Sequence[Point],
    rounds: int,
) -> Fusion:
    """The weights with the fewest errors on the grid, each of the trials a real decoding.

    decode: the labels of every utterance under each of some weights. errors: of each label of each utterance. words:
    of the references. The labels that the anchors' decodings find are scored at every point of the grid; the best point
    is decoded, what it finds is added, and so on until the best point has been decoded before, or `rounds` are over.
    Source: Och 2003, "Minimum error rate training in statistical machine translation", section 5 (merged N-best lists);
    there a line search, here a grid.
    """
    known: list[Nbest] = []
    for nbests in decode(anchors):
        known = [merged(*both) for both in zip(known, nbests, strict=True)] if known else nbests
    points, trials = grid.points, dict[Point, Trial]()
    while True:
        counted = errors(known)
        rates = candidates(known, counted, words).rates(points)
        place = best_point(rates, points)
        point = points[place]
        if point in trials or len(trials) == rounds:
            return Fusion(grid, rates, tuple(trials.values()))
        (nbests,) = decode([point])
        decoded = float(candidates(nbests, errors(nbests), words).rates([point])[0])
        trials[point] = Trial(point, float(rates[place]), decoded)
        known = [merged(*both) for both in zip(known, nbests, strict=True)]


def _modest(point: Point) -> tuple[float, float, float, float]:
    """What orders equally good points: smaller weights first."""
    return point.weight, point.neural_weight, abs(point.bonus), point.bonus


def _steps(low: float, high: float, step: float) -> tuple[float, ...]:
    count = int(np.floor((high - low) / step + 1e-9)) + 1
    return tuple(round(low + place * step, 6) for place in range(count))
