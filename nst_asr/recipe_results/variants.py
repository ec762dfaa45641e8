"""A section that sets variants beside the whole recipe, seed by seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nst_asr.recipe_results.cells import grid, spread
from nst_asr.recipe_results.origin import Results, origin, seeds_of
from nst_asr.recipe_results.over_seeds import refuse_doubled, refuse_mixed
from nst_asr.results_table import NONE, terms_of

WHOLE = "whole recipe"


def variants(whole: Sequence[Results], others: Mapping[str, Sequence[Results]], title: str, first: str = WHOLE) -> str:
    """A section of RESULTS.md that sets variants beside the runs in `whole`, seed by seed at the same generation.

    first: what the first row is called, where it is not the whole recipe. Raises ValueError where the runs are of
    several recipes, two of one row have the same seed, or the first row has not been run with the seed or the
    generation of a variant's run.
    """
    every = [*whole, *(run for runs in others.values() for run in runs)]
    refuse_mixed(every)
    for runs in (whole, *others.values()):
        refuse_doubled(runs)
    by_seed = {run["seed"]: run for run in whole}
    error = f"test {terms_of(whole[0]).error}"
    against = f"against the {first if first == WHOLE else 'first row'}, points"
    rows = [["variant", "generation", error, "fewer errors than the teacher", against]]
    numbers = sorted({len(run["generations"]) - 1 for runs in others.values() for run in runs})
    rows += [[*_row(first, number, whole), NONE] for number in numbers]
    for name, runs in others.items():
        number = len(runs[0]["generations"]) - 1
        rows.append([*_row(name, number, runs), _against(name, number, runs, by_seed)])
    told = f"Mean over {seeds_of(whole)}; least to greatest in brackets; differences seed by seed"
    return f"## {title}\n\n{grid(rows)}\n\n{origin(every, told)}\n"


def _row(name: str, number: int, runs: Sequence[Results]) -> list[str]:
    rates = [_rate(name, run, number) for run in runs]
    fewer = [1 - now / first for run, now in zip(runs, rates, strict=True) if (first := _rate(name, run, 0))]
    return [name, str(number), spread(rates), spread(fewer)]


def _against(name: str, number: int, runs: Sequence[Results], whole: Mapping[int, Results]) -> str:
    strange = [run["seed"] for run in runs if run["seed"] not in whole]
    if strange:
        raise ValueError(f"{name}: seed {strange[0]} is not among the runs of the first row")
    away = [_rate(name, run, number) - _rate(WHOLE, whole[run["seed"]], number) for run in runs]
    return spread([100 * number for number in away], 1)


def _rate(name: str, run: Results, generation: int) -> float:
    if len(run["generations"]) <= generation or not run["generations"][generation]["test"]:
        raise ValueError(f"{name}, seed {run['seed']}: generation {generation} has no score on test")
    return float(run["generations"][generation]["test"]["rate"])
