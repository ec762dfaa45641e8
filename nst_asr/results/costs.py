"""What each step of a run took: its time and its memory, by steps.jsonl."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_AS_LARGE = 0.99  # of the largest memory: as large as that
_MEMORY = ("peak_memory_mb", "step_memory_mb", "gpu_memory_mb")
_KINDS = {
    "training": re.compile(r"student"),
    "labeling": re.compile(r"labels|heard"),
    "scoring": re.compile(r"(score|test).*"),
}


def spent(run: Path) -> dict[str, Any]:
    """`steps`, one entry a step, in the order in which they were first done, and `costs`, what they come to.

    A step's `seconds` are summed over its `tries`, those that were completed; of memory, MiB, it has the largest, None
    where it was not noted.
    """
    steps: dict[str, dict[str, Any]] = {}
    for line in noted(run):
        entry = steps.setdefault(line["step"], _new(line["step"]))
        entry["seconds"] = round(entry["seconds"] + line["seconds"], 3)
        entry["tries"] += 1
        for name in _MEMORY:
            entry[name] = max(filter(None, (entry[name], line.get(name))), default=None)
    return {"steps": list(steps.values()), "costs": _together(list(steps.values()))}


def noted(run: Path) -> Iterator[dict[str, Any]]:
    """The lines of steps.jsonl that are whole."""
    path = run / "steps.jsonl"
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else ():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            continue  # a line that a kill cut short


def _new(step: str) -> dict[str, Any]:
    part, _, name = step.rpartition("/")
    part = part or "run"  # a step of no generation, such as the tokenizer
    # the same step has a number before its name in one generation, and none in another
    name = re.sub(r"^\d+-", "", Path(name).stem)
    kind = next((kind for kind, pattern in _KINDS.items() if pattern.fullmatch(name)), "other")
    start = {"step": step, "part": part, "name": name, "kind": kind, "seconds": 0.0, "tries": 0}
    return start | dict.fromkeys(_MEMORY)


def _together(steps: list[dict[str, Any]]) -> dict[str, Any]:
    """Seconds by part of the run (`gen0`, `gen1`, ..., `oracle`) and kind, and the step that took most memory."""
    parts: dict[str, dict[str, float]] = {}
    for step in steps:
        kinds = parts.setdefault(step["part"], {})
        kinds[step["kind"]] = round(kinds.get(step["kind"], 0.0) + step["seconds"], 3)
    parts = {name: parts[name] for name in sorted(parts, key=_order)}
    names = (*_KINDS, "other")
    kinds = {name: round(sum(part.get(name, 0.0) for part in parts.values()), 3) for name in names}
    return {
        "parts": {name: {"seconds": round(sum(part.values()), 3), **part} for name, part in parts.items()},
        "kinds": {name: seconds for name, seconds in kinds.items() if seconds},
        "largest": _largest(steps),
    }


def _order(part: str) -> tuple[int, int]:
    """Where a part of a run stands: what came before the generations, these by number, the oracle."""
    number = part.removeprefix("gen")
    return (1, int(number)) if number.isdigit() else (2 * (part == "oracle"), 0)


def _largest(steps: list[dict[str, Any]]) -> Mapping[str, Any] | None:
    """The step of largest memory; older versions noted that of their process so far, and cannot say which it was."""
    known = [step for step in steps if step["step_memory_mb"] is not None]
    if not known:
        return None
    most = max(step["step_memory_mb"] for step in known)
    # memory that a step was given is not taken back at once: those after it look as large
    found = next(step for step in known if step["step_memory_mb"] >= _AS_LARGE * most)
    return {"step": found["step"], "memory_mb": found["step_memory_mb"]}
