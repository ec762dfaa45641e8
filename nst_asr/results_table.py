"""results.json as tables to read: plain text for one run, Markdown over several seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from statistics import mean
from typing import Any

from nst_asr.alarms import describe
from nst_asr.terms import Terms

Results = Mapping[str, Any]

NONE = "-"
_LEGEND = (
    "generation 0 is the teacher, trained on the {given} alone; {amount} labeled: by the generation before;",
    "oracle: trained on the true labels; error of kept labels: against the truth that the training never sees",
)


def table(results: Results) -> str:
    """One row a generation, the oracle below them, then how much lower the last student's error rate is."""
    rows = [heading(results), *rows_of(results)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    below = [*legend(results), "", *conclusions(results), *warnings(results)]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:], "", *below])


def terms_of(results: Results) -> Terms:
    """The words of the task that the results are of."""
    return Terms(**(results.get("terms") or {}))


def heading(results: Results) -> tuple[str, ...]:
    """The titles of the columns of `rows_of`."""
    columns = _columns(terms_of(results), fused=has_lm(results))
    return (*columns[:4], f"{columns[4]} [95 % interval]", *columns[5:])


def has_lm(results: Results) -> bool:
    """Whether models of the run were also scored with a language model."""
    return any(entry.get("with_lm") for entry in results["generations"])


def _columns(terms: Terms, *, fused: bool) -> tuple[str, ...]:
    amounts = (f"{terms.amount} labeled", f"{terms.amount} kept", "error of kept labels")
    rates = (f"dev {terms.error}", f"test {terms.error}")
    return ("generation", *amounts, *rates, *(f"{rate} with LM" for rate in rates if fused), "seconds")


def legend(results: Results) -> list[str]:
    """What the columns mean."""
    terms = terms_of(results)
    given = "transcribed hours" if terms.amount == "hours" else f"labeled {terms.amount}"
    return [line.format(given=given, amount=terms.amount) for line in _LEGEND]


def rows_of(results: Results) -> list[tuple[str, ...]]:
    """The cells of each row, as text; rates become percent here and not before."""
    terms = terms_of(results)
    entries = [(str(entry["generation"]), entry) for entry in results["generations"]]
    entries += [("oracle", results["oracle"])] if results["oracle"] else []
    return [_row(name, entry, terms, fused=has_lm(results)) for name, entry in entries]


def conclusions(results: Results) -> list[str]:
    """Two sentences: the relative reduction of the error rate, and the recovery rate."""
    return [_reduction(results), _recovery(results)]


def warnings(results: Results) -> list[str]:
    """A line for each alarm that was raised on the labels of a generation."""
    return [
        f"WARNING: generation {entry['generation']}: {describe(alarm)}"
        for entry in results["generations"]
        for alarm in entry.get("alarms") or ()
        if alarm["raised"]
    ]


def percent(rate: float | None, digits: int = 2) -> str:
    """A rate as percent; a dash for None."""
    return NONE if rate is None else f"{100 * rate:.{digits}f} %"


def bounds(low: float | None, high: float | None, digits: int = 1) -> str:
    """An interval as percent, in brackets; nothing for None."""
    return "" if low is None or high is None else f"[{100 * low:.{digits}f}, {100 * high:.{digits}f}]"


def markdown(runs: Sequence[Results], title: str) -> str:
    """A section of RESULTS.md over runs of one recipe: per generation the mean, and least to greatest over the runs.

    Below the table: each run's reduction and recovery rate, then command, commit and hardware. Raises ValueError where
    there is no run, or the runs are of several recipes.
    """
    recipes = sorted({str(run["recipe"]) for run in runs})
    if len(recipes) != 1:
        raise ValueError(
            f"one table is of one recipe; the runs are of {', '.join(recipes) or 'none: name one at least'}"
        )
    entries = [
        (str(number), [run["generations"][number] for run in runs if len(run["generations"]) > number])
        for number in range(max(len(run["generations"]) for run in runs))
    ]
    entries.append(("oracle", [run["oracle"] for run in runs if run["oracle"]]))
    terms, fused = terms_of(runs[0]), any(map(has_lm, runs))
    rows = [_spread_row(name, found, len(runs), terms, fused=fused) for name, found in entries if found]
    parts = [f"## {title}", _grid([_columns(terms, fused=fused), *rows]), _over_runs(runs), _reproduction(runs)]
    return "\n\n".join(parts) + "\n"


