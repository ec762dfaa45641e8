"""Prints a section of RESULTS.md from run folders.

python tools/write_results.py RUN [RUN ...] --title TITLE [--variants RUN ... | --by-run]

With --by-run there is a row for each run; with --variants, folders called NAME-SEED, these are set beside the first
ones, the whole recipe's, at the same generation.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from nst_asr.results import collect
from nst_asr.results_table import Results, by_run, markdown, variants
from nst_asr.store import StoreError


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 printed, 1 a folder that is no finished run."""
    parser = argparse.ArgumentParser(description="A section of RESULTS.md from runs of one recipe.")
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="experiment folder")
    parser.add_argument("--title", required=True, help="heading of the section")
    parser.add_argument("--variants", nargs="+", type=Path, metavar="RUN", help="folders called NAME-SEED")
    parser.add_argument("--by-run", action="store_true", help="a row for each run, by the name of its folder")
    options = parser.parse_args(arguments)
    try:
        found = {run.name: collect(run) for run in options.runs}
        whole = list(found.values())
        if options.variants:
            groups: dict[str, list[Results]] = {}
            for run in options.variants:
                groups.setdefault(run.name.rpartition("-")[0], []).append(collect(run))
            print(variants(whole, groups, options.title), end="")
        elif options.by_run:
            print(by_run(found, options.title), end="")
        else:
            print(markdown(whole, options.title), end="")
    except (StoreError, ValueError) as error:
        print(f"write_results: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
