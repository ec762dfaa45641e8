"""What it takes to make the run again: commands, plan, code, machine, time and memory."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure

from nst_asr.report.drawing import FAINT, SERIES, plot
from nst_asr.report.material import Material

NAME, TITLE = "reproduce", "Reproduce"

_COLORS = {"training": SERIES[0], "labeling": SERIES[1], "scoring": SERIES[2], "other": FAINT}
_MINUTES = 300.0  # seconds of a part of the run from which the plot is in minutes
_HOURS = 3 * 3600.0


def context(material: Material) -> dict[str, Any]:
    """The plan as it was resolved, beside the table of steps; results.json has the rest."""
    steps: Sequence[Mapping[str, Any]] = material.results.get("steps") or []
    commands = (material.results["command"] or "").splitlines()
    plan = material.run / "plan.yaml"
    beneath = material.results.get("stage_commands") or []
    return {
        "plan": plan.read_text(encoding="utf-8") if plan.exists() else None,
        "beneath": beneath if list(beneath) != commands else [],
        "told": _told,
        "titles": {part: _title(part) for part in material.results["costs"]["parts"]},
        "table": _table(steps),
        "measured": any(step["step_memory_mb"] is not None for step in steps),
        "plot": _time(material.results["costs"]["parts"]) if steps else None,
    }


def _told(value: Any) -> str:
    """A value of a plan as YAML takes it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _title(part: str) -> str:
    """The name of a part of the run: the folder of a generation, or another."""
    if part == "gen0":
        return "teacher"
    return f"generation {part.removeprefix('gen')}" if part.removeprefix("gen").isdigit() else part


def _name(name: str) -> str:
    return "next teacher" if name == "teacher" else name


def _table(steps: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, list[int]]]:
    """For each name of a step and each part of the run that has one the places in `steps`."""
    table: dict[str, dict[str, list[int]]] = {}
    for place, step in enumerate(steps):
        table.setdefault(_name(step["name"]), {}).setdefault(step["part"], []).append(place)
    return table


def _time(parts: Mapping[str, Mapping[str, float]]) -> Markup:
    """A bar for each part of the run, of the time that each kind of work took."""
    most = max(part["seconds"] for part in parts.values())
    unit, name = (3600, "hours") if most >= _HOURS else (60, "minutes") if most >= _MINUTES else (1, "seconds")
    titles = [_title(part) for part in parts]

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        begins = [0.0] * len(parts)
        for kind, color in _COLORS.items():
            widths = [part.get(kind, 0.0) / unit for part in parts.values()]
            if any(widths):
                axes.barh(titles, widths, left=begins, color=color, label=kind, height=0.7)
            begins = [begin + width for begin, width in zip(begins, widths, strict=True)]
        axes.invert_yaxis()
        axes.set(xlabel=name)

    alt = f"Time that each part of the run took, in {name}, by kind of work"
    return plot("reproduce-time", alt, draw, (6.4, 1.1 + 0.32 * len(parts)))
