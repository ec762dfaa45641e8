"""How much a generation labeled and kept, by the small file that its filter wrote: no table is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nst_asr.store import read_json


@dataclass(frozen=True)
class Amounts:
    """Rows and hours that were labeled, and those that the filter kept."""

    labels: int
    hours: float
    kept_rows: int
    kept_hours: float

    @property
    def kept_share(self) -> float | None:
        """Of the hours; None where there are none."""
        return self.kept_hours / self.hours if self.hours else None


def amounts(folder: Path) -> Amounts | None:
    """Of a generation's folder; None where nothing has been judged yet."""
    # the waterfall comes first, also of a filter that then refuses to go on
    if not all((folder / name).exists() for name in ("2-waterfall.json", "2-verdicts.parquet")):
        return None
    found = read_json(folder / "2-waterfall.json")
    steps = found["waterfall"]
    kept = (steps[-1]["left_rows"], steps[-1]["left_hours"]) if steps else (found["rows"], found["hours"])
    return Amounts(found["rows"], found["hours"], *kept)
