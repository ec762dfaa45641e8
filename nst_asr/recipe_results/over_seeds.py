"""A section over runs of one plan with several seeds: a row for each generation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nst_asr.recipe_results.cells import grid, spread
from nst_asr.recipe_results.origin import Results, origin, seeds_of
from nst_asr.results_table import NONE, bounds, columns, has_lm, percent, terms_of
from nst_asr.terms import Terms

Entry = Mapping[str, Any]
Score = Mapping[str, Any]


def over_seeds(runs: Sequence[Results], title: str, differing: Sequence[str] = ()) -> str:
    """A section of RESULTS.md over runs of one recipe: per generation the mean, and least to greatest over the runs.

    A single run has the 95 % bootstrap intervals of its rates in their place. Below the table: each run's reduction and
    recovery rate, then command, commit and hardware. differing: keys of the plan, seed aside, that are not the same in
    all runs, which is said. Raises ValueError where there is no run, the runs are of several
    recipes, or two of them have the same seed.
    """
    refuse_mixed(runs)
    refuse_doubled(runs)
    together = f"Mean over {len(runs)} runs ({seeds_of(runs)}); least to greatest in brackets"
    alone = f"One run ({seeds_of(runs)}); 95 % bootstrap intervals in brackets"
    first = together if len(runs) > 1 else alone
    first += f"\n- The plans differ, seed aside, in: {', '.join(differing)}" if differing else ""
    parts = [f"## {title}", rows(runs), _last_students(runs), origin(runs, first)]
    return "\n\n".join(parts) + "\n"


def rows(runs: Sequence[Results]) -> str:
    """The table of a section: Markdown, a row for each generation and one for the oracle."""
    entries = [
        (str(number), [run["generations"][number] for run in runs if len(run["generations"]) > number])
        for number in range(max(len(run["generations"]) for run in runs))
    ]
    entries.append(("oracle", [run["oracle"] for run in runs if run["oracle"]]))
    terms, fused = terms_of(runs[0]), any(map(has_lm, runs))
    found = [_row(name, each, len(runs), terms, fused=fused) for name, each in entries if each]
    return grid([columns(terms, fused=fused), *found])


def refuse_mixed(runs: Sequence[Results]) -> None:
    """Raise ValueError where there is no run, or the runs are of several recipes."""
    recipes = sorted({str(run["recipe"]) for run in runs})
    if len(recipes) != 1:
        raise ValueError(
            f"one table is of one recipe; the runs are of {', '.join(recipes) or 'none: name one at least'}"
        )


def refuse_doubled(runs: Sequence[Results]) -> None:
    """Raise ValueError where two of the runs have the same seed."""
    seeds = [run["seed"] for run in runs]
    if doubled := [seed for seed in seeds if seeds.count(seed) > 1]:
        raise ValueError(f"{seeds.count(doubled[0])} runs have seed {doubled[0]}; a mean over seeds takes one of each")


def _row(name: str, entries: Sequence[Entry], runs: int, terms: Terms, *, fused: bool) -> list[str]:
    def over(value: Callable[[Entry], float | None], scale: float, digits: int) -> str:
        return spread([number for entry in entries if (number := value(entry)) is not None], scale, digits)

    students = any(entry.get("labels", 0) for entry in entries)
    scale, digits = 3600 / terms.unit, 0 if terms.unit == 1 else 3
    return [
        name if len(entries) == runs else f"{name} ({len(entries)} of {runs} runs)",
        over(lambda entry: entry.get("hours"), scale, digits),
        over(lambda entry: entry["kept_hours"], scale, digits) if students else NONE,
        over(lambda entry: (entry.get("label_error") or {}).get("after", {}).get("rate"), 100, 2),
        *(_rate([entry[on] for entry in entries if entry[on]], runs) for on in ("dev", "test")),
        *(
            _rate([found[on] for entry in entries if (found := entry.get("with_lm")) and found[on]], runs)
            for on in ("dev", "test")
            if fused
        ),
        over(lambda entry: sum(entry["seconds"].values()), 1, 0),
    ]


def _rate(scores: Sequence[Score], runs: int) -> str:
    """Over several runs mean, least and greatest; of one the interval."""
    if runs > 1 or not scores:
        return spread([score["rate"] for score in scores], 100, 2)
    return f"{percent(scores[0]['rate'])} {bounds(scores[0]['low'], scores[0]['high'])}"


def _last_students(runs: Sequence[Results]) -> str:
    """What the runs say together of the last student, and each run by itself."""
    lines = []
    for name, key in (
        (f"Relative {terms_of(runs[0]).error} reduction", "relative_reduction"),
        ("Recovery rate", "recovery_rate"),
    ):
        found = [run[key] for run in runs if run[key] and run[key]["rate"] is not None]
        on = " and ".join(sorted({fact["on"] for fact in found}))
        each = ", ".join(percent((run[key] or {}).get("rate"), 1) for run in runs)
        together = f" on {on}: {spread([fact['rate'] for fact in found])}; by run: {each}" if found else ": none"
        lines.append(f"- {name} of the last student{together}")
    return "\n".join(lines)
