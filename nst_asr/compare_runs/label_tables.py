"""The labels of the runs, generation by generation: how much, how good where known, and how far they agree."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from nst_asr.amounts import amounts
from nst_asr.changes import across
from nst_asr.compare_runs.data_and_code import same_set
from nst_asr.compare_runs.over_seeds import Summary, summary
from nst_asr.compare_runs.variants import Known, Variant, matched
from nst_asr.store import StoreError

Entry = Mapping[str, Any]

_MEASURES: dict[str, Callable[[Entry], float | None]] = {
    "labels": lambda entry: entry.get("labels"),
    "hours": lambda entry: entry.get("hours"),
    "kept_rows": lambda entry: entry.get("kept_rows"),
    "kept_hours": lambda entry: entry.get("kept_hours"),
    "kept_share": lambda entry: entry["kept_hours"] / entry["hours"] if entry.get("hours") else None,
    "copied_hours": lambda entry: entry.get("copied_hours"),
    "kl_before": lambda entry: entry.get("kl_before"),
    "kl_after": lambda entry: entry.get("kl_after"),
    "error_before": lambda entry: _error(entry, "before"),
    "error_after": lambda entry: _error(entry, "after"),
}


def label_differences(columns: Sequence[Variant], *, agreement: bool = True) -> list[dict[str, Any]]:
    """One entry a generation that some run has labeled: `measures` of each column, alarms, and the agreement.

    agreement: set the label tables of generation K side by side, which reads them whole.
    """
    last = max((number for column in columns for run in column.runs for number in _judged(run)), default=0)
    found = []
    for number in range(1, last + 1):
        entries = [[entry for run in column.runs if (entry := _entry(run, number))] for column in columns]
        first, *others = columns
        found.append(
            {
                "generation": number,
                "measures": {name: [_over(each, measure) for each in entries] for name, measure in _MEASURES.items()},
                "alarms": [_alarms(each) for each in entries],
                "agreement": [_agreement(first, other, number) for other in others] if agreement else None,
            }
        )
    return found


def _judged(run: Known) -> list[int]:
    """The generations whose labels have been judged."""
    return [int(path.parent.name[3:]) for path in run.folder.glob("gen[1-9]*/2-verdicts.parquet")]


def _entry(run: Known, number: int) -> Entry | None:
    """What results.json says of a generation, or its waterfall where its student has not been scored yet."""
    if number < len(run.generations):
        return run.generations[number]
    found = amounts(run.folder / f"gen{number}")
    return asdict(found) if found else None


def _over(entries: Sequence[Entry], measure: Callable[[Entry], float | None]) -> Summary | None:
    return summary([value for entry in entries if (value := measure(entry)) is not None])


def _error(entry: Entry, when: str) -> float | None:
    found = entry.get("label_error")
    return found[when]["rate"] if found else None


def _alarms(entries: Sequence[Entry]) -> dict[str, int]:
    """The alarms that were raised, and in how many runs."""
    names = [alarm["name"] for entry in entries for alarm in entry.get("alarms") or () if alarm["raised"]]
    return {name: names.count(name) for name in dict.fromkeys(names)}


def _agreement(first: Variant, other: Variant, number: int) -> dict[str, Any]:
    """How far the labels of a generation differ between runs of one seed, or the reason why that is not known."""
    pairs = [pair for pair in matched(first, other) if all(number in _judged(run) for run in pair)]
    found, reasons = [], [] if pairs else ["no two runs of one seed have judged labels of this generation"]
    for one, two in pairs:
        if reason := _not_comparable(one, two):
            reasons.append(reason)
            continue
        try:
            found.append(across((one.folder, number), (two.folder, number)).to_json(top=0))
        except StoreError as error:
            reasons.append(str(error))
    picked = {
        "changed_share": [each["changed"]["share"] for each in found],
        "distance": [each["distance"]["rate"] for each in found],
        "changed_share_of_kept_in_both": [each["changed_of_kept_in_both"]["share"] for each in found],
        "distance_of_kept_in_both": [each["distance_of_kept_in_both"]["rate"] for each in found],
        "kept_in_both_hours": [each["kept_in_both"]["hours"] for each in found],
        "kept_in_both_rows": [each["kept_in_both"]["rows"] for each in found],
        "kept_in_first_only_hours": [each["kept_to_rejected"]["hours"] for each in found],
        "kept_in_other_only_hours": [each["rejected_to_kept"]["hours"] for each in found],
    }
    numbers = {name: summary([value for value in values if value is not None]) for name, values in picked.items()}
    return {"with": other.name, **numbers, "reasons": list(dict.fromkeys(reasons))}


def _not_comparable(one: Known, two: Known) -> str | None:
    """Why the label tables of two runs cannot be set side by side, row for row."""
    if same_set(one, two, "unlabeled") is False:
        return f"other pools (seed {one.seed})"
    blocks = one.plan.get("block"), two.plan.get("block")
    return f"tables in parts of {blocks[0]} and of {blocks[1]} rows" if blocks[0] != blocks[1] else None
