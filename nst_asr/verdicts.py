"""What the filter found: a verdict for each row, and the waterfall of what each rule rejects."""

from __future__ import annotations

from dataclasses import asdict, astuple, dataclass
from functools import cached_property

import polars as pl

from nst_asr.target import Cut
from nst_asr.terms import Terms

KEPT = "kept"
RULES = (  # in the order in which they judge
    *("empty", "finite", "rate", "words", "repeat", "unspoken", "lm_distance", "agreement"),
    *("score", "confidence", "least", "target_error", "top"),
)
VERDICT = pl.Enum([KEPT, *RULES])


@dataclass(frozen=True)
class Step:
    """What one rule rejects: alone, over the whole table, and in its turn, of what the earlier rules left.

    cutoff: of `target_error`, what was found on dev, in terms of the measure it is sought by; others have theirs in the
    plan.
    """

    rule: str
    rows_alone: int
    hours_alone: float
    rows: int
    hours: float
    left_rows: int
    left_hours: float
    cutoff: float | None = None


@dataclass(frozen=True)
class Expected:
    """What the calibration expects of the kept labels: errors, words of their truth; labels it says nothing of."""

    errors: float
    words: float
    unknown: int

    @property
    def rate(self) -> float | None:
        """The estimated error rate; None where the calibration says nothing of any label."""
        return self.errors / self.words if self.words else None

    def to_json(self) -> dict[str, object]:
        """The fields and the rate."""
        return asdict(self) | {"rate": self.rate}


@dataclass(frozen=True)
class Verdicts:
    """The filter's result.

    table: verdict (`VERDICT`: "kept", or the first rule that rejected the row), normalised_score (f32, null for
    empty labels), probability (f32: that the whole label is right) and expected_error (f32), both null where dev could
    not calibrate them; in the order of the labels. waterfall: one step for each rule that is on, in order. rows,
    hours: the labels that were judged. expected: of the kept labels, None where dev could not calibrate; cut: the
    cut-off that a target error rate led to.
    """

    table: pl.DataFrame
    waterfall: tuple[Step, ...]
    rows: int
    hours: float
    expected: Expected | None = None
    cut: Cut | None = None

    @cached_property
    def kept(self) -> pl.Series:
        """True for the rows that no rule rejected."""
        return (self.table["verdict"] == KEPT).rename("kept")

    def to_json(self) -> dict[str, object]:
        """The waterfall, what is expected of the kept labels, and the cut-off of a target error, as plain values."""
        return {
            "rows": self.rows,
            "hours": self.hours,
            "waterfall": [asdict(step) for step in self.waterfall],
            "expected": self.expected.to_json() if self.expected else None,
            "cut": self.cut.to_json() if self.cut else None,
        }

    def describe(self, terms: Terms | None = None) -> str:
        """The waterfall as a table to read, in the words of a task."""
        terms = terms or Terms()
        columns = ("alone: rows", terms.amount, "in order: rows", terms.amount, "left: rows", terms.amount)
        lines = [f"{'rule':<12}" + "".join(f"{column:>16}" for column in columns)]
        lines.append(f"{'(all)':<12}{'':>64}{self.rows:>16}{terms.count(self.hours, 3):>16}")
        for rule, *numbers, _ in map(astuple, self.waterfall):
            cells = (f"{terms.count(n, 3):>16}" if isinstance(n, float) else f"{n:>16}" for n in numbers)
            lines.append(f"{rule:<12}" + "".join(cells))
        return "\n".join([*lines, *self._of_errors(terms)])

    def _of_errors(self, terms: Terms) -> list[str]:
        """The cut-off that a target led to, and the estimated error rate of what is kept."""
        lines = [f"cut-off of target_error: {self.cut.describe()}"] if self.cut else []
        if self.expected and self.expected.rate is not None:
            unknown = f" ({self.expected.unknown} not estimated)" if self.expected.unknown else ""
            lines.append(f"estimated {terms.error} of the kept labels: {self.expected.rate:.2%}{unknown}")
        return lines
