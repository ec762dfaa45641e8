"""Labels: too few, too many wrong ones, more wrong ones from teacher to teacher, and what the alarms say of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nst_asr.results.diagnosis.case import Case, Entry, Finding, outcome
from nst_asr.results_table import percent


def strict_filter(case: Case) -> Iterator[Finding]:
    """A filter that leaves less to learn from than the labeled set has; the generation that kept least."""
    given, limit = case.generations[0]["hours"], case.limits.strict_share
    few = [entry for entry in case.well_taught() if _kept(entry) < limit and entry["kept_hours"] < given]
    if not few:
        return
    entry = min(few, key=_kept)
    laps = entry.get("laps")
    often = f" Training drew each of them {laps:,.0f} times, in the mean." if laps else ""
    yield Finding(
        "over-strict filter",
        case.harm,
        f"The filter kept {entry['kept_rows']:,} of the {entry['labels']:,} labels of generation "
        f"{entry['generation']}: {case.amount(entry['kept_hours'])} of {case.amount(entry['hours'])} "
        f"{case.terms.amount} ({percent(_kept(entry), 1)}), less than the {case.amount(given)} that are "
        f"labeled.{often}{outcome(entry)}",
        "Loosen the cut-off (`nst-asr filter --dry-run` shows what each would keep), or let `filter.target_error` find "
        "one on dev; where so little is kept, lower `mix.pseudo_share` too",
        "labels",
        entry["generation"],
        {"kept_share": _kept(entry), "kept_hours": entry["kept_hours"], "laps": laps},
    )


def loose_filter(case: Case) -> Iterator[Finding]:
    """A filter that keeps wrong labels as gladly as right ones; the generation whose kept labels are worst."""
    known = [entry for entry in case.well_taught() if entry["label_error"] and _errors(entry)[1] is not None]
    through = [entry for entry in known if _lets_through(case, *_errors(entry))]
    if not through:
        return
    entry = max(through, key=lambda each: _errors(each)[1])
    before, after = _errors(entry)
    yield Finding(
        "filter lets errors through",
        case.harm,
        f"All labels of generation {entry['generation']} have {percent(before, 1)} {case.terms.error}, the "
        f"{percent(_kept(entry), 0)} that the filter kept {percent(after, 1)}: it cannot tell right from wrong."
        f"{outcome(entry)}",
        "Filter by a measure that can (see the curves over the labels), or more strictly; if none can, the teacher is "
        "too weak for this pool",
        "labels",
        entry["generation"],
        {"before": before, "after": after},
    )


def worse_labels(case: Case) -> Iterator[Finding]:
    """Labels that have more errors with every teacher."""
    by_teacher = {entry["teacher"]: entry for entry in case.students if entry["label_error"]}
    rates = [_errors(entry)[0] for entry in by_teacher.values()]
    if len(rates) < 2 or rates != sorted(rates) or rates[-1] <= case.limits.worse_labels * rates[0]:
        return
    yield Finding(
        "labels get worse",
        case.harm,
        f"From teacher to teacher the labels have more errors: {', '.join(percent(rate, 1) for rate in rates)}.",
        "Stop after the best generation, or make its labels cleaner by a stricter filter",
        "generations",
        list(by_teacher.values())[1]["generation"],
        {"first": rates[0], "last": rates[-1]},
    )


def idle_balance(case: Case) -> Iterator[Finding]:
    """Balancing that was asked for and changes next to nothing."""
    limits = case.limits
    for entry in case.students:
        before, after = entry["kl_before"], entry["kl_after"]
        if entry.get("balanced_by") in (None, "none") or before is None or before < limits.balance_nats:
            continue
        if after >= limits.idle_balance * before:
            yield Finding(
                "balancing does nothing",
                "warning",
                f"After balancing, the {case.terms.token}s that generation {entry['generation']} learnt from are "
                f"{after:.4f} nats from the labeled set's; before it they were {before:.4f}.",
                "Raise `balance.cap`; where no label has what is missing, no weights can mend it",
                "tokens",
                entry["generation"],
                {"before": before, "after": after},
            )
            return


def alarms(case: Case) -> Iterator[Finding]:
    """What the alarms say, each kind once."""
    raised: dict[str, list[tuple[int, Mapping[str, Any]]]] = {}
    for entry in case.students:
        for alarm in entry["alarms"] or ():
            if alarm["raised"]:
                raised.setdefault(alarm["name"], []).append((entry["generation"], alarm))
    for name, found in raised.items():
        number, alarm = found[0]
        others = ", ".join(str(other) for other, _ in found[1:])
        yield Finding(
            f"alarm {name}",
            "warning",
            f"Generation {number}: {alarm['facts']} (statistic {alarm['value']:.3g}, limit {alarm['limit']:g})."
            + (f" It was raised in generation {others} too." if others else ""),
            alarm["advice"][:1].upper() + alarm["advice"][1:],
            "alarms",
            number,
            {"value": alarm["value"], "limit": alarm["limit"]},
        )


def _kept(entry: Entry) -> float:
    """The share of the labeled hours that the filter kept."""
    return float(entry["kept_hours"] / entry["hours"]) if entry["hours"] else 0.0


def _errors(entry: Entry) -> tuple[Any, Any]:
    """The true error rate of all labels, and of the kept ones: None where the truth knows none of these."""
    return entry["label_error"]["before"]["rate"], entry["label_error"]["after"]["rate"]


def _lets_through(case: Case, before: float, after: float) -> bool:
    return after >= case.limits.wrong_labels and after > case.limits.unfiltered * before
