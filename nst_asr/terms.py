"""What a task's tables call things: hours of speech or numbers of images, word errors or top-1 errors."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Terms:
    """The words of a task. The values that stand here are those of run folders from before there were terms."""

    error: str = "WER"  # what the rate of errors is called
    amount: str = "hours"  # what the sizes of examples add up to
    unit: float = 3600.0  # of sizes, in one of `amount`
    example: str = "utterance"
    token: str = "word"  # what errors are counted in
    group: str = "speaker"  # what examples of one origin have in common
    groups_expected: bool = True  # whether examples without a group are worth a warning

    def count(self, hours: float, digits: int = 2) -> str:
        """An amount given in hours (sizes / 3600), as the tables show it: numbers below 1 with three digits."""
        number = hours * 3600 / self.unit
        if self.unit == 1:
            return f"{number:,.0f}"
        return f"{number:.3f}" if number < 1 else f"{number:.{digits}f}"

    def to_json(self) -> dict[str, Any]:
        """The fields."""
        return asdict(self)
