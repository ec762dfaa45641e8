"""How often a training goes through its kept labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nst_asr import config
from nst_asr.mix import MixPlan


def add_laps(run: Path, generations: list[dict[str, Any]]) -> None:
    """Give each generation of results.json its `laps`, by the run's plan."""
    plan = config.read(run / "plan.yaml") if (run / "plan.yaml").exists() else {}
    for entry in generations:
        entry["laps"] = laps(plan, entry["generation"], entry["copied_hours"], generations[0]["hours"])


def laps(plan: Mapping[str, Any], number: int, copied_hours: float, labeled_hours: float) -> float | None:
    """The times that each copy of a kept label is drawn, in the mean, while generation `number` is trained.

        updates * batch * share of a batch that is pseudo-labeled / size of all copies

    plan: the run's, as plan.yaml has it. None where it does not tell, or nothing is kept. Lessons of a curriculum are
    counted like other updates.
    """
    turns = plan.get("generations") or ()
    turn = turns[number - 1] if isinstance(turns, list | tuple) and 1 <= number <= len(turns) else {}
    fit = (turn.get("student") or {}).get("fit") or {}
    if not copied_hours or "updates" not in fit or "batch" not in fit:
        return None
    mix = MixPlan(**turn.get("mix") or {})
    share = copied_hours / (copied_hours + labeled_hours) if mix.pooled else mix.share
    return float(fit["updates"] * fit["batch"] * share / 3600 / copied_hours)
