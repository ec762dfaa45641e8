"""Prints a section of RESULTS.md from run folders: python tools/write_results.py RUN [RUN ...] --title TITLE."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from nst_asr.results import collect
from nst_asr.results_table import markdown
from nst_asr.store import StoreError


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 printed, 1 a folder that is no finished run."""
    parser = argparse.ArgumentParser(description="A section of RESULTS.md from runs of one recipe.")
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="experiment folder")
    parser.add_argument("--title", required=True, help="heading of the section")
    options = parser.parse_args(arguments)
    try:
        print(markdown([collect(run) for run in options.runs], options.title), end="")
    except (StoreError, ValueError) as error:
        print(f"write_results: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
