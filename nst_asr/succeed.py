"""Who teaches next: a student significantly worse than its teacher does not become one silently."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from nst_asr.score import Comparison

Rule = Literal["best", "last", "stop"]


@dataclass(frozen=True)
class Succession:
    """The decision: whether the student takes over, whether the loop ends here, and why."""

    student_teaches: bool
    stop: bool
    reason: str

    def to_json(self, teacher: int, student: int, rule: Rule) -> dict[str, Any]:
        """The decision with the number of the next teacher's generation."""
        return {"teacher": student if self.student_teaches else teacher, "rule": rule} | asdict(self)


def succeed(comparison: Comparison, rule: Rule) -> Succession:
    """The next teacher, from the paired comparison of student and teacher on dev (negative difference: better).

    best: the student, unless it is significantly worse; then the teacher teaches again. last: the student, always.
    stop: as best, but a significantly worse student ends the loop.
    """
    change, low, high = (100 * number for number in (comparison.difference, comparison.low, comparison.high))
    found = f"{change:+.2f} points [{low:+.2f}, {high:+.2f}] against its teacher on dev"
    if not comparison.significantly_worse:
        return Succession(True, False, f"the student ({found}) is the next teacher")
    if rule == "last":
        return Succession(
            True, False, f"WARNING: the student is significantly worse ({found}) and the next teacher all the same"
        )
    if rule == "stop":
        return Succession(False, True, f"WARNING: the student is significantly worse ({found}): the loop stops")
    return Succession(
        False, False, f"WARNING: the student is significantly worse ({found}): its teacher remains the teacher"
    )
