"""The verb `nst-asr compare-runs`: its options, and what it does. Imports nothing heavy before a call."""

from __future__ import annotations

import argparse
from pathlib import Path

_OF_A_RUN = ("run.json", "plan.yaml", "corpus.json", "steps.jsonl", "results.json")  # files that are its own


def add_compare_runs(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `compare-runs` to the verbs of a parser."""
    add = verbs.add_parser(
        "compare-runs",
        help="runs side by side: plan, data, code, labels, scores with significance (docs/comparing-runs.md)",
        allow_abbrev=False,
    )
    add_options(add)
    add.set_defaults(verb=compare, goes_on="exp")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options, also those of tools/compare_runs.py."""
    parser.add_argument(
        "exp", nargs="+", type=Path, metavar="EXP", help="experiment folders; the first is the baseline"
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write all of it here")
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--group-by-plan",
        dest="group",
        action="store_true",
        default=None,
        help="runs that differ in the seed alone are one column (default: where there are more than two runs)",
    )
    group.add_argument("--each", dest="group", action="store_false", help="every run is a column of its own")
    parser.add_argument("--truth", type=Path, metavar="TSV", help="id and text of pool examples: true label errors")
    parser.add_argument(
        "--no-agreement",
        dest="agreement",
        action="store_false",
        help="do not set label tables side by side, which reads them whole",
    )


def compare(options: argparse.Namespace) -> int:
    """The exit status 0; what goes wrong is raised."""
    from nst_asr.compare_runs.compare import compare_runs
    from nst_asr.compare_runs.text import describe
    from nst_asr.corpus import Truth
    from nst_asr.outputs import refuse_outputs
    from nst_asr.rows import read_truth
    from nst_asr.store import write_json

    refuse_outputs(options, ("json",), [options.truth, *(run / name for run in options.exp for name in _OF_A_RUN)])
    truth = Truth(read_truth(options.truth)) if options.truth else None
    found = compare_runs(options.exp, truth, group=options.group, agreement=options.agreement)
    if options.json:
        write_json(options.json, found)
    print(describe(found))
    return 0
