"""The comparison in one sentence a column: the last models on test, or on dev where test is not known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

from nst_asr.results_table import percent
from nst_asr.terms import Terms

Found = Mapping[str, Any]


def conclusion(found: Found, letters: Sequence[str], terms: Terms) -> list[str]:
    """One line for each column but the first: whether its last models are better than the first column's."""
    return [_line(found["scores"], place, letters, terms) for place in range(1, len(letters))]


def _line(scores: Sequence[Found], place: int, letters: Sequence[str], terms: Terms) -> str:
    first, other = letters[0], letters[place]
    compared = [
        entry
        for entry in scores
        if not entry["with_lm"] and entry["of"] != "oracle" and entry["against_first"][place - 1]["difference"]
    ]
    if not compared:
        return f"{other} cannot be compared with {first}: they have no score on the same data."
    # the last model comes last, and of its sets test
    entry = compared[-1]
    against = entry["against_first"][place - 1]
    runs = against["by_run"]
    before, after = (percent(mean(one["rates"][side] for one in runs)) for side in (0, 1))
    points = f"{100 * against['difference']['mean']:+.2f} points"
    what = f"on {entry['on']}, {entry['of']}: {terms.error} {before} became {after}"
    if len(runs) == 1:
        one = runs[0]
        interval = f"{points} [{100 * one['low']:+.2f}, {100 * one['high']:+.2f}]"
        if one["significantly_better"]:
            return f"{other} is better than {first} {what} ({interval})."
        if one["significantly_worse"]:
            return f"{other} is WORSE than {first} {what} ({interval})."
        return f"{other} against {first} is undecided {what} ({interval})."
    sure, worse = against["significantly_better"], against["significantly_worse"]
    return (
        f"{other} is better than {first} for {against['better']} of {len(runs)} seeds (significantly for {sure}, "
        f"significantly worse for {worse}) {what} ({points} in the mean of these seeds)."
    )
