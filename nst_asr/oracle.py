"""The oracle: a student trained on the pool's true labels. It bounds what pseudo-labels can give."""

from __future__ import annotations

import polars as pl

from nst_asr import steps
from nst_asr.corpus import Corpus, CorpusError, Truth, Unlabeled
from nst_asr.key import Key
from nst_asr.mix import mix
from nst_asr.plan import D, Plan, T
from nst_asr.run import Run
from nst_asr.task import Model, Task


def train_oracle(task: Task[T, D], corpus: Corpus, truth: Truth, plan: Plan[T, D], run: Run) -> Model:
    """The last generation's student, with the same model, updates, noise and mixture, on true labels.

    Where that student began with its teacher's weights, which generations of training lie in, the oracle begins with
    the first teacher's and is given the updates of all generations together: otherwise the bound would be too loose.
    Rows of the pool without a known label are left out. Nothing of it flows back into the loop.
    """
    if not plan.generations:
        raise CorpusError("an oracle needs a generation to compare with; the plan has none")
    last = plan.generations[-1]
    known = corpus.unlabeled.rows.join(truth.rows.select("id", "label"), on="id", how="inner", maintain_order="left")
    if known.is_empty():
        raise CorpusError("no id of the truth occurs in the unlabeled pool")
    pool = Unlabeled(known.drop("label"), "unlabeled with truth")
    data = mix(corpus.labeled, pool, known.select(pl.col("id"), pl.col("label")), None, last.mix)
    init, student = None, last.student
    if last.init == "teacher":
        init = run.folder / "gen0" / "student"
        updates = sum(generation.student.fit.updates for generation in plan.generations)
        student = student.model_copy(update={"fit": student.fit.model_copy(update={"updates": updates})})
    model = steps.train(run, task, "oracle/student", data, student, init, Key(plan.seed)["oracle"])
    steps.score(run, task, "oracle/score.json", model, corpus.dev, plan)
    return model
