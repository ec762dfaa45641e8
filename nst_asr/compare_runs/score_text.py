"""The scores of compared runs as text to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nst_asr.bootstrap import RESAMPLES
from nst_asr.compare_runs.cells import grid, p_value, percents, spread
from nst_asr.results_table import NONE, bounds
from nst_asr.terms import Terms

Found = Mapping[str, Any]


def score_lines(found: Found, letters: Sequence[str], terms: Terms, width: int) -> list[str]:
    """A table of rates, one of differences from the first column with their significance, and what is not compared."""
    if not found["scores"]:
        return ["SCORES: nothing has been scored yet"]
    rows = [[_place(entry), *(_rate(rate) for rate in entry["rates"])] for entry in found["scores"]]
    several = any(len(column["runs"]) > 1 for column in found["columns"])
    told = "mean (least to greatest) over seeds" if several else "[95 % bootstrap interval]"
    lines = [f"SCORES: {terms.error}, {told}", *grid(["model, set", *letters], rows, width)]
    differences = [row for entry in found["scores"] for row in _difference_rows(entry, letters)]
    head = ["model, set", "", "points", "p bootstrap", f"p {terms.example}s", ""]
    if several:
        head = ["model, set", "", "points: mean (least to greatest)", "spread", "seeds better", "significantly"]
        differences = [row for entry in found["scores"] for row in _seed_rows(entry, letters)]
    lines += ["", f"AGAINST {letters[0]}, negative is better", *grid(head, differences, width)]
    return [*lines, *_legend_of_tests(terms, several=several), *_reasons(found["scores"], letters)]


def _place(entry: Found) -> str:
    return f"{entry['of']}, {entry['on']}{' with LM' if entry['with_lm'] else ''}"


def _rate(rate: Found | None) -> str:
    if rate is None:
        return NONE
    return percents(rate) + (f" {bounds(rate['low'], rate['high'])}" if rate["low"] is not None else "")


def _difference_rows(entry: Found, letters: Sequence[str]) -> Iterator[list[str]]:
    for letter, each in zip(letters[1:], entry["against_first"], strict=True):
        for one in each["by_run"]:
            points = f"{100 * one['difference']:+.2f} [{100 * one['low']:+.2f}, {100 * one['high']:+.2f}]"
            sure = min(one["p_worse"], 1 - one["p_worse"]) * 2
            yield [
                *(_place(entry), letter, points),
                *(p_value(sure, 2 / RESAMPLES), p_value(one["sentences"]["p"]), _judgement(one)),
            ]


def _judgement(one: Found) -> str:
    if one["low"] == one["high"] == 0:
        return "equal"
    return "better" if one["significantly_better"] else "WORSE" if one["significantly_worse"] else "undecided"


def _seed_rows(entry: Found, letters: Sequence[str]) -> Iterator[list[str]]:
    for letter, each in zip(letters[1:], entry["against_first"], strict=True):
        if each["difference"]:
            count = each["difference"]["runs"]
            deviation = each["difference"]["spread"]
            sure = [
                f"{each[f'significantly_{way}']} {way}" for way in ("better", "worse") if each[f"significantly_{way}"]
            ]
            yield [
                _place(entry),
                letter,
                spread(each["difference"], 100, "+.2f"),
                NONE if deviation is None else f"{100 * deviation:.2f}",
                f"{each['better']} of {count}",
                ", ".join(sure) or NONE,
            ]


def _legend_of_tests(terms: Terms, *, several: bool) -> list[str]:
    if several:
        return ["seed by seed; spread: standard deviation over seeds; significantly: by a paired bootstrap of one seed"]
    return [
        f"paired bootstrap (two-sided p, {terms.group}s or {terms.example}s drawn together); p {terms.example}s: "
        f"McNemar's test of {terms.example}s without an error"
    ]


def _reasons(scores: Sequence[Found], letters: Sequence[str]) -> list[str]:
    """Why some scores are not compared, each once."""
    told: dict[str, list[str]] = {}
    for entry in scores:
        for letter, each in zip(letters[1:], entry["against_first"], strict=True):
            for reason in each["reasons"]:
                told.setdefault(f"not compared: {letter} against {letters[0]}: {reason}", []).append(_place(entry))
            if each["seeds_left_out"] and each["difference"]:
                left = ", ".join(each["seeds_left_out"])
                told.setdefault(f"{letter} against {letters[0]}: without seed {left}, which one side lacks", [])
    return [what + (f" ({'; '.join(where)})" if where else "") for what, where in told.items()]
