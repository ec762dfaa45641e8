"""Only finished runs have results to be written down."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nst_asr.course import course
from nst_asr.store import StoreError


def refuse_unfinished(runs: Sequence[Path]) -> None:
    """Raise StoreError for the first of the run folders that lacks a score of its plan; the oracle is optional."""
    for run in runs:
        if missing := course(run).unscored:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise StoreError(
                f"{run}: not finished: {missing[0]}{more} missing; let it go on with the command that began it, or "
                "take it with --unfinished"
            )
