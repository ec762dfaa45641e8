"""The plan that a run was made with, as its folder has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nst_asr import config


def plan_of(run: Path) -> dict[str, Any]:
    """What plan.yaml in a run folder says; nothing where there is none (`course.plan_of` refuses that).

    Raises ConfigError where it cannot be read.
    """
    path = run / "plan.yaml"
    return config.read(path) if path.exists() else {}
