"""The cut-off that a target error rate asks for: the loosest one that dev still allows."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import pydantic

from nst_asr.config import Record
from nst_asr.measures import CALIBRATED, MEASURES, MeasureName
from nst_asr.risk import RiskCurve

log = logging.getLogger("nst_asr")

_FALLBACK = "normalised_score"
_STEP = 1e-4  # target rates are suggested to this precision


class OutOfReach(ValueError):  # noqa: N818 - the name says what happened
    """A target error rate that no cut-off reaches; the message says which one does."""


class Target(Record):
    """The error rate that kept labels are to have, and the measure whose cut-off brings it about."""

    rate: float = pydantic.Field(gt=0, le=1)
    by: MeasureName = CALIBRATED


@dataclass(frozen=True)
class Cut:
    """A cut-off found: labels are kept whose measure `by` is `least` or more.

    rate, coverage: on dev, the error rate of what that keeps and its share of the hours.
    """

    by: str
    least: float
    rate: float
    coverage: float

    def describe(self) -> str:
        """One line."""
        of_error = self.by == CALIBRATED
        name = f"expected error {-self.least:.4f} or less" if of_error else f"{self.by} {self.least:.4g} or more"
        return f"{name}, which keeps {self.coverage:.1%} of dev at an error rate of {self.rate:.2%}"

    def to_json(self) -> dict[str, object]:
        """The fields."""
        return asdict(self)


def find_cut(curves: Mapping[str, RiskCurve], target: Target) -> Cut:
    """The cut-off that keeps the most hours of dev at an error rate of at most `target.rate`.

    curves: those of a gauge; a cut-off behind which stand fewer than 20 dev labels is none of theirs. Where dev could
    not calibrate and `by` is `calibrated`, the normalised score takes its place, which the log says. A target that all
    of dev reaches still rejects what is less sure than all of dev.

    Park et al. 2020 relax their cut-off by hand from generation to generation (1, 0.5, 0, -1, -inf); read off their
    figures, the error rate of the kept labels stays about the same meanwhile (3 % on clean speech, 7 % on other) and
    the share that is kept grows. A target error does that by itself, for each generation's teacher.

    Raises OutOfReach where no cut-off reaches the rate, or dev says nothing of the measure.
    """
    by = _measure(curves, target)
    found = choose(curves[by], target.rate)
    if found is None:
        raise OutOfReach(_unreached(curves[by], by, target.rate))
    place, least = found
    curve = curves[by]
    return Cut(by, least, float(curve.rates[place]), float(curve.coverage[place]))


def choose(curve: RiskCurve, wanted: float) -> tuple[int, float] | None:
    """The place of the curve's last point at a rate of at most `wanted`, and its cut-off; None where there is none."""
    there = [place for place in range(len(curve.least)) if curve.rates[place] <= wanted]
    for place in reversed(there):
        if (least := curve.least[place]) is not None:
            return place, least
    return None


def loosened(curve: RiskCurve, best: float) -> tuple[float, float] | None:
    """The lowest rate, in steps of 0.0001, whose cut-off is `best` or below, and that cut-off; None where none is."""
    points = zip(curve.rates.tolist(), curve.least, strict=True)
    rates = [rate for rate, least in points if least is not None and least <= best]
    if not rates:
        return None
    wanted = round(math.ceil(min(rates) / _STEP - 1e-9) * _STEP, 4)
    found = choose(curve, wanted)
    return (wanted, found[1]) if found else None


def _measure(curves: Mapping[str, RiskCurve], target: Target) -> str:
    if target.by in curves:
        return target.by
    if target.by == CALIBRATED and _FALLBACK in curves:
        log.warning(
            "WARNING: dev could not calibrate an expected error; target_error = %g is sought with a cut-off of the "
            "normalised score in its place",
            target.rate,
        )
        return _FALLBACK
    if not curves:
        raise OutOfReach(
            f"target_error = {target.rate:g}: the gauge knows nothing of dev's errors, so it was made by an older "
            "version or of too few labels; move 0-gauge.json and all that was made after it away, or give a cut-off"
        )
    known = ", ".join(name for name in MEASURES if name in curves)
    raise OutOfReach(
        f"target_error.by = {target.by}: dev's labels do not have it, or all have the same; give one of {known}"
    )


def _unreached(curve: RiskCurve, by: str, wanted: float) -> str:
    usable = [place for place, least in enumerate(curve.least) if least is not None]
    if not usable:
        return f"target_error = {wanted:g}: too few dev labels have the measure {by}; give another, or a larger dev set"
    best = min(usable, key=lambda place: float(curve.rates[place]))
    return (
        f"target_error = {wanted:g}: no cut-off of {by} reaches it on dev. The lowest is {curve.rates[best]:.4f}, for "
        f"the surest {curve.coverage[best]:.1%} of the hours (cut-off {curve.least[best]:.4g}); all labels have "
        f"{curve.rates[-1]:.4f}. Give a target in between, or a teacher that was trained for longer"
    )
