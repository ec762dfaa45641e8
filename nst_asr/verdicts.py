"""What the filter found: a verdict for each row, and the waterfall of what each rule rejects."""

from __future__ import annotations

from dataclasses import asdict, astuple, dataclass
from functools import cached_property

import polars as pl

from nst_asr.terms import Terms

KEPT = "kept"
RULES = ("empty", "finite", "rate", "repeat", "score", "confidence", "top")  # in the order in which they judge
VERDICT = pl.Enum([KEPT, *RULES])


@dataclass(frozen=True)
class Step:
    """What one rule rejects: alone, over the whole table, and in its turn, of what the earlier rules left."""

    rule: str
    rows_alone: int
    hours_alone: float
    rows: int
    hours: float
    left_rows: int
    left_hours: float


@dataclass(frozen=True)
class Verdicts:
    """The filter's result.

    table: verdict (`VERDICT`: "kept", or the first rule that rejected the row) and normalised_score (f32, null for
    empty labels), in the order of the labels. waterfall: one step for each rule that is on, in order. rows, hours:
    the labels that were judged.
    """

    table: pl.DataFrame
    waterfall: tuple[Step, ...]
    rows: int
    hours: float

    @cached_property
    def kept(self) -> pl.Series:
        """True for the rows that no rule rejected."""
        return (self.table["verdict"] == KEPT).rename("kept")

    def to_json(self) -> dict[str, object]:
        """The waterfall as plain values."""
        return {"rows": self.rows, "hours": self.hours, "waterfall": [asdict(step) for step in self.waterfall]}

    def describe(self, terms: Terms | None = None) -> str:
        """The waterfall as a table to read, in the words of a task."""
        terms = terms or Terms()
        columns = ("alone: rows", terms.amount, "in order: rows", terms.amount, "left: rows", terms.amount)
        lines = [f"{'rule':<12}" + "".join(f"{column:>16}" for column in columns)]
        lines.append(f"{'(all)':<12}{'':>64}{self.rows:>16}{terms.count(self.hours, 3):>16}")
        for rule, *numbers in map(astuple, self.waterfall):
            cells = (f"{terms.count(n, 3):>16}" if isinstance(n, float) else f"{n:>16}" for n in numbers)
            lines.append(f"{rule:<12}" + "".join(cells))
        return "\n".join(lines)
