"""How often a training goes through its kept labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nst_asr.results.plan_of import plan_of
from nst_asr.results.planned_share import planned_share


def add_laps(run: Path, generations: list[dict[str, Any]]) -> None:
    """Give each generation of results.json its `laps`, by the run's plan."""
    plan = plan_of(run)
    for entry in generations:
        entry["laps"] = laps(plan, entry["generation"], entry["copied_hours"], generations[0]["hours"])


def laps(plan: Mapping[str, Any], number: int, copied_hours: float, labeled_hours: float) -> float | None:
    """The times that each copy of a kept label is drawn, in the mean, while generation `number` is trained.

        updates * batch * share of a batch that is pseudo-labeled / size of all copies

    plan: the run's, as plan.yaml has it. None where it does not tell, nothing is kept, or no training draws them (a
    classifier's `first: none`). Lessons of a curriculum are counted like other updates.
    """
    turns = plan.get("generations") or ()
    turn = turns[number - 1] if isinstance(turns, list | tuple) and 1 <= number <= len(turns) else {}
    fit = (turn.get("student") or {}).get("fit") or {}
    if not copied_hours or "updates" not in fit or "batch" not in fit:
        return None
    share = planned_share(turn, copied_hours, labeled_hours)
    return None if share is None else float(fit["updates"] * fit["batch"] * share / 3600 / copied_hours)
