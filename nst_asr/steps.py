"""The steps of the loop, each kept in the run folder."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from nst_asr import balance as balancing
from nst_asr import filter as filtering
from nst_asr import gauge as gauging
from nst_asr import labels as labeling
from nst_asr import noise as noises
from nst_asr import score as scoring
from nst_asr import succeed as succession
from nst_asr.balance import BalancePlan
from nst_asr.corpus import Labeled, Unlabeled
from nst_asr.filter import FilterPlan
from nst_asr.gauge import Gauge, GaugeError
from nst_asr.key import Key
from nst_asr.labels import Labels
from nst_asr.mix import Mix
from nst_asr.plan import D, Plan, T
from nst_asr.ranks import rank, wait_for
from nst_asr.run import Run
from nst_asr.score import Score
from nst_asr.store import read_table, write_json
from nst_asr.task import Labeler, Model, Shares, Task
from nst_asr.terms import Terms
from nst_asr.verdicts import KEPT

log = logging.getLogger("nst_asr")


def train(run: Run, task: Task[T, D], name: str, data: Mix, plan: T, init: Path | None, key: Key) -> Model:
    """A trained model's folder."""
    return Model(run.step(name, lambda out: _train(task, data, plan, init, out, key), together=True))


def _train(task: Task[T, D], data: Mix, plan: T, init: Path | None, out: Path, key: Key) -> None:
    out.mkdir(parents=True, exist_ok=True)
    task.train(data, plan, init=init, out=out, key=key["train"])


def score(run: Run, task: Task[T, D], name: str, model: Model, data: Labeled, plan: Plan[T, D]) -> Score:
    """The model's errors on held-out data."""
    path = run.folder / name
    if rank():
        wait_for([path])
    elif not path.exists():
        with run.timed(name):
            found = task.score(model, data, plan.label)
            found.write(path)
        log.info("%s, on %s: %s", name, data.name, found.describe(run.terms))
    return scoring.read_score(path)


def compare_noise(run: Run, name: str, plan: Plan[T, D], teacher: int, student: int) -> None:
    """The student's noise beside that its teacher was trained under."""
    trained = [plan.teacher, *(generation.student for generation in plan.generations)]
    found = noises.beside(trained[teacher].noise_components(), trained[student].noise_components())
    run.json(name, lambda: [component.to_json() for component in found])
    log.info("noise of generation %d (teacher -> student):\n%s", student, noises.describe(found))


def label(run: Run, labeler: Labeler, name: str, pool: Unlabeled, plan: Plan[T, D]) -> Labels:
    """What the labeler hears, part by part."""
    with run.timed(name):
        return labeling.label(labeler, pool, run.folder / name, block=plan.block, workers=plan.workers)


def fit_gauge(run: Run, name: str, heard: Labels, plan: FilterPlan) -> Gauge:
    """What dev teaches about this teacher's scores; a filter that does not look at them can do without."""
    return Gauge.from_json(run.json(name, lambda: _fit_gauge(heard, plan).to_json()))


def _fit_gauge(heard: Labels, plan: FilterPlan) -> Gauge:
    try:
        return gauging.fit_gauge(heard.scan().collect())
    except GaugeError as error:
        if plan.needs_gauge:
            raise
        log.warning("WARNING: no score can be normalised: %s", error)
        return Gauge(0.0, 0.0, 1.0, rows=0)


def filter(run: Run, name: str, labels: Labels, gauge: Gauge, plan: FilterPlan) -> pl.Series:
    """Which labels are kept. The waterfall is written and logged before anything is trained on them."""
    path = run.step(name, lambda part: _filter(part, labels, gauge, plan, run.terms))
    return read_table(path)["verdict"] == KEPT


def _filter(part: Path, labels: Labels, gauge: Gauge, plan: FilterPlan, terms: Terms) -> None:
    verdicts = filtering.filter(labels.scan(), gauge, plan)
    write_json(part.parent / "2-waterfall.json", verdicts.to_json())
    log.info("%s: what each rule rejects, by itself and in turn:\n%s", part.parent.name, verdicts.describe(terms))
    filtering.require_some(verdicts, labels.scan(), plan)
    verdicts.table.write_parquet(part)


def balance(
    run: Run, name: str, labels: Labels, kept: pl.Series, shares: Shares, plan: BalancePlan, key: Key
) -> pl.DataFrame:
    """How often each label is used: copies and weight, in the pool's order."""
    return read_table(run.step(name, lambda part: _balance(part, labels, kept, shares, plan, key)))


def _balance(part: Path, labels: Labels, kept: pl.Series, shares: Shares, plan: BalancePlan, key: Key) -> None:
    copies = balancing.balance(labels.scan(), kept, shares, plan, key["balance"])
    if copies.absent:
        log.warning(
            "WARNING: no kept label is of the class %s: only labeled data teaches it; loosen the filter",
            ", ".join(copies.absent),
        )
    write_json(part.parent / "3-balance.json", copies.to_json())
    copies.table.write_parquet(part)


def succeed(
    run: Run, name: str, scores: Sequence[Score], teacher: int, student: int, plan: Plan[T, D]
) -> dict[str, Any]:
    """Which generation teaches next, and why."""
    key = Key(plan.seed)["succeed", student]
    comparison = scoring.compare(scores[teacher], scores[student], key)
    decision = succession.succeed(comparison, plan.succeed)
    log.info("generation %d: %s", student, decision.reason)
    found: dict[str, Any] = run.json(name, lambda: decision.to_json(teacher, student, plan.succeed))
    return found
