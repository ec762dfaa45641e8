"""Models that have learnt nothing, and a pool that there is nothing to be learnt from."""

from __future__ import annotations

from collections.abc import Iterator

from nst_asr.results.diagnosis.case import Case, Entry, Finding, deletions
from nst_asr.results_table import percent


def collapsed(case: Case) -> Iterator[Finding]:
    """A model that is hardly right anywhere, or has fallen silent."""
    entries = [entry for entry in case.generations if case.collapsed(entry)]
    if not entries:
        return
    first, dev = entries[0], entries[0]["dev"]
    taught = [entry for entry in case.students if entry["teacher"] == first["generation"]]
    silent = f", and {percent(deletions(dev), 0)} of its errors are {case.terms.token}s that it leaves out"
    sentences = [
        f"Generation {first['generation']} has {percent(dev['rate'], 1)} {case.terms.error} on dev"
        f"{silent if deletions(dev) >= case.limits.silent_deletions else ''}.",
        *(_labels_by(case, entry) for entry in taught[:1]),
        *([_collapsed_too(entries[1:])] if entries[1:] else []),
    ]
    yield Finding(
        "collapsed teacher" if taught or not first["generation"] else "collapsed student",
        "cause" if case.collapsed(case.generations[-1]) else case.harm,
        " ".join(sentences),
        "Train it for more updates or at a lower learning rate, and label nothing with it before it is far below this "
        "on dev: such labels teach nothing, and no filter mends them",
        "training",
        first["generation"],
        {"rate": dev["rate"], "deletions": deletions(dev)},
    )


def _collapsed_too(entries: list[Entry]) -> str:
    told = " and ".join(f"generation {entry['generation']} ({percent(entry['dev']['rate'], 1)})" for entry in entries)
    return f"After it {told} {'has' if len(entries) == 1 else 'have'} collapsed too."


def _labels_by(case: Case, student: Entry) -> str:
    """What the labels are like that a collapsed model has made."""
    error, alarms = student["label_error"], student["alarms"] or ()
    wrong = f", with {percent(error['before']['rate'], 1)} {case.terms.error}" if error else ""
    short = [f": {alarm['facts']}" for alarm in alarms if alarm["name"] == "short_labels" and alarm["raised"]]
    return f"It made the labels for generation {student['generation']}{wrong}{''.join(short)}."


def useless_pool(case: Case) -> Iterator[Finding]:
    """A pool that teaches little even with true labels."""
    oracle, teacher = case.results["oracle"], case.generations[0]
    if not oracle:
        return
    on = "test" if oracle["test"] and teacher["test"] else "dev"
    bound, first = oracle[on]["rate"], teacher[on]["rate"]
    if not first or bound < case.limits.oracle_rate * first:
        return
    yield Finding(
        "nothing to be learnt from the pool",
        case.harm,
        f"Trained on the pool's true labels, the oracle has {percent(bound)} {case.terms.error} on {on}, the teacher "
        f"{percent(first)}: better labels would gain nothing.",
        "Train for more updates or a larger model, or find a pool that is more like what the models are tested on",
        "generations",
        figures={"oracle": bound, "teacher": first},
    )