def by_run(runs: Mapping[str, Results], title: str) -> str:
    """A section of RESULTS.md with a row for each run by its name, for runs that differ in more than the seed."""
    rows = [["run", "teacher", "last student", "oracle", "fewer errors", "recovery rate [95 % interval]"]]
    for name, run in runs.items():
        change, recovery, on = run["relative_reduction"], run["recovery_rate"] or {}, "test"
        first, last = (run["generations"][place][on] for place in (0, -1))
        oracle = (run["oracle"] or {}).get(on)
        rates = [percent(entry["rate"], 1) if entry else NONE for entry in (first, last, oracle)]
        interval = bounds(recovery.get("low"), recovery.get("high"))
        rows.append(
            [name, *rates, percent((change or {}).get("rate"), 1), f"{percent(recovery.get('rate'), 1)} {interval}"]
        )
    known = [run["recovery_rate"]["rate"] for run in runs.values() if run["recovery_rate"]]
    known = [rate for rate in known if rate is not None]
    found = f"Recovery rate: {_spread(known)} over {len(known)} of {len(runs)} runs." if known else "No recovery rate."
    error = terms_of(next(iter(runs.values()))).error
    return f"## {title}\n\n{error} on test.\n\n{_grid(rows)}\n\n{found}\n\n{_reproduction(list(runs.values()))}\n"


def variants(whole: Sequence[Results], others: Mapping[str, Sequence[Results]], title: str) -> str:
    """A section of RESULTS.md that sets variants beside the whole recipe, seed by seed at the same generation.

    Raises ValueError for a variant's run whose seed or generation the whole recipe has not been run with.
    """
    by_seed = {run["seed"]: run for run in whole}
    error = f"test {terms_of(whole[0]).error}"
    rows = [["variant", "generation", error, "fewer errors than the teacher", "against the whole recipe, points"]]
    numbers = sorted({len(run["generations"]) - 1 for runs in others.values() for run in runs})
    rows += [_variant_row("whole recipe", number, whole, by_seed) for number in numbers]
    rows += [_variant_row(name, len(runs[0]["generations"]) - 1, runs, by_seed) for name, runs in others.items()]
    seeds = ", ".join(str(run["seed"]) for run in whole)
    return f"## {title}\n\n{_grid(rows)}\n\nMean over seeds {seeds}; least to greatest in brackets.\n"


def _variant_row(name: str, number: int, runs: Sequence[Results], whole: Mapping[int, Results]) -> list[str]:
    def rate(run: Results, generation: int) -> float:
        if len(run["generations"]) <= generation or not run["generations"][generation]["test"]:
            raise ValueError(f"{name}, seed {run['seed']}: generation {generation} has no score on test")
        return float(run["generations"][generation]["test"]["rate"])

    strange = [run["seed"] for run in runs if run["seed"] not in whole]
    if strange:
        raise ValueError(f"{name}: seed {strange[0]} is not among the runs of the whole recipe")
    rates = [rate(run, number) for run in runs]
    fewer = [1 - now / rate(run, 0) for run, now in zip(runs, rates, strict=True)]
    against = [now - rate(whole[run["seed"]], number) for run, now in zip(runs, rates, strict=True)]
    points = _spread([100 * number for number in against], 1) if name != "whole recipe" else NONE
    return [name, str(number), _spread(rates), _spread(fewer), points]


def _row(name: str, entry: Mapping[str, Any], terms: Terms, *, fused: bool) -> tuple[str, ...]:
    student = entry.get("labels", 0) > 0
    dev, test, error = entry["dev"], entry["test"], entry.get("label_error")
    return (
        name,
        terms.count(entry["hours"]) if "hours" in entry else NONE,
        terms.count(entry["kept_hours"]) if student else NONE,
        percent(error["after"]["rate"]) if error else NONE,
        f"{percent(dev['rate'])} {bounds(dev['low'], dev['high'])}",
        percent(test["rate"]) if test else NONE,
        *(percent(_rate_with_lm(entry, on)) for on in ("dev", "test") if fused),
        f"{sum(entry['seconds'].values()):.0f}",
    )


def _rate_with_lm(entry: Mapping[str, Any], on: str) -> float | None:
    found = (entry.get("with_lm") or {}).get(on)
    return float(found["rate"]) if found else None


def _reduction(results: Results) -> str:
    found = results["relative_reduction"]
    if not found or found["rate"] is None:
        why = "none to tell, there is no student or the teacher makes no errors"
        return f"relative {terms_of(results).error} reduction: {why}"
    last, more = results["generations"][-1]["generation"], found["rate"] < 0
    change = f"{percent(abs(found['rate']), 1)} {'MORE' if more else 'fewer'} errors than the teacher"
    difference = found["comparison"]
    interval = f"{100 * difference['difference']:+.2f} points {bounds(difference['low'], difference['high'], 2)}"
    return f"generation {last} makes {change} on {found['on']} ({interval})"


