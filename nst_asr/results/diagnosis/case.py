"""What the rules look at, what they give, and from where on a figure is a finding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from nst_asr.terms import Terms

Results = Mapping[str, Any]
Entry = Mapping[str, Any]  # one of results["generations"]
Severity = Literal["cause", "warning"]


@dataclass(frozen=True)
class Limits:
    """From where on a figure is a finding. Chosen by reasoning and tried on a few runs, not fitted."""

    # collapsed teacher: its error rate on dev, at least; or the lower one where that share of its errors, at least,
    # is deletions
    collapsed_rate: float = 0.9
    silent_rate: float = 0.7
    silent_deletions: float = 0.6
    # over-strict filter: less than this share of the labeled hours is kept, and less than the labeled set has
    strict_share: float = 0.1
    # filter lets errors through: error rate of the kept labels, at least; and more than this share of all labels'
    wrong_labels: float = 0.25
    unfiltered: float = 0.9
    # labels get worse: error of the last teacher's labels / of the first's, more than
    worse_labels: float = 1.1
    # leak: the language model's relative gain on one held-out set less that on the other, at least; the smaller gain
    # being less than this share of the larger
    leak_gain: float = 0.15
    leak_ratio: float = 0.5
    # nothing to be learnt: the oracle's error rate / the teacher's, at least
    oracle_rate: float = 0.9
    # balancing does nothing: divergence after / before, at least; where it was at least this, in nats
    idle_balance: float = 0.95
    balance_nats: float = 0.01
    # no gain in the last generations: at least so many in a row whose gain may be chance
    standstill: int = 2


LIMITS = Limits()


@dataclass(frozen=True)
class Finding:
    """One reason.

    severity: `cause` explains why there was no gain, `warning` may have done harm. evidence: sentences with the
    figures. advice: what to change. section: of the report, where more of it is to be seen. generation: the first that
    it concerns, null for the whole run. figures: the numbers that were held against the limits.
    """

    name: str
    severity: Severity
    evidence: str
    advice: str
    section: str
    generation: int | None = None
    figures: Mapping[str, float | int | None] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The fields."""
        return asdict(self)


@dataclass(frozen=True)
class Case:
    """A run's results, with what several rules ask of them."""

    results: Results
    limits: Limits
    terms: Terms

    @property
    def generations(self) -> list[Entry]:
        """All of them, the first teacher in front."""
        return list(self.results["generations"])

    @property
    def students(self) -> list[Entry]:
        """Those that learnt from labels."""
        return [entry for entry in self.generations if entry["labels"]]

    @property
    def harm(self) -> Severity:
        """How much a fault of labels or training explains: it is the cause only where the whole run has not gained."""
        total = (self.results["relative_reduction"] or {}).get("comparison")
        return "warning" if total and total["significantly_better"] else "cause"

    def collapsed(self, entry: Entry) -> bool:
        """Whether the model of a generation has learnt next to nothing, or writes next to nothing."""
        rate, most = entry["dev"]["rate"], deletions(entry["dev"]) >= self.limits.silent_deletions
        return bool(rate >= self.limits.collapsed_rate or (rate >= self.limits.silent_rate and most))

    def well_taught(self) -> list[Entry]:
        """The students whose teacher had not collapsed: of the others' labels there is nothing more to say."""
        return [entry for entry in self.students if not self.collapsed(self.generations[entry["teacher"]])]

    def amount(self, hours: float) -> str:
        """Hours of audio, or numbers of images, without the unit."""
        return self.terms.count(hours)


def deletions(score: Mapping[str, Any]) -> float:
    """The share of the errors that are deletions."""
    return float(score["deletions"] / max(score["errors"], 1))


def points(comparison: Mapping[str, Any]) -> str:
    """A difference of two error rates with its interval."""
    difference, low, high = (100 * comparison[name] for name in ("difference", "low", "high"))
    return f"{difference:+.2f} points [{low:+.2f}, {high:+.2f}]"


def outcome(student: Entry) -> str:
    """What came of a student, as a further sentence; nothing where it is not known."""
    comparison = student["comparison"]
    return f" The student came out {points(comparison)} against its teacher on dev." if comparison else ""
