"""The weights of a plan's language models, found on dev: what `tune` in a plan stands for."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeVar

from torch import Tensor

from nst_asr.align import align_counts
from nst_asr.percent import percent
from nst_asr.speech import decode, fusion
from nst_asr.speech.beam import Found, LmPlan
from nst_asr.speech.decode import DecodePlan
from nst_asr.speech.fusion import Fusion, Grid, Label, Nbest, Parts, Point
from nst_asr.speech.lm.model import NeuralLM
from nst_asr.speech.rescore import RescorePlan, language_model
from nst_asr.speech.tokenizer import Tokenizer

log = logging.getLogger("nst_asr")

# places of utterances, their log probabilities (B, T, V) in nats, and lengths (B,); batch by batch
Posteriors = Iterable[tuple[Sequence[int], Tensor, Tensor]]
D = TypeVar("D", bound=DecodePlan)

_OFF = Point(0.0, 0.0, 0.0)


def tune(
    posteriors: Callable[[], Posteriors],
    references: Sequence[str],
    plan: D,
    tokenizer: Tokenizer,
    *,
    device: str = "cpu",
    threads: int | None = None,
) -> dict[str, Any]:
    """The plan with the weights that make the fewest errors on dev, and how they were found, as plain values.

    posteriors: called for each decoding; its places count the references. Where language models are worth nothing (no
    fewer errors than the model alone makes) and their weights are left open, these are 0, and decoding is that of the
    model alone. What dev says of the chosen weights is too good, since they were chosen on it. threads: that
    search (null: one a core); nothing depends on them.
    """
    search = Search(posteriors, references, plan, tokenizer, device, threads or _cores())
    found = fusion.tune(search.decode, search.errors, search.words, search.grid, search.anchors, plan.tuning.rounds)
    return _told(plan, search, found)


@dataclass(frozen=True)
class Search:
    """Decodings of dev at given weights; what they cost once is kept."""

    posteriors: Callable[[], Posteriors]
    references: Sequence[str]
    plan: DecodePlan
    tokenizer: Tokenizer
    device: str
    threads: int
    alone: dict[int, Label] = field(default_factory=dict)  # what the model hears by itself
    _judged: dict[Label, float] = field(default_factory=dict)
    _counted: dict[tuple[int, Label], int] = field(default_factory=dict)
    _same: list[list[Nbest]] = field(default_factory=list)

    @cached_property
    def words(self) -> int:
        """Of the references."""
        return int(align_counts(self.references, self.references)[:, 3].sum())

    @cached_property
    def grid(self) -> Grid:
        """Where weights are looked for; a plan without one of the language models has its weight at 0."""
        plan, first, second = self.plan.tuning, self.plan.first_lm, self.plan.second_lm
        weights = fusion.weights_of(plan, _number(_weight(first)))
        neural = fusion.weights_of(plan, _number(_weight(second)))
        if first is not None and _weight(second) == "tune":
            neural = (0.0, *neural)
        return Grid(weights, neural, fusion.bonuses_of(plan, _number(_bonus(self.plan))))

    @cached_property
    def anchors(self) -> list[Point]:
        """The first decodings: as much bonus as weight, for a language model makes labels shorter."""
        if self.plan.first_lm is None or len(self.grid.weights) == 1:
            return [Point(self.grid.weights[0], 0.0, self._near(1.0))]
        return [Point(weight, 0.0, self._near(weight)) for weight in self.plan.tuning.anchors]

    def decode(self, points: Sequence[Point]) -> Iterator[list[Nbest]]:
        """The labels of every utterance under each of the weights; one pass over the posteriors for all of them."""
        if self.plan.first_lm is None:  # the search asks nobody: the weights choose among what it finds
            self._same.extend(self._decode([_OFF]) if not self._same else [])
            yield from [self._same[0]] * len(points)
        else:
            yield from self._decode(points)

    def errors(self, nbests: Sequence[Nbest]) -> list[dict[Label, int]]:
        """The errors of each label against its utterance's reference."""
        wanted = [(place, label) for place, nbest in enumerate(nbests) for label in nbest]
        unknown = [pair for pair in wanted if pair not in self._counted]
        texts = [self.tokenizer.decode(label) for _, label in unknown]
        counts = align_counts([self.references[place] for place, _ in unknown], texts)[:, :3].sum(1)
        self._counted.update(zip(unknown, counts.tolist(), strict=True))
        return [{label: self._counted[place, label] for label in nbest} for place, nbest in enumerate(nbests)]

    @property
    def rate_alone(self) -> float:
        """The error rate of the model by itself."""
        nbests = [{self.alone[place]: Parts(0.0, 0.0, 0.0, 0.0)} for place in range(len(self.references))]
        errors = sum(sum(counts.values()) for counts in self.errors(nbests))
        return errors / max(self.words, 1)

    def _decode(self, points: Sequence[Point]) -> list[list[Nbest]]:
        plans = [self._first_pass(point) for point in points]
        found: list[list[Sequence[Found]]] = [[()] * len(self.references) for _ in points]
        for places, log_probs, lengths in self.posteriors():
            for place, tokens in zip(places, decode.greedy(log_probs, lengths), strict=True):
                self.alone[place] = tuple(tokens)
            for at, plan in zip(found, plans, strict=True):
                labels = decode.labels(log_probs, lengths, plan, self.tokenizer, threads=self.threads)
                for place, label in zip(places, labels, strict=True):
                    at[place] = label.nbest
        self._judge({tuple(each.tokens) for at in found for nbest in at for each in nbest})
        return [[self._nbest(nbest) for nbest in at] for at in found]

    def _first_pass(self, point: Point) -> DecodePlan:
        """The plan of a search that gives all that it has in its beam."""
        first = self.plan.first_lm
        wide = first and first.model_copy(
            update={"weight": point.weight, "bonus": point.bonus, "nbest": self.plan.beam}
        )
        return self.plan.model_copy(update={"lm": wide, "rescore": None})

    def _judge(self, labels: set[Label]) -> None:
        if self._neural is not None:
            new = sorted(labels - self._judged.keys())
            self._judged.update(zip(new, self._neural.log_prob(new).tolist(), strict=True))

    @cached_property
    def _neural(self) -> NeuralLM | None:
        second = self.plan.second_lm
        return language_model(second, self.tokenizer, self.device) if second else None

    def _nbest(self, found: Sequence[Found]) -> Nbest:
        """The parts of each label. A label that the language model finds impossible is none, and no label is empty."""
        parts = {}
        for each in found:
            label = tuple(each.tokens)
            if math.isfinite(each.lm):
                length = self._length(label)
                parts[label] = Parts(each.acoustic, each.lm, self._judged.get(label, 0.0), length)
        return parts or {(): Parts(0.0, 0.0, 0.0, 0.0)}

    def _length(self, label: Label) -> float:
        """What the bonus is paid for: words with a lexicon, else units."""
        first = self.plan.first_lm
        if first is not None and first.lexicon is not None:
            return float(len(self.tokenizer.decode(label).split()))
        return float(len(label))

    def _near(self, bonus: float) -> float:
        """The bonus of the grid that is nearest."""
        return min(self.grid.bonuses, key=lambda value: (abs(value - bonus), value))


