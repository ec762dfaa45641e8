"""Writes a section of a recipe's RESULTS.md from run folders: a table with seeds, spread, command, commit, hardware.

python tools/write_results.py RUN [RUN ...] --title TITLE [--into RESULTS.md] [--variants RUN ... | --by-run]

Without --into the section is printed. With it, the section of that title between its two comments is replaced, or
added at the end, and nothing else of the file is touched: prose stands between the sections.

With --by-run there is a row for each run; with --variants, folders called NAME-SEED, these are set beside the first
ones, the whole recipe's (or what --first calls them), at the same generation.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from nst_asr.recipe_results.by_run import by_run
from nst_asr.recipe_results.finished import refuse_unfinished
from nst_asr.recipe_results.origin import Results
from nst_asr.recipe_results.over_seeds import over_seeds
from nst_asr.recipe_results.plans import differing_keys
from nst_asr.recipe_results.variants import WHOLE, variants
from nst_asr.recipe_results.written import put_into
from nst_asr.results import collect
from nst_asr.store import StoreError

TOOL = "tools/write_results.py"


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 printed or written, 1 a folder that is no finished run, or a file that cannot be written."""
    options = _parser().parse_args(arguments)
    try:
        text = section(options)
        if not options.into:
            print(text, end="")
        else:
            changed = put_into(options.into, options.title, text, TOOL)
            print(f"{options.into}: {'written' if changed else 'as it was'}: {options.title}")
    except (StoreError, ValueError, OSError) as error:
        print(f"write_results: {error}", file=sys.stderr)
        return 1
    return 0


def section(options: argparse.Namespace) -> str:
    """The section that the options ask for. Raises StoreError and ValueError for runs that it cannot be made of."""
    if not options.unfinished:
        refuse_unfinished([*options.runs, *(options.variants or ())])
    if options.by_run:
        names = [run.name for run in options.runs]
        if doubled := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"two folders are called {doubled[0]}, and rows have their names; rename one")
        return by_run({run.name: collect(run) for run in options.runs}, options.title)
    found = [collect(run) for run in options.runs]
    if not options.variants:
        return over_seeds(found, options.title, differing_keys(options.runs))
    groups: dict[str, list[Results]] = {}
    for run in options.variants:
        if not run.name.rpartition("-")[0]:
            raise ValueError(f"{run}: call the folder NAME-SEED: a variant's row has its NAME")
        groups.setdefault(run.name.rpartition("-")[0], []).append(collect(run))
    return variants(found, groups, options.title, options.first)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="A section of RESULTS.md from runs of one recipe.", allow_abbrev=False)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="experiment folder")
    parser.add_argument("--title", required=True, help="heading of the section")
    parser.add_argument("--into", type=Path, metavar="RESULTS.md", help="write it there; without this it is printed")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--variants", nargs="+", type=Path, metavar="RUN", help="folders called NAME-SEED")
    kind.add_argument("--by-run", action="store_true", help="a row for each run, by the name of its folder")
    parser.add_argument("--first", default=WHOLE, metavar="NAME", help=f"with --variants: of the first row ({WHOLE})")
    parser.add_argument("--unfinished", action="store_true", help="take runs that lack a score too")
    return parser


if __name__ == "__main__":
    sys.exit(main())
