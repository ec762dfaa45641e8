"""Whether the runs that are averaged over had one plan."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nst_asr.compare_runs.differences import differences
from nst_asr.compare_runs.variants import without_seed
from nst_asr.course import plan_of


def differing_keys(runs: Sequence[Path]) -> list[str]:
    """The keys, seed aside, that are not the same in the plans of all run folders."""
    return [key for key, _ in differences([without_seed(plan_of(run)) for run in runs])]
