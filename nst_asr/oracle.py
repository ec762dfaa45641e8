"""The oracle: a student trained on the pool's true labels. It bounds what pseudo-labels can give."""

from __future__ import annotations

import polars as pl

from nst_asr import steps
from nst_asr.corpus import Corpus, CorpusError, Truth, Unlabeled
from nst_asr.key import Key
from nst_asr.mix import mix
from nst_asr.plan import D, Generation, Plan, T
from nst_asr.run import Run
from nst_asr.store import read_json
from nst_asr.task import Model, Task


def train_oracle(task: Task[T, D], corpus: Corpus, truth: Truth, plan: Plan[T, D], run: Run) -> Model:
    """The last student, with the same model, updates, noise and mixture, trained on true labels.

    Where that student began with its teacher's weights, in which generations of training lie, the oracle begins with
    the first teacher's and is given the updates of all generations that led to it: otherwise the bound would be too
    loose. Rows of the pool without a known label are left out. Nothing of it flows back into the loop.
    """
    led = _generations_that_led(run, plan)
    known = corpus.unlabeled.rows.join(truth.rows.select("id", "label"), on="id", how="inner", maintain_order="left")
    if known.is_empty():
        raise CorpusError("no id of the truth occurs in the unlabeled pool")
    pool = Unlabeled(known.drop("label"), "unlabeled with truth")
    last = led[-1]
    one = last.mix.model_copy(update={"labels": "best"})  # there is one true label, and nothing to draw from
    data = mix(corpus.labeled, pool, known.select(pl.col("id"), pl.col("label")), None, one)
    init, student = None, last.student
    if last.init == "teacher":
        init = run.folder / "gen0" / "student"
        updates = sum(generation.student.fit.updates for generation in led)
        student = student.model_copy(update={"fit": student.fit.model_copy(update={"updates": updates})})
    model = steps.train(run, task, "oracle/student", data, student, init, Key(plan.seed)["oracle"])
    steps.score(run, task, "oracle/score.json", model, corpus.dev, plan)
    return model


def _generations_that_led(run: Run, plan: Plan[T, D]) -> list[Generation[T, D]]:
    """The generations from the first to the last student along its line of teachers, whom a worse student may break.

    Raises CorpusError where the generations have not been run.
    """
    decisions = []
    for number in range(1, len(plan.generations) + 1):
        path = run.folder / f"gen{number}" / "6-teacher.json"
        if not path.exists():
            break
        decisions.append(read_json(path))
    ended = bool(decisions) and (len(decisions) == len(plan.generations) or decisions[-1]["stop"])
    if not ended:
        raise CorpusError("the oracle is compared with the last student: run the generations first")
    line, number = [], len(decisions)
    while number:
        line.append(plan.generations[number - 1])
        number = decisions[number - 2]["teacher"] if number > 1 else 0
    return line[::-1]