def _recovery(results: Results) -> str:
    found = results["recovery_rate"]
    if not found:
        return "recovery rate: unknown, there is no oracle (it needs the pool's truth) or no student"
    if found["rate"] is None:
        return f"recovery rate: none, {found['reason']}"
    way = f"of the way from teacher to oracle, on {found['on']}"
    if found["low"] is None:
        return f"recovery rate: {percent(found['rate'], 1)} {way} ({found['reason']})"
    return f"recovery rate: {percent(found['rate'], 1)} {bounds(found['low'], found['high'])} {way}"


def _spread_row(name: str, entries: Sequence[Mapping[str, Any]], runs: int, terms: Terms, *, fused: bool) -> list[str]:
    def spread(value: Callable[[Mapping[str, Any]], float | None], scale: float, digits: int) -> str:
        return _spread([number for entry in entries if (number := value(entry)) is not None], scale, digits)

    students = any(entry.get("labels", 0) for entry in entries)
    scale, digits = 3600 / terms.unit, 0 if terms.unit == 1 else 3
    return [
        name if len(entries) == runs else f"{name} ({len(entries)} of {runs} runs)",
        spread(lambda entry: entry.get("hours"), scale, digits),
        spread(lambda entry: entry["kept_hours"], scale, digits) if students else NONE,
        spread(lambda entry: (entry.get("label_error") or {}).get("after", {}).get("rate"), 100, 2),
        spread(lambda entry: entry["dev"]["rate"], 100, 2),
        spread(lambda entry: entry["test"]["rate"] if entry["test"] else None, 100, 2),
        *(spread(partial(_rate_with_lm, on=on), 100, 2) for on in ("dev", "test") if fused),
        spread(lambda entry: sum(entry["seconds"].values()), 1, 0),
    ]


def _spread(values: Sequence[float], scale: float = 100, digits: int = 1) -> str:
    """Mean (least to greatest); a rate is scaled to percent."""
    if not values:
        return NONE
    unit = " %" if scale == 100 else ""
    shown = [f"{scale * number:.{digits}f}" for number in (mean(values), min(values), max(values))]
    return f"{shown[0]}{unit}" + (f" ({shown[1]} to {shown[2]})" if shown[1] != shown[2] else "")


def _grid(rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|" + " ---: |" * len(rows[0]), *lines[1:]])


def _over_runs(runs: Sequence[Results]) -> str:
    """What the runs say together of the last student, and each run by itself."""
    lines = []
    for name, key in (
        (f"Relative {terms_of(runs[0]).error} reduction", "relative_reduction"),
        ("Recovery rate", "recovery_rate"),
    ):
        found = [run[key] for run in runs if run[key] and run[key]["rate"] is not None]
        on = " and ".join(sorted({fact["on"] for fact in found}))
        each = ", ".join(percent((run[key] or {}).get("rate"), 1) for run in runs)
        together = f" on {on}: {_spread([fact['rate'] for fact in found])}; by run: {each}" if found else ": none"
        lines.append(f"- {name} of the last student{together}")
    return "\n".join(lines)


def _reproduction(runs: Sequence[Results]) -> str:
    seeds = ", ".join(str(run["seed"]) for run in runs)
    hardware = {f"{run['hardware']['cores']} cores, {run['hardware']['processor']}" for run in runs}
    versions = {", ".join(f"{name} {version}" for name, version in run["versions"].items()) for run in runs}
    memory = max((run["peak_memory_mb"] or 0.0 for run in runs), default=0.0)
    lines = [
        f"- Mean over {len(runs)} runs (seeds {seeds}); least to greatest in brackets"
        if len(runs) > 1
        else f"- Seed {seeds}",
        f"- Commit: {', '.join(sorted({str(run['commit']) for run in runs}))}",
        f"- Hardware: {'; '.join(sorted(hardware))}",
        f"- Versions: {'; '.join(sorted(versions))}",
        f"- Time: {_spread([run['seconds'] for run in runs], 1, 0)} seconds a run; memory: {memory:.0f} MiB at most",
    ]
    commands = "\n".join(dict.fromkeys(str(run["command"]) for run in runs))
    return "\n".join(lines) + f"\n\n```sh\n{commands}\n```"
