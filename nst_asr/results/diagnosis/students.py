"""Students: what they were trained under, and that they are no better than their teachers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile

from nst_asr.results.diagnosis.case import Case, Entry, Finding, outcome, points
from nst_asr.results_table import percent


def less_noise(case: Case) -> Iterator[Finding]:
    """A student under less noise than its teacher was trained under."""
    for entry in case.students:
        less = [each for each in entry["noise"] or () if each["less"]]
        if less:
            changes = ", ".join(
                f"{each['component']} ({each['teacher']:g} became {each['student']:g})" for each in less
            )
            yield Finding(
                "less noise than the teacher",
                case.harm,
                f"Generation {entry['generation']} was trained under less noise than its teacher: {changes}."
                f"{outcome(entry)}",
                "Give a student at least its teacher's noise: it gets better than its teacher by having to find the "
                "teacher's labels in a harder input",
                "alarms",
                entry["generation"],
                {"components": len(less)},
            )
            return


def no_gain(case: Case) -> Iterator[Finding]:
    """A last student that is not surely better than the first teacher: what the causes should explain."""
    found = case.results["relative_reduction"]
    if not found or found["comparison"]["significantly_better"]:
        return
    first, last = (case.generations[place][found["on"]] for place in (0, -1))
    worse = found["comparison"]["significantly_worse"]
    measured = "" if worse else ", or measure on more: a gain within this interval cannot be seen"
    yield Finding(
        "last student worse than the first teacher" if worse else "no sure gain",
        "warning",
        f"From the first teacher to the last student, {case.terms.error} on {found['on']} goes from "
        f"{percent(first['rate'])} to {percent(last['rate'])} ({points(found['comparison'])}, over "
        f"{last['sentences']:,} {case.terms.example}s).",
        f"Use the teacher{measured}. Where nothing above explains it, look at labels and at training curves",
        "generations",
        figures={name: found["comparison"][name] for name in ("difference", "low", "high")},
    )


def standstill(case: Case) -> Iterator[Finding]:
    """Generations at the end of a run that worked, which gain nothing that is more than chance."""
    total = (case.results["relative_reduction"] or {}).get("comparison")
    idle = list(takewhile(_is_idle, reversed(case.students)))[::-1]
    if not total or not total["significantly_better"] or len(idle) < case.limits.standstill:
        return
    gains = ", ".join(f"{points(entry['comparison'])} in generation {entry['generation']}" for entry in idle)
    yield Finding(
        "no gain in the last generations",
        "warning",
        f"None of the last {len(idle)} generations is surely better than its teacher on dev: {gains}.",
        "Stop before them, or change something for them: a looser filter, more noise, a larger student",
        "generations",
        idle[0]["generation"],
        {"generations": len(idle)},
    )


def unfinished(case: Case) -> Iterator[Finding]:
    """Trainings whose loss was still falling at their end, in a run that has not gained."""
    models = (case.results.get("training") or {}).values()
    falling = [each for each in models if each["finished"] and (each["trend"] or {}).get("state") == "falling"]
    if case.harm != "cause" or not falling:
        return
    told = ", ".join(f"{each['title']} ({percent(-each['trend']['change'], 0)})" for each in falling)
    yield Finding(
        "training ended early",
        "warning",
        f"Over the last tenth of the updates the loss was still lower than over the tenth before: {told}.",
        "Train for more updates",
        "training",
        figures={"models": len(falling), "change": falling[0]["trend"]["change"]},
    )


def _is_idle(student: Entry) -> bool:
    return bool(student["comparison"] and not student["comparison"]["significantly_better"])
