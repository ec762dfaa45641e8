"""The comparison of runs as text to read: 100 columns for two of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from string import ascii_uppercase
from typing import Any

from nst_asr.compare_runs.cells import grid, wrapped
from nst_asr.compare_runs.conclusion import conclusion
from nst_asr.compare_runs.differences import over_generations
from nst_asr.compare_runs.label_text import label_lines
from nst_asr.compare_runs.score_text import score_lines
from nst_asr.results_table import NONE
from nst_asr.terms import Terms

Found = Mapping[str, Any]

WIDTH, MORE = 100, 26  # of two columns, and of each further one
_LONGEST = 300  # characters of a value of the plan; --json has all of it


def describe(found: Found) -> str:
    """What `compare_runs` gives, as sections in the words of the task: A is the first column, B the second."""
    terms, letters = Terms(**found["terms"]), letters_of(found)
    width = WIDTH + MORE * max(0, len(letters) - 2)
    sections = [
        [*_legend(found, letters), "", *conclusion(found, letters, terms)],
        _plan(found, letters, width),
        _data(found, letters, terms, width),
        _code(found, letters, width),
        label_lines(found, letters, terms, width),
        score_lines(found, letters, terms, width),
    ]
    return "\n\n".join("\n".join(wrapped(line, width) for line in lines) for lines in sections)


def letters_of(found: Found) -> list[str]:
    """A, B, C, ... one for each column; more than 26 are numbered."""
    count = len(found["columns"])
    return list(ascii_uppercase[:count]) if count <= len(ascii_uppercase) else [f"#{n + 1}" for n in range(count)]


def _legend(found: Found, letters: Sequence[str]) -> Iterator[str]:
    for letter, column in zip(letters, found["columns"], strict=True):
        runs = column["runs"]
        seeds = ", ".join(str(run["seed"]) for run in runs)
        folders = runs[0]["folder"] if len(runs) == 1 else f"{column['name']}: {len(runs)} runs"
        yield f"{letter}  {folders}   recipe {runs[0]['recipe']}, seed{'s' * (len(runs) > 1)} {seeds}"
        for run in runs:
            if run["missing"]:
                which = "" if len(runs) == 1 else f"seed {run['seed']} "
                yield f"   {which}not finished: {_listed(run['missing'])} missing"


def _listed(names: Sequence[str], most: int = 4) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _plan(found: Found, letters: Sequence[str], width: int) -> list[str]:
    entries = over_generations(found["plan"], found["generations_planned"])
    if not entries:
        return ["PLAN: no key differs"]
    rows = [
        [entry["key"], *(_value(v) if t else "(absent)" for v, t in zip(entry["values"], entry["there"], strict=True))]
        for entry in entries
    ]
    return [
        f"PLAN: {len(entries)} key{'s differ' if len(rows) > 1 else ' differs'}",
        *grid(["key", *letters], rows, width),
    ]


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping) and len(text) > _LONGEST:
        return f"{{{len(value)} keys: {', '.join(value)}}}"
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def _data(found: Found, letters: Sequence[str], terms: Terms, width: int) -> list[str]:
    same = [entry["set"] for entry in found["data"] if all(entry["same"])]
    other = [entry for entry in found["data"] if not all(entry["same"])]
    head = f"DATA: the same {_and(same)}" if same else "DATA: no set is the same"
    if not other:
        return [head]
    rows = []
    for entry in other:
        cells = [
            _part(part, terms) + ("" if first else "" if same_ else " (other)" if same_ is False else " (not known)")
            for first, part, same_ in zip(
                [True] + [False] * (len(letters) - 1), entry["values"], entry["same"], strict=True
            )
        ]
        rows.append([entry["set"], *cells])
    note = [] if all(len(column["runs"]) == 1 for column in found["columns"]) else ["(of the first seed)"]
    return [head, *grid(["set", *letters], rows, width), *note]


def _part(part: Found | None, terms: Terms) -> str:
    if not part:
        return NONE
    hours = f", {terms.count(part['hours'])} {terms.amount}" if "hours" in part and terms.unit != 1 else ""
    return f"{part['rows']:,} {terms.example}s{hours} {part['fingerprint'][:8]}"


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _code(found: Found, letters: Sequence[str], width: int) -> list[str]:
    if not found["code"]:
        return ["CODE: the same commit, versions and hardware"]
    rows = [[entry["key"], *(value or "(absent)" for value in entry["values"])] for entry in found["code"]]
    return ["CODE", *grid(["", *letters], rows, width)]
