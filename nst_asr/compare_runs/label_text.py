"""The labels of compared runs as text to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nst_asr.compare_runs.cells import amount, grid, numbers, percents
from nst_asr.results_table import NONE
from nst_asr.terms import Terms

Found = Mapping[str, Any]


def label_lines(found: Found, letters: Sequence[str], terms: Terms, width: int) -> list[str]:
    """A table with the labels of each generation, and how far those of the runs agree."""
    if not found["labels"]:
        return ["LABELS: none of the runs has labeled"]
    lines = ["LABELS"]
    rows: list[list[str]] = []
    for entry in found["labels"]:
        rows += _label_rows(entry, terms)
    lines += grid(["generation", "", *letters], rows, width)
    agreements = [line for entry in found["labels"] for line in _agreement(entry, letters, terms)]
    return [*lines, *([""] if agreements else []), *agreements]


def _label_rows(entry: Found, terms: Terms) -> Iterator[list[str]]:
    measures, number = entry["measures"], str(entry["generation"])
    shown = [
        [f"{terms.amount} labeled", *(amount(each, terms) for each in measures["hours"])],
        [
            f"{terms.amount} kept",
            *(
                f"{amount(each, terms)}{f', {percents(share, 1)}' if share else ''}"
                for each, share in zip(measures["kept_hours"], measures["kept_share"], strict=True)
            ),
        ],
        ["KL from labeled, nats", *(numbers(each, ".4f") for each in measures["kl_before"])],
        ["  after balancing", *(numbers(each, ".4f") for each in measures["kl_after"])],
        [f"{terms.error} of all labels", *(percents(each) for each in measures["error_before"])],
        ["  of kept labels", *(percents(each) for each in measures["error_after"])],
        ["alarms raised", *(", ".join(each) or NONE for each in entry["alarms"])],
    ]
    for row in shown:
        if any(cell != NONE for cell in row[1:]):
            yield [number, *row]
            number = ""


def _agreement(entry: Found, letters: Sequence[str], terms: Terms) -> Iterator[str]:
    for letter, each in zip(letters[1:], entry["agreement"] or (), strict=False):
        title = f"generation {entry['generation']}, {letter} against {letters[0]}:"
        if each["distance"]:
            rows, hours = each["kept_in_both_rows"], each["kept_in_both_hours"]
            both = numbers(rows, ",.0f") if terms.unit == 1 else amount(hours, terms)
            yield (
                f"{title} {percents(each['changed_share'])} of the labels are others "
                f"({terms.error} between them {percents(each['distance'])})"
            )
            yield (
                f"  kept by both {both} {terms.amount}, by {letters[0]} alone "
                f"{amount(each['kept_in_first_only_hours'], terms)}, by {letter} alone "
                f"{amount(each['kept_in_other_only_hours'], terms)}; of those kept by both "
                f"{percents(each['changed_share_of_kept_in_both'])} are others"
            )
        for reason in each["reasons"]:
            yield f"{title} labels not compared: {reason}"
