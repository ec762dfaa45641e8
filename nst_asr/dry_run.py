"""The verb `nst-asr filter RUN --dry-run key=value...`: what another filter would keep, and how wrong that is."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

    from nst_asr.filter_plan import FilterPlan
    from nst_asr.terms import Terms
    from nst_asr.verdicts import Verdicts


class DryRunError(ValueError):
    """A filter that cannot be tried; the message says why, and what can be done."""


def add_filter(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `filter` to the verbs of a parser."""
    add = verbs.add_parser(
        "filter", help="with --dry-run: what another filter would keep of a run's labels", allow_abbrev=False
    )
    add.add_argument("exp", type=Path, help="experiment folder")
    add.add_argument(
        "settings", nargs="*", metavar="key=value", help="change the plan's filter: score=0.5, target_error=0.05"
    )
    add.add_argument("--dry-run", action="store_true", help="write nothing; it takes nst-asr run to filter")
    add.add_argument("--generation", type=int, metavar="K", help="whose labels (default: the last that has some)")
    add.add_argument("--truth", type=Path, metavar="TSV", help="id and text of pool examples: the true error too")
    add.set_defaults(verb=_filter)


def _filter(options: argparse.Namespace) -> int:
    if not options.dry_run:
        raise DryRunError(
            "filter without --dry-run: verdicts are written by nst-asr run alone, with the filter of its plan; give "
            "--dry-run to see what a filter would keep"
        )
    print(dry_run(options.exp, options.settings, options.generation, options.truth))
    return 0


def dry_run(run: Path, settings: Sequence[str], generation: int | None = None, truth: Path | None = None) -> str:
    """What a filter keeps of the labels in a run folder, as text: the waterfall, and the error that is to be expected.

    The filter is that of the plan for this generation with `key=value` settings laid over it. Nothing is written.
    truth: known labels, for the true error too. Raises DryRunError, StoreError, ConfigError, CorpusError; NothingKept
    and OutOfReach as a run would.
    """
    from nst_asr.filter import filter, require_some
    from nst_asr.gauge import Gauge
    from nst_asr.labels import parts_in, scan_parts
    from nst_asr.results import about_run
    from nst_asr.side_by_side import readable
    from nst_asr.store import read_json
    from nst_asr.terms import Terms

    terms = Terms(**(about_run(run)["terms"] or {}))
    number = _generation(run, generation)
    plan = _plan(run, number, settings)
    folder = run / f"gen{number}"
    gauge = Gauge.from_json(read_json(folder / "0-gauge.json"))
    table = scan_parts(parts_in(folder / "1-labels"))
    with readable(folder / "1-labels"):
        verdicts = filter(table, gauge, plan)
        require_some(verdicts, table, gauge, plan)
    lines = [f"generation {number}, nothing is written", verdicts.describe(terms), _kept(verdicts, terms)]
    if not gauge.calibrated:
        lines.append(f"estimated {terms.error}: unknown, since dev could not calibrate it (0-risk.json says why)")
    if truth:
        lines.append(_true_errors(table, verdicts, truth, terms))
    return "\n".join(lines)


def _generation(run: Path, asked: int | None) -> int:
    """The generation asked for, or the last one whose gauge and labels are there."""
    there = {
        int(path.parent.name.removeprefix("gen"))
        for path in run.glob("gen*/0-gauge.json")
        if path.parent.name.removeprefix("gen").isdigit() and any((path.parent / "1-labels").glob("part-*.parquet"))
    }
    if not there:
        raise DryRunError(f"{run}: no generation has labels yet; let the run go on until there are some")
    if asked is not None and asked not in there:
        raise DryRunError(f"{run}: generation {asked} has no labels; there are those of {sorted(there)}")
    return max(there) if asked is None else asked


def _plan(run: Path, number: int, settings: Sequence[str]) -> FilterPlan:
    from nst_asr import config
    from nst_asr.filter_plan import FilterPlan

    generations: Any = config.read(run / "plan.yaml").get("generations") or []
    content = generations[number - 1].get("filter") or {} if number <= len(generations) else {}
    return config.parse(FilterPlan, config.override(content, settings), f"{run / 'plan.yaml'}, filter")


def _kept(verdicts: Verdicts, terms: Terms) -> str:
    last = verdicts.waterfall[-1]
    share = last.left_hours / verdicts.hours if verdicts.hours else 0.0
    return (
        f"kept: {last.left_rows} of {verdicts.rows} {terms.example}s, {terms.count(last.left_hours, 3)} of "
        f"{terms.count(verdicts.hours, 3)} {terms.amount} ({share:.1%})"
    )


def _true_errors(table: pl.LazyFrame, verdicts: Verdicts, truth: Path, terms: Terms) -> str:
    from nst_asr.label_error import label_error
    from nst_asr.percent import NONE
    from nst_asr.rows import read_truth

    labels = table.select("id", "label").collect().with_columns(verdicts.kept)
    all_of, kept = label_error(labels, read_truth(truth))
    of_kept, of_all = (NONE if each.rate is None else f"{each.rate:.2%}" for each in (kept, all_of))
    return f"true {terms.error}: {of_kept} of {kept.rows} kept labels with a known truth, {of_all} of all {all_of.rows}"
