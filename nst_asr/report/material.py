"""What the sections of a report are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nst_asr.report.preview import Previews
from nst_asr.terms import Terms


@dataclass(frozen=True)
class Material:
    """A run's folder, its results.json, and the words of its task.

    previews: what gives sound and pictures, None where there are to be none; media_mb: megabytes of them at most.
    """

    run: Path
    results: Mapping[str, Any]
    terms: Terms
    previews: Previews | None = None
    media_mb: float = 0.0

    def students(self) -> list[int]:
        """The places in `results["generations"]` of those that learnt from labels."""
        return [place for place, entry in enumerate(self.results["generations"]) if entry["labels"]]
