"""The last step: every model of the run on the test set. The loop never sees what it finds."""

from __future__ import annotations

from nst_asr import steps
from nst_asr.corpus import Labeled
from nst_asr.plan import D, Plan, T
from nst_asr.run import Run
from nst_asr.task import Model, Task


def score_test(task: Task[T, D], test: Labeled, plan: Plan[T, D], run: Run) -> None:
    """test.json beside the score on dev, for each generation and the oracle where there is one."""
    students = {"gen0": "student", **{f"gen{n}": "4-student" for n in range(1, len(plan.generations) + 1)}}
    for place, student in {**students, "oracle": "student"}.items():
        folder = run.folder / place / student
        if folder.exists():
            steps.score(run, task, f"{place}/test.json", Model(folder), test, plan)
