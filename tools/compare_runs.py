"""Run folders side by side: what differs in plan, data, code, labels and scores, with significance.

python tools/compare_runs.py EXP EXP [EXP ...] [--json OUT]     (the same as `nst-asr compare-runs`)
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from nst_asr.compare_runs.verb import add_options, compare
from nst_asr.store import StoreError


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 printed, 1 folders that cannot be compared."""
    parser = argparse.ArgumentParser(description="Run folders side by side.", allow_abbrev=False)
    add_options(parser)
    try:
        return compare(parser.parse_args(arguments))
    except (StoreError, ValueError, OSError) as error:
        print(f"compare_runs: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
