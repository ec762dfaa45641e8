"""Scores the classes that models gave to images: `nst-asr score-accuracy` as a script.

python tools/score_accuracy.py REFERENCE HYPOTHESIS [HYPOTHESIS ...] [--help for the options]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from nst_asr import cli


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 scored, 1 tables that cannot be used or do not fit."""
    return cli.main(["score-accuracy", *(sys.argv[1:] if arguments is None else arguments)])


if __name__ == "__main__":
    sys.exit(main())
