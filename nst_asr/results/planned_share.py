"""How much of a training's batches a generation's plan has pseudo-labeled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nst_asr.mix import MixPlan


def planned_share(turn: Mapping[str, Any], pseudo_hours: float | None, labeled_hours: float) -> float | None:
    """The share of a batch's size that is pseudo-labeled in the (first) training of a generation's student.

    turn: the generation's plan; pseudo_hours: of all copies. None where the plan does not tell, it depends on hours
    that are not known, or there is no such training (a classifier's `first: none`).
    """
    first = (turn.get("student") or {}).get("first", "joint")
    if not turn or first == "none":
        return None
    if first == "pseudo":
        return 1.0
    mix = MixPlan(**turn.get("mix") or {})
    if not mix.pooled:
        return mix.share
    return None if pseudo_hours is None else pseudo_hours / (pseudo_hours + labeled_hours)
