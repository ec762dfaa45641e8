"""Did it work, in one sentence; and whether another generation is worth its while."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nst_asr.results.bins import points
from nst_asr.results_table import bounds, percent, terms_of

Results = Mapping[str, Any]


def verdict(results: Results) -> dict[str, str]:
    """`outcome` (worked, failed, undecided, nothing), and a `sentence`: the last student beside the first teacher.

    It worked or failed where the paired interval of the difference does not hold 0 (`score.compare`).
    """
    found = results["relative_reduction"]
    if not found:
        return {"outcome": "nothing", "sentence": "No student has been scored yet, so there is nothing to judge."}
    comparison = found["comparison"]
    if comparison["significantly_worse"]:
        outcome, start = "failed", "It did not work: the last student is significantly worse than the first teacher"
    elif comparison["significantly_better"]:
        outcome, start = "worked", f"It worked: the last student makes {_fewer(found)}errors than the first teacher"
    else:
        outcome, start = (
            "undecided",
            "Undecided: the difference between the last student and the first teacher may be chance",
        )
    return {"outcome": outcome, "sentence": f"{start} ({_rates(results, found)}).{_recovered(results)}"}


def _fewer(found: Mapping[str, Any]) -> str:
    return f"{percent(found['rate'], 0)} fewer " if found["rate"] is not None else "fewer "


def _rates(results: Results, found: Mapping[str, Any]) -> str:
    first, last = (results["generations"][place][found["on"]]["rate"] for place in (0, -1))
    change = found["comparison"]
    return (
        f"{terms_of(results).error} {percent(first)} became {percent(last)} on {found['on']}, "
        f"{_points(change['difference'], change['low'], change['high'])}"
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

    `do`: `stop` where the gain lies within its interval, so that it may be chance; else `go on`. `gain`, `low`, `high`:
    the teacher's rate minus the student's, with the paired 95 % interval. `use`: the generation whose model is the
    better choice. `text`: the same in words.
    """
    last = results["generations"][-1]
    found = last["comparison"]
    if not found:
        return None
    number, teacher = last["generation"], last["teacher"]
    gain = {"gain": 0 - found["difference"], "low": 0 - found["high"], "high": 0 - found["low"]}  # -0.0 looks odd
    points = f"{_points(**dict(zip(('change', 'low', 'high'), gain.values(), strict=True)))} on dev"
    if found["significantly_worse"]:
        use, do = teacher, "stop"
        text = (
            f"Stop, and use generation {teacher}: generation {number} is worse than the model that taught it ({points})"
        )
    elif not found["significantly_better"]:
        use, do = number, "stop"
        text = f"Stop: what generation {number} gained over generation {teacher} ({points}) may be chance"
    else:
        use, do = number, "go on"
        text = f"Go on: generation {number} still gained over generation {teacher} ({points}), more than chance"
    return {"generation": number, "teacher": teacher, "do": do, "use": use, "on": "dev", **gain, "text": text + "."}


def _points(change: float, low: float, high: float) -> str:
    return f"{points(change)} points, 95 % interval {points(low)} to {points(high)}"
