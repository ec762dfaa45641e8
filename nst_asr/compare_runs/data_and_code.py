"""What differs besides the plan: the sets that were learnt from and scored on, the code, the machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nst_asr.compare_runs.differences import ABSENT, differences, to_json
from nst_asr.compare_runs.variants import Known, Variant, matched, without_seed

SETS = ("labeled", "unlabeled", "dev", "test", "truth")


def plan_differences(columns: Sequence[Variant]) -> list[dict[str, Any]]:
    """The keys of the plan that differ; the seed is one of them where each column is a single run."""
    plans = [column.runs[0].plan for column in columns]
    if any(len(column.runs) > 1 for column in columns):
        plans = [without_seed(plan) for plan in plans]
    return [to_json(key, values) for key, values in differences(plans)]


def data_differences(columns: Sequence[Variant]) -> list[dict[str, Any]]:
    """A set each: rows and hours in the first run of each column, and whether it is the same as the first column's.

    By the fingerprint of ids, sizes, groups and labels, of runs of one seed; null where there are no such runs, or
    neither knows the set.
    """
    found = []
    for name in SETS:
        parts = [_part(column.runs[0], name) for column in columns]
        if any(parts):
            same = [_same(columns[0], column, name) for column in columns[1:]]
            found.append({"set": name, "values": parts, "same": [True, *same]})
    return found


def same_set(first: Known, other: Known, name: str) -> bool | None:
    """Whether two runs have the same set of this name; None where one of them does not say."""
    one, two = _part(first, name), _part(other, name)
    return one["fingerprint"] == two["fingerprint"] if one and two else None


def code_differences(columns: Sequence[Variant]) -> list[dict[str, Any]]:
    """Commit, versions and hardware where they differ: the values that the runs of each column have."""
    found = []
    abouts = [_code(run) for column in columns for run in column.runs]
    for key, values in differences(abouts):
        rest, by_column = iter(values), []
        for column in columns:
            own = list(dict.fromkeys(str(next(rest)) for _ in column.runs))
            by_column.append(", ".join(own))
        found.append({"key": key, "values": [None if each == repr(ABSENT) else each for each in by_column]})
    return found


def _code(run: Known) -> dict[str, Any]:
    return {name: run.about.get(name) for name in ("commit", "versions", "hardware")}


def _part(run: Known, name: str) -> dict[str, Any] | None:
    part: dict[str, Any] | None = (run.about.get("corpus") or {}).get(name)
    return part


def _same(first: Variant, other: Variant, name: str) -> bool | None:
    found = [same_set(*pair, name) for pair in matched(first, other)]
    return all(found) if found and None not in found else None
