"""What a generation's filter did: its waterfall, its cut-offs, and how what they look at is spread."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from nst_asr.measures import MEASURES
from nst_asr.results.bins import histograms
from nst_asr.results.cutoffs import cutoffs
from nst_asr.results.judged import judged
from nst_asr.store import read_json

_ALWAYS = "normalised_score"


def filtering(run: Path, number: int) -> dict[str, Any] | None:
    """`waterfall`, `hardest`, `kept_share`, `expected`, `cut`, `cutoffs`, `scores`: docs/results.md says what each is.

    None where the folder has no waterfall.
    """
    folder = run / f"gen{number}"
    if not (folder / "2-waterfall.json").exists():
        return None
    found = read_json(folder / "2-waterfall.json")
    steps, rows = found["waterfall"], found.get("rows")
    table = judged(folder)
    known = cutoffs(run, number, found.get("cut"), table)
    return {
        "rows": rows,
        "hours": found.get("hours"),
        "kept_share": steps[-1]["left_rows"] / rows if steps and rows else None,
        "waterfall": steps,
        "hardest": _hardest(steps, rows),
        "expected": found.get("expected"),
        "cut": found.get("cut"),
        "cutoffs": known,
        "scores": _scores(table, list(dict.fromkeys([_ALWAYS, *(each["measure"] for each in known)]))),
    }


def _hardest(steps: Sequence[dict[str, Any]], rows: int | None) -> dict[str, Any] | None:
    """The rule that rejects the most rows in its turn, the first of several; None where none rejects any."""
    if not rows or not any(step["rows"] for step in steps):
        return None
    place = max(range(len(steps)), key=lambda place: (steps[place]["rows"], -place))
    return {"place": place, "rule": steps[place]["rule"], "share": steps[place]["rows"] / rows}


def _scores(table: pl.LazyFrame, measures: list[str]) -> list[dict[str, Any]]:
    """A histogram of kept against rejected labels for each measure that some label has."""
    values = table.select("kept", **{name: MEASURES[name].value.fill_null(np.nan) for name in measures}).collect()
    kept = values["kept"].to_numpy()
    found = []
    for name in measures:
        column = values[name].to_numpy()
        bins = histograms({"kept": column[kept], "rejected": column[~kept]})
        if bins:
            found.append({"measure": name} | bins)
    return found
