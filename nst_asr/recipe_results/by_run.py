"""A section with a row for each run, for runs that differ in more than the seed."""

from __future__ import annotations

from collections.abc import Mapping

from nst_asr.recipe_results.cells import grid, spread
from nst_asr.recipe_results.origin import Results, origin, seeds_of
from nst_asr.recipe_results.over_seeds import refuse_mixed
from nst_asr.results_table import NONE, bounds, percent, terms_of


def by_run(runs: Mapping[str, Results], title: str) -> str:
    """A section of RESULTS.md with a row for each run by its name.

    Raises ValueError where there is no run, or the runs are of several recipes.
    """
    refuse_mixed(list(runs.values()))
    rows = [["run", "teacher", "last student", "oracle", "fewer errors", "recovery rate [95 % interval]"]]
    rows += [_row(name, run) for name, run in runs.items()]
    known = [run["recovery_rate"]["rate"] for run in runs.values() if run["recovery_rate"]]
    known = [rate for rate in known if rate is not None]
    found = f"Recovery rate: {spread(known)} over {len(known)} of {len(runs)} runs." if known else "No recovery rate."
    error, every = terms_of(next(iter(runs.values()))).error, list(runs.values())
    first = f"{len(every)} run{'s' * (len(every) > 1)} ({seeds_of(every)}); of several: mean (least to greatest)"
    return f"## {title}\n\n{error} on test.\n\n{grid(rows)}\n\n{found}\n\n{origin(every, first)}\n"


def _row(name: str, run: Results) -> list[str]:
    change, recovery = run["relative_reduction"], run["recovery_rate"] or {}
    first, *students = (entry["test"] for entry in run["generations"])
    last = students[-1] if students else None
    oracle = (run["oracle"] or {}).get("test")
    rates = [percent(entry["rate"], 1) if entry else NONE for entry in (first, last, oracle)]
    interval = bounds(recovery.get("low"), recovery.get("high"))
    rate = f"{percent(recovery.get('rate'), 1)} {interval}".rstrip()
    return [name, *rates, percent((change or {}).get("rate"), 1), rate]
