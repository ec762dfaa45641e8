"""Did it work, in one sentence; and whether another generation is worth its while."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nst_asr.results.bins import points
from nst_asr.results_table import bounds, percent, terms_of

Results = Mapping[str, Any]

_HIGH = 0.5  # error rate of the last student above which a gain is told with a reservation


def verdict(results: Results) -> dict[str, str]:
    """`outcome`, and a `sentence`: the last student beside the first teacher.

    It worked or failed where the paired interval of the difference does not hold 0 (`score.compare`); else it is
    undecided, or there is nothing without a student. A gain is doubtful where `diagnosis` has a cause: the figures
    cannot be trusted, or the student is of no use all the same.
    """
    found = results["relative_reduction"]
    if not found:
        return {"outcome": "nothing", "sentence": "No student has been scored yet, so there is nothing to judge."}
    comparison = found["comparison"]
    if comparison["significantly_worse"]:
        outcome, start = "failed", "It did not work: the last student is significantly worse than the first teacher"
    elif comparison["significantly_better"]:
        outcome, start = _gained(results, found)
        start += f": the last student makes {_fewer(found)}errors than the first teacher"
    else:
        outcome, start = (
            "undecided",
            "Undecided: the difference between the last student and the first teacher may be chance",
        )
    return {"outcome": outcome, "sentence": f"{start} ({_rates(results, found)}).{_recovered(results)}"}


def _gained(results: Results, found: Mapping[str, Any]) -> tuple[str, str]:
    """The outcome of a gain that is more than chance, and what is to be said of it first."""
    if cause := _cause(results):
        return "doubtful", f"Better, but not to be relied on ({cause})"
    if results["generations"][-1][found["on"]]["rate"] > _HIGH:
        return "worked", "It helped, but errors are still many"
    return "worked", "It worked"


def _cause(results: Results) -> str | None:
    """The name of the first finding that explains why there was no gain, or why figures cannot be trusted."""
    return next((each["name"] for each in results["diagnosis"] if each["severity"] == "cause"), None)


def _fewer(found: Mapping[str, Any]) -> str:
    return f"{percent(found['rate'], 0)} fewer " if found["rate"] is not None else "fewer "


def _rates(results: Results, found: Mapping[str, Any]) -> str:
    first, last = (results["generations"][place][found["on"]]["rate"] for place in (0, -1))
    change = found["comparison"]
    sure = ", significant" if change["significantly_better"] else ""
    return (
        f"{terms_of(results).error} {percent(first)} became {percent(last)} on {found['on']}, "
        f"{_points(change['difference'], change['low'], change['high'])}{sure}"
    )


def _recovered(results: Results) -> str:
    """How far it is to the oracle, where that is known."""
    found = results["recovery_rate"]
    if not found or found["rate"] is None:
        return ""
    interval = bounds(found["low"], found["high"], 0)
    return f" That is {percent(found['rate'], 0)}{' ' * bool(interval)}{interval} of the way to the oracle."


def advice(results: Results) -> dict[str, Any] | None:
    """Whether to go on, from the last student and the model that taught it, on dev; None without a student.

    `do`: `stop` where the interval of the gain holds 0, so that it may be chance; else `mend` where `diagnosis` has a
    cause, and `go on` where it has none. `gain`, `low`, `high`: the teacher's rate minus the student's, with the paired
    95 % interval. `use`: the generation whose model is the better choice. `text`: the same in words; there the
    difference has the sign that it has everywhere else, that of the change.
    """
    last = results["generations"][-1]
    found = last["comparison"]
    if not found:
        return None
    number, teacher = last["generation"], last["teacher"]
    gain = {"gain": 0 - found["difference"], "low": 0 - found["high"], "high": 0 - found["low"]}  # -0.0 looks odd
    change = f"({_points(found['difference'], found['low'], found['high'])}, on dev)"
    pair = f"generation {number} is {{}} than generation {teacher}, which taught it {change}."
    use = teacher if found["significantly_worse"] else number
    if found["significantly_worse"]:
        do, text = "stop", f"Stop, and use generation {teacher}: {pair.format('surely worse')}"
    elif not found["significantly_better"]:
        do, text = "stop", f"Stop: {pair.format('not surely better')}"
    elif cause := _cause(results):
        do, text = "mend", f"Mend the cause first ({cause}), though {pair.format('surely better')}"
    else:
        do, text = "go on", f"Go on: {pair.format('surely better')}"
    return {"generation": number, "teacher": teacher, "do": do, "use": use, "on": "dev", **gain, "text": text}


def _points(change: float, low: float, high: float) -> str:
    return f"{points(change)} points, 95 % interval {points(low)} to {points(high)}"
