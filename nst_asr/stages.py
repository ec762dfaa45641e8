"""The stages of a run that all tasks share: teacher, generations, oracle, test."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from nst_asr.config import ConfigError
from nst_asr.corpus import Corpus, Labeled, Truth, Unlabeled
from nst_asr.final import score_test
from nst_asr.loop import noisy_student
from nst_asr.oracle import train_oracle
from nst_asr.plan import D, Plan, T
from nst_asr.run import Run
from nst_asr.shards import Share
from nst_asr.sharing import label_share
from nst_asr.task import Task

SETS = ("labeled", "unlabeled", "dev", "test")

log = logging.getLogger("nst_asr")


def corpus_of(parts: Mapping[str, Labeled | Unlabeled]) -> tuple[Corpus, Labeled | None]:
    """What the loop may see, and the test set, which it may not."""
    labeled, unlabeled, dev, test = (parts.get(name) for name in SETS)
    assert isinstance(labeled, Labeled)
    assert isinstance(unlabeled, Unlabeled)
    assert isinstance(dev, Labeled)
    return Corpus(labeled, unlabeled, dev), test if isinstance(test, Labeled) else None


def do_stages(
    task: Task[T, D],
    corpus: Corpus,
    test: Labeled | None,
    truth: Truth | None,
    plan: Plan[T, D],
    run: Run,
    only: Sequence[str],
    share: Share | None = None,
) -> None:
    """Do the stages named in `only`, in their order; what is done is not done twice. `share`: label that instead."""
    if share:
        label_share(task, corpus, plan, run, share)
        return
    if "teacher" in only:
        noisy_student(task, corpus, plan.model_copy(update={"generations": ()}), run)
    if "generations" in only:
        noisy_student(task, corpus, plan, run)
    if "oracle" in only:
        _oracle(task, corpus, truth, plan, run)
    if "test" in only and test is not None:
        if not (run.folder / "gen0" / "student").exists():
            raise ConfigError(f"{run.folder}: there is no model yet to score on test; run the other stages first")
        score_test(task, test, plan, run)


def _oracle(task: Task[T, D], corpus: Corpus, truth: Truth | None, plan: Plan[T, D], run: Run) -> None:
    if truth is None or not plan.generations:
        log.info("the oracle is left out: it needs a generation and the truth of the pool (--truth)")
        return
    train_oracle(task, corpus, truth, plan, run)
