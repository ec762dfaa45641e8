"""Which rules judge the labels, and their cut-offs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Self

import pydantic

from nst_asr.config import Record
from nst_asr.measures import DERIVED, MeasureName
from nst_asr.repeat import Repeat
from nst_asr.target import Target

_OF_THE_GAUGE = ("normalised_score", *DERIVED)


class Limits(Record):
    """How many a second a label may have, both ends included."""

    low: float = pydantic.Field(default=0.0, ge=0)
    high: float = pydantic.Field(default=math.inf, allow_inf_nan=True)

    @pydantic.model_validator(mode="after")
    def _low_is_below_high(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low = {self.low:g} is not below high = {self.high:g}; no rate lies between them")
        return self


class Top(Record):
    """The share of rows, by number and not by hours, that is kept: those that are best by a measure."""

    share: float = pydantic.Field(gt=0, le=1)
    by: MeasureName = "normalised_score"


class FilterPlan(Record):
    """Which rules judge the labels, and their cut-offs; a rule that is null is off."""

    empty: bool = True  # reject labels without tokens or without text
    rate: Limits | None = None  # tokens a second
    words: Limits | None = None  # words a second
    repeat: Repeat | None = None
    unspoken: float | None = pydantic.Field(default=None, ge=0)  # seconds: the longest voiced stretch without a token
    # the largest CER between the labels with and without a language model (Chen et al. 2022, WeNet: 0.1)
    lm_distance: float | None = pydantic.Field(default=None, ge=0)
    agreement: float | None = pydantic.Field(default=None, ge=0, le=1)  # of several teachers, at least this
    # the normalised score must be greater (Park et al.: 1, 0.5, 0, -1, -inf by generation)
    score: float | None = pydantic.Field(default=None, allow_inf_nan=True)
    confidence: float | None = pydantic.Field(default=None, ge=0, le=1)  # the confidence must be at least this
    confidence_below: float | None = pydantic.Field(default=None, gt=0)  # and less than this
    least: dict[MeasureName, float] = pydantic.Field(
        default={}
    )  # measure -> its smallest value; docs/confidence.md names the measures
    # the error rate that kept labels are to have: a number, or {rate, by: a measure}; the cut-off follows from dev
    target_error: Target | None = None
    top: Top | None = None  # applied to the rows that no other rule rejected

    @property
    def measures(self) -> dict[str, str]:
        """The measures that are named, and the key that names each."""
        named = {name: f"least.{name}" for name in self.least}
        named |= {self.top.by: "top.by"} if self.top else {}
        return named | ({self.target_error.by: "target_error.by"} if self.target_error else {})

    @property
    def needs_gauge(self) -> bool:
        """Whether a rule looks at what a gauge says."""
        asked = {*self.least, *([self.top.by] if self.top else [])}
        return self.score is not None or self.target_error is not None or not asked.isdisjoint(_OF_THE_GAUGE)

    @pydantic.field_validator("score")
    @classmethod
    def _score_is_a_number(cls, value: float | None) -> float | None:
        if value is not None and not value < math.inf:
            raise ValueError(f"{value} keeps nothing; give a number, or null for no filter")
        return value

    @pydantic.field_validator("target_error", mode="before")
    @classmethod
    def _number_is_a_rate(cls, value: Any) -> Any:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return {"rate": value}
        if value is None or isinstance(value, Mapping | Target):
            return value
        raise ValueError(f"{value!r}: give an error rate such as 0.05, or {{rate: 0.05, by: a measure}}")

    @pydantic.model_validator(mode="after")
    def _a_confidence_lies_between(self) -> Self:
        low, high = self.confidence, self.confidence_below
        if low is not None and high is not None and not low < high:
            raise ValueError(f"confidence = {low:g} is not below confidence_below = {high:g}; nothing lies between")
        return self