def with_point(plan: D, point: Point) -> D:
    """The plan with weights in the place of what it leaves open."""
    change: dict[str, Any] = {}
    if plan.lm is not None:
        change["lm"] = plan.lm.model_copy(update={"weight": point.weight, "bonus": point.bonus})
    if plan.rescore is not None:
        bonus = point.bonus if plan.lm is None else None
        change["rescore"] = plan.rescore.model_copy(update={"weight": point.neural_weight, "bonus": bonus})
    return plan.model_copy(update=change)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _told(plan: DecodePlan, search: Search, found: Fusion) -> dict[str, Any]:
    """What tuning found, as plain values; the log says it in a line."""
    best, alone = found.best, search.rate_alone
    pays = best.decoded < alone
    point = best.point if pays or not _may_be_off(plan) else _OFF
    reason = (
        f"WER on dev {percent(alone)} without a language model, {percent(best.decoded)} with weight "
        f"{best.point.weight:g}, neural weight {best.point.neural_weight:g} and bonus {best.point.bonus:g}"
    )
    if point == _OFF:
        reason += ": it does not pay, its weight is 0"
    elif not pays:
        reason += ": WARNING: it does not pay, but its weight is given"
    log.info("%s (%d utterances, %d decodings)", reason, len(search.references), len(found.trials))
    for name in found.grid.at_the_edge(point) if point != _OFF else ():
        log.warning("WARNING: %s = %g is at the end of what was tried; widen `tuning`", name, getattr(point, name))
    return {
        **point._asdict(),
        "reason": reason,
        "rows": len(search.references),
        "words": search.words,
        "rate_without_lm": alone,
        "rate_rescored": best.rescored,
        "rate_decoded": best.decoded,
        "best": best.point._asdict(),
        "trials": [
            {**trial.point._asdict(), "rescored": trial.rescored, "decoded": trial.decoded} for trial in found.trials
        ],
        "surface": found.surface(),
        "plan": with_point(plan, point).model_dump(mode="json"),
    }


def _may_be_off(plan: DecodePlan) -> bool:
    """Whether all weights are left open: one that is given stays."""
    return all(_weight(lm) in (0.0, "tune") for lm in (plan.first_lm, plan.second_lm))


def _weight(lm: LmPlan | RescorePlan | None) -> float | Literal["tune"]:
    return lm.weight if lm is not None else 0.0


def _bonus(plan: DecodePlan) -> float | Literal["tune"]:
    """The bonus that counts: that of the search's language model, where it has one."""
    lm = plan.first_lm or plan.second_lm
    if lm is None:
        return 0.0
    if lm.bonus is None:
        return "tune" if lm.weight == "tune" else 0.0
    return lm.bonus


def _number(value: float | Literal["tune"]) -> float | None:
    return None if value == "tune" else value
