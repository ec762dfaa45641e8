"""The results of one of the runs: those in its results.json where they still hold, which spares reading its tables."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count, takewhile
from pathlib import Path
from typing import Any

from nst_asr.corpus import Truth
from nst_asr.results import collect
from nst_asr.results.earlier import earlier
from nst_asr.store import read_json

_TOLD = ("*/score*.json", "*/5-score*.json", "*/test*.json", "*/[236]-*", "run.json")


def results_of(run: Path, truth: Truth | None) -> dict[str, Any] | None:
    """What `results.collect` gives, or gave where the results.json in the folder is newer than all that it tells of.

    Its scores must be those of the folder too: in a copy, times tell little. Raises StoreError where it is damaged.
    """
    if not (run / "gen0/score.json").exists():
        return None
    written = run / "results.json"
    if truth or not written.exists():
        return collect(run, truth)
    told = [path for name in _TOLD for path in run.glob(name)]
    if any(path.stat().st_mtime_ns > written.stat().st_mtime_ns for path in told):
        return collect(run)
    found: dict[str, Any] = read_json(written)
    return found if _tells_of(found, run) else collect(run)


def _tells_of(found: Mapping[str, Any], run: Path) -> bool:
    """Whether results.json has the generations that are scored in the folder, with the rates that they have there."""
    students = takewhile(Path.exists, (run / f"gen{number}/5-score.json" for number in count(1)))
    places = {f"gen{number}": path for number, path in enumerate([run / "gen0/score.json", *students])}
    there = {place: [_rate(path), _rate(path.with_name("test.json"))] for place, path in places.items()}
    if (run / "oracle/score.json").exists():
        there["oracle"] = [_rate(run / "oracle/score.json"), _rate(run / "oracle/test.json")]
    entries = {f"gen{entry.get('generation')}": entry for entry in earlier(run)}
    entries |= {"oracle": found["oracle"]} if found.get("oracle") else {}
    told = {place: [(entry.get(on) or {}).get("rate") for on in ("dev", "test")] for place, entry in entries.items()}
    return told == there


def _rate(path: Path) -> float | None:
    return float(read_json(path)["rate"]) if path.exists() else None
