"""The last step: every model of the run on the test set. The loop never sees what it finds."""

from __future__ import annotations

from nst_asr import steps
from nst_asr.corpus import Labeled
from nst_asr.plan import D, Plan, T
from nst_asr.run import Run
from nst_asr.task import Model, Task


def score_test(task: Task[T, D], test: Labeled, plan: Plan[T, D], run: Run) -> None:
    """test.json beside the score on dev, for each generation and the oracle where there is one."""
    students = {f"gen{n}/4-student": f"gen{n}/5-score.json" for n in range(1, len(plan.generations) + 1)}
    teachers = {f"{place}/student": f"{place}/score.json" for place in ("gen0", "oracle")}
    for name, scored in {**teachers, **students}.items():
        if (run.folder / name).exists():
            steps.score_test(run, task, scored, Model(run.folder / name), test, plan)
