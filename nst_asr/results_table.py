"""results.json of one run as a table to read; `recipe_results` has those over several runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nst_asr.alarms import describe
from nst_asr.percent import NONE as NONE  # part of what this module offers, as the next ones
from nst_asr.percent import bounds as bounds
from nst_asr.percent import percent as percent
from nst_asr.terms import Terms

Results = Mapping[str, Any]

_LEGEND = (
    "generation 0 is the teacher, trained on the {given} alone; {amount} labeled: by the generation before;",
    "oracle: trained on the true labels; error of kept labels: against the truth that the training never sees",
)


def table(results: Results) -> str:
    """One row a generation, the oracle below them, then how much lower the last student's error rate is."""
    rows = [heading(results), *rows_of(results)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    below = [*legend(results), "", *conclusions(results), *warnings(results)]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:], "", *below])


def terms_of(results: Results) -> Terms:
    """The words of the task that the results are of."""
    return Terms(**(results.get("terms") or {}))


def heading(results: Results) -> tuple[str, ...]:
    """The titles of the columns of `rows_of`."""
    titles = columns(terms_of(results), fused=has_lm(results))
    return (*titles[:4], f"{titles[4]} [95 % interval]", *titles[5:])


def has_lm(results: Results) -> bool:
    """Whether models of the run were also scored with a language model."""
    return any(entry.get("with_lm") for entry in results["generations"])


def columns(terms: Terms, *, fused: bool) -> tuple[str, ...]:
    """The titles of the columns in the words of a task; `fused`: with those of scores with a language model."""
    amounts = (f"{terms.amount} labeled", f"{terms.amount} kept", "error of kept labels")
    rates = (f"dev {terms.error}", f"test {terms.error}")
    return ("generation", *amounts, *rates, *(f"{rate} with LM" for rate in rates if fused), "seconds")


def legend(results: Results) -> list[str]:
    """What the columns mean."""
    terms = terms_of(results)
    given = "transcribed hours" if terms.amount == "hours" else f"labeled {terms.amount}"
    return [line.format(given=given, amount=terms.amount) for line in _LEGEND]


def rows_of(results: Results) -> list[tuple[str, ...]]:
    """The cells of each row, as text; rates become percent here and not before."""
    terms = terms_of(results)
    entries = [(str(entry["generation"]), entry) for entry in results["generations"]]
    entries += [("oracle", results["oracle"])] if results["oracle"] else []
    return [_row(name, entry, terms, fused=has_lm(results)) for name, entry in entries]


def conclusions(results: Results) -> list[str]:
    """Two sentences: the relative reduction of the error rate, and the recovery rate."""
    return [_reduction(results), _recovery(results)]


def warnings(results: Results) -> list[str]:
    """A line for each alarm that was raised on the labels of a generation."""
    return [
        f"WARNING: generation {entry['generation']}: {describe(alarm)}"
        for entry in results["generations"]
        for alarm in entry.get("alarms") or ()
        if alarm["raised"]
    ]


def _row(name: str, entry: Mapping[str, Any], terms: Terms, *, fused: bool) -> tuple[str, ...]:
    student = entry.get("labels", 0) > 0
    dev, test, error = entry["dev"], entry["test"], entry.get("label_error")
    return (
        name,
        terms.count(entry["hours"]) if "hours" in entry else NONE,
        terms.count(entry["kept_hours"]) if student else NONE,
        percent(error["after"]["rate"]) if error else NONE,
        f"{percent(dev['rate'])} {bounds(dev['low'], dev['high'])}",
        percent(test["rate"]) if test else NONE,
        *(percent(rate_with_lm(entry, on)) for on in ("dev", "test") if fused),
        f"{sum(entry['seconds'].values()):.0f}",
    )


def rate_with_lm(entry: Mapping[str, Any], on: str) -> float | None:
    """The rate of a model on dev or test with the language model; None where there is none."""
    found = (entry.get("with_lm") or {}).get(on)
    return float(found["rate"]) if found else None


def _reduction(results: Results) -> str:
    found = results["relative_reduction"]
    if not found or found["rate"] is None:
        why = "none to tell, there is no student or the teacher makes no errors"
        return f"relative {terms_of(results).error} reduction: {why}"
    last, more = results["generations"][-1]["generation"], found["rate"] < 0
    change = f"{percent(abs(found['rate']), 1)} {'MORE' if more else 'fewer'} errors than the teacher"
    difference = found["comparison"]
    interval = f"{100 * difference['difference']:+.2f} points {bounds(difference['low'], difference['high'], 2)}"
    return f"generation {last} makes {change} on {found['on']} ({interval})"


def _recovery(results: Results) -> str:
    found = results["recovery_rate"]
    if not found:
        return "recovery rate: unknown, there is no oracle (it needs the pool's truth) or no student"
    if found["rate"] is None:
        return f"recovery rate: none, {found['reason']}"
    way = f"of the way from teacher to oracle, on {found['on']}"
    if found["low"] is None:
        return f"recovery rate: {percent(found['rate'], 1)} {way} ({found['reason']})"
    return f"recovery rate: {percent(found['rate'], 1)} {bounds(found['low'], found['high'])} {way}"
