"""What labeling costs: how much there is, how fast it goes, and how long it will take; told before and during the work.

Sizes are those of the corpus: seconds of audio, or 1 for an image. A rate is the size that one worker gets through in a
second: for speech, how many times faster than real time, which is also hours of audio per hour.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nst_asr.terms import Terms


@dataclass(frozen=True)
class Noted:
    """A rate that an earlier step measured, and which one."""

    rate: float
    step: str


@dataclass
class Pace:
    """How fast the blocks of one pool are labeled, from what has been done of them.

    size and seconds: of the blocks labeled so far; seconds are those that workers spent, summed over them.
    """

    terms: Terms = field(default_factory=Terms)
    noted: Noted | None = None
    size: float = 0.0
    seconds: float = 0.0

    def add(self, size: float, seconds: float) -> None:
        """Count a block; one that took no time was made by others and says nothing."""
        self.size += size if seconds else 0.0
        self.seconds += seconds

    @property
    def rate(self) -> float | None:
        """Size that one worker labels in a second: measured here, or else noted earlier; None where nobody knows."""
        if self.size > 0 and self.seconds > 0:
            return self.size / self.seconds
        return self.noted.rate if self.noted else None

    def forecast(self, size: float, blocks: int, workers: int) -> str:
        """A line on `size` that is left in so many blocks: the amount, the rate and the time that it takes."""
        amount = f"{self.terms.count(size / 3600)} {self.terms.amount} in {blocks} block{'s' * (blocks != 1)} to label"
        rate, at_once = self.rate, max(1, min(workers, blocks))
        if rate is None:
            return f"{amount}; how long it takes is told after the first block"
        source = "of the first blocks" if self.size else f"measured in {self.noted.step}" if self.noted else ""
        work = seconds_left(size, rate)
        shared = f", {duration(seconds_left(size, rate, at_once))} on {at_once} workers" if at_once > 1 else ""
        return f"{amount}; at {describe_rate(rate, self.terms)} ({source}) {duration(work)} of work{shared}"

    def to_json(self) -> dict[str, Any]:
        """What steps.jsonl notes of it; nothing where no block was labeled."""
        return {"labeled": round(self.size, 2), "rate": round(self.size / self.seconds, 4)} if self.seconds else {}


def seconds_left(size: float, rate: float, workers: int = 1) -> float:
    """Seconds that `workers` need for `size` where each gets through `rate` of it in a second."""
    return size / (rate * workers)


def describe_rate(rate: float, terms: Terms) -> str:
    """`38 x real time` for speech, `120 images a second` for what is counted in pieces."""
    return f"{rate:,.3g} {terms.amount} a second" if terms.unit == 1 else f"{_digits(rate)} x real time"


def duration(seconds: float) -> str:
    """`45 s`, `12 min` or `3.4 h`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:,.1f} h"


def noted_rate(path: Path, step: str) -> Noted | None:
    """The rate that a run's steps.jsonl noted last when something was labeled: at best of the same generation."""
    found: list[Noted] = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue  # a line that a kill cut short
        if entry.get("rate"):
            found.append(Noted(float(entry["rate"]), entry["step"]))
    same = [each for each in found if each.step.partition("/")[0] == step.partition("/")[0]]
    return next(reversed(same or found), None)


def _digits(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"
