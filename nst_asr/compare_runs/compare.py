"""All that differs between run folders, as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nst_asr.compare_runs.data_and_code import code_differences, data_differences, plan_differences
from nst_asr.compare_runs.label_tables import label_differences
from nst_asr.compare_runs.scores import score_differences
from nst_asr.compare_runs.variants import Variant, read_run, refuse_no_run, terms_of_runs, variants
from nst_asr.corpus import Truth


def compare_runs(
    folders: Sequence[Path], truth: Truth | None = None, *, group: bool | None = None, agreement: bool = True
) -> dict[str, Any]:
    """What differs between the runs; docs/comparing-runs.md says what the keys mean.

    A run that is not finished is compared as far as it is. group: whether runs of one plan over several seeds are one
    column (`variants`). agreement: whether label tables are set side by side, which reads them whole. Raises
    StoreError where a folder is no run folder, CompareError where the runs cannot be compared.
    """
    refuse_no_run(folders)
    columns = variants([read_run(folder, truth) for folder in folders], group=group)
    return {
        "columns": [_described(column) for column in columns],
        "terms": terms_of_runs(columns).to_json(),
        "plan": plan_differences(columns),
        "generations_planned": [len(column.runs[0].plan.get("generations") or ()) for column in columns],
        "data": data_differences(columns),
        "code": code_differences(columns),
        "labels": label_differences(columns, agreement=agreement),
        "scores": score_differences(columns),
    }


def _described(column: Variant) -> dict[str, Any]:
    return {
        "name": column.name,
        "runs": [
            {
                "folder": str(run.folder),
                "recipe": run.about["recipe"],
                "seed": run.seed,
                "command": run.about["command"],
                "generations_scored": len(run.generations),
                "missing": list(run.unscored),
                "seconds": run.results["seconds"] if run.results else None,
            }
            for run in column.runs
        ],
    }
