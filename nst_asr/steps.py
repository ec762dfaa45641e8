"""The steps of the loop, each kept in the run folder."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from nst_asr import alarms as alarming
from nst_asr import balance as balancing
from nst_asr import config
from nst_asr import filter as filtering
from nst_asr import gauge as gauging
from nst_asr import labels as labeling
from nst_asr import noise as noises
from nst_asr import score as scoring
from nst_asr import succeed as succession
from nst_asr.alarms import AlarmPlan, Turn
from nst_asr.balance import BalancePlan
from nst_asr.corpus import Corpus, Labeled, Unlabeled
from nst_asr.cost import Pace, noted_rate
from nst_asr.examine import examine
from nst_asr.executors import Hands
from nst_asr.filter import FilterPlan
from nst_asr.gauge import Gauge, GaugeError
from nst_asr.key import Key
from nst_asr.labels import Labels
from nst_asr.mix import Mix
from nst_asr.plan import D, Plan, T
from nst_asr.ranks import rank, wait_for
from nst_asr.run import Run, alone
from nst_asr.score import Score
from nst_asr.shards import Share
from nst_asr.store import StoreError, read_json, read_table, write_json, write_table, written_aside
from nst_asr.task import Labeler, Model, Shares, Task
from nst_asr.terms import Terms
from nst_asr.verdicts import KEPT
from nst_asr.weights import Weigh, weights

log = logging.getLogger("nst_asr")


def train(run: Run, task: Task[T, D], name: str, data: Mix, plan: T, init: Path | None, key: Key) -> Model:
    """A trained model's folder."""
    return Model(run.step(name, lambda out: _train(task, data, plan, init, out, key), together=True))


def _train(task: Task[T, D], data: Mix, plan: T, init: Path | None, out: Path, key: Key) -> None:
    out.mkdir(parents=True, exist_ok=True)
    task.train(data, plan, init=init, out=out, key=key["train"])


def tune(run: Run, task: Task[T, D], name: str, teachers: Sequence[Model], dev: Labeled, plan: D) -> D:
    """The decoding with what it leaves open found on dev, and plotted; itself, and no file, where it leaves nothing."""
    if not plan.leaves_open:
        return plan
    asked = {
        "labeler": task.labeler(teachers, plan).fingerprint,
        "dev": dev.fingerprint,
        "plan": plan.model_dump(mode="json"),
    }
    if not rank() and not (run.folder / name).exists():
        with alone(run, name):
            run.json(name, lambda: _tune(run, task, name, teachers, dev, plan, asked))
    wait_for([run.folder / name])
    if read_json(run.folder / name)["asked"] != asked:
        raise StoreError(
            f"{run.folder / name}: found with another teacher, dev set, decoding or language model; use another "
            "experiment folder, or move this file away, and all that was made after it"
        )
    return _tuned(run, name, plan)


def labeler(run: Run, task: Task[T, D], name: str, teachers: Sequence[Model], dev: Labeled, plan: D) -> Labeler:
    """The teachers at work, with what the decoding leaves open found on dev (`tune`)."""
    return task.labeler(teachers, tune(run, task, name, teachers, dev, plan))


def _tuned(run: Run, name: str, plan: D) -> D:
    if not plan.leaves_open:
        return plan
    path = run.folder / name
    if not path.exists():
        raise StoreError(f"{path}: missing; let the run score this model on dev first, with all its stages")
    return config.parse(type(plan), read_json(path)["plan"], str(path))


def _tune(
    run: Run,
    task: Task[T, D],
    name: str,
    teachers: Sequence[Model],
    dev: Labeled,
    plan: D,
    asked: Mapping[str, Any],
) -> Mapping[str, Any]:
    # the weights that a student was scored with are those that it labels with when it teaches
    others = (read_json(other) for other in sorted(run.folder.glob("*/*fusion.json")))
    found = next((other for other in others if other["asked"] == asked), None)
    found = found or {**task.tune(teachers, dev, plan), "asked": asked}
    if "surface" in found:
        from nst_asr.plots import fusion_surface  # matplotlib takes its time

        with written_aside((run.folder / name).with_suffix(".png")) as part:
            part.write_bytes(fusion_surface(found))
    return found


def score(run: Run, task: Task[T, D], name: str, model: Model, dev: Labeled, plan: Plan[T, D]) -> Score:
    """The model's errors on dev by itself; those with a language model, where the plan has one, lie beside them."""
    label = plan.label.of_one
    found = _score(run, task, name, model, dev, label.alone)
    if label != label.alone:
        decoding = tune(run, task, name.replace("score", "fusion"), [model], dev, label)
        _score(run, task, name.replace("score", "score-lm"), model, dev, decoding)
    return found


def score_test(run: Run, task: Task[T, D], scored: str, model: Model, test: Labeled, plan: Plan[T, D]) -> None:
    """test.json and test-lm.json, beside `scored`, which is that on dev: what was found there is taken as it is."""
    place, label = Path(scored).parent, plan.label.of_one
    _score(run, task, f"{place}/test.json", model, test, label.alone)
    if label != label.alone:
        decoding = _tuned(run, scored.replace("score", "fusion"), label)
        _score(run, task, f"{place}/test-lm.json", model, test, decoding)


def _score(run: Run, task: Task[T, D], name: str, model: Model, data: Labeled, decoding: D) -> Score:
    path = run.folder / name
    if rank():
        wait_for([path])
    elif not path.exists():
        with run.timed(name):
            found = task.score(model, data, decoding)
            found.write(path)
        log.info("%s, on %s: %s", name, data.name, found.describe(run.terms))
    return scoring.read_score(path)


def compare_noise(run: Run, name: str, plan: Plan[T, D], teacher: int, student: int) -> None:
    """The student's noise beside that its teacher was trained under."""
    trained = [plan.teacher, *(generation.student for generation in plan.generations)]
    found = noises.beside(trained[teacher].noise_components(), trained[student].noise_components())
    run.json(name, lambda: [component.to_json() for component in found])
    log.info("noise of generation %d (teacher -> student):\n%s", student, noises.describe(found))


def label(
    run: Run, labeler: Labeler, name: str, pool: Unlabeled, plan: Plan[T, D], share: Share | None = None
) -> Labels:
    """What the labeler hears, part by part; all of it, or a share, after which others may still be missing."""
    share = share or Share()
    on_gpu = str(getattr(labeler, "device", "cpu")).startswith("cuda")
    hands = Hands(share.workers or plan.workers, share.executor, gpus=int(on_gpu))
    pace = Pace(run.terms, noted_rate(run.folder / "steps.jsonl", name))
    with run.timed(name) as notes:
        labels = labeling.label(
            labeler,
            pool,
            run.folder / name,
            block=plan.block,
            hands=hands,
            shard=share.shard,
            verify=share.verify,
            pace=pace,
        )
        notes.update(pace.to_json())
    return labels


def fit_gauge(run: Run, name: str, heard: Labels, dev: Labeled, plan: FilterPlan) -> Gauge:
    """What dev teaches about this teacher's scores; a filter that does not look at them can do without."""
    return Gauge.from_json(run.json(name, lambda: _fit_gauge(run, name, heard, dev, plan).to_json()))


def _fit_gauge(run: Run, name: str, heard: Labels, dev: Labeled, plan: FilterPlan) -> Gauge:
    filtering.refuse_blind(heard.scan(), plan)
    try:
        fitted = gauging.fit(heard.scan().collect(), dev.rows)
    except GaugeError as error:
        if plan.needs_gauge:
            raise
        log.warning("WARNING: no score can be normalised: %s", error)
        return Gauge(0.0, 0.0, 1.0, rows=0)
    found = examine(fitted)
    write_json((run.folder / name).with_name("0-risk.json"), found.to_json())
    log.info("%s: how well the measures tell right labels from wrong ones:\n%s", name, found.describe(run.terms))
    return fitted.gauge


def filter(run: Run, name: str, labels: Labels, gauge: Gauge, plan: FilterPlan) -> pl.Series:
    """Which labels are kept. The waterfall is written and logged before anything is trained on them."""
    path = run.step(name, lambda part: _filter(part, labels, gauge, plan, run.terms))
    return read_table(path)["verdict"] == KEPT


def _filter(part: Path, labels: Labels, gauge: Gauge, plan: FilterPlan, terms: Terms) -> None:
    verdicts = filtering.filter(labels.scan(), gauge, plan)
    write_json(part.parent / "2-waterfall.json", verdicts.to_json())
    log.info("%s: what each rule rejects, by itself and in turn:\n%s", part.parent.name, verdicts.describe(terms))
    filtering.require_some(verdicts, labels.scan(), gauge, plan)
    verdicts.table.write_parquet(part)


def balance(
    run: Run,
    name: str,
    labels: Labels,
    kept: pl.Series,
    shares: Shares,
    plan: BalancePlan,
    key: Key,
    weigh: Weigh = "off",
) -> pl.DataFrame:
    """How often each label is used, and how much it counts: copies and weight, in the pool's order."""
    return read_table(run.step(name, lambda part: _balance(part, labels, kept, shares, plan, key, weigh)))


def _balance(
    part: Path, labels: Labels, kept: pl.Series, shares: Shares, plan: BalancePlan, key: Key, weigh: Weigh
) -> None:
    copies = balancing.balance(labels.scan(), kept, shares, plan, key["balance"])
    if copies.absent:
        log.warning(
            "WARNING: no kept label is of the class %s: only labeled data teaches it; loosen the filter",
            ", ".join(copies.absent),
        )
    write_json(part.parent / "3-balance.json", copies.to_json())
    write_table(part.parent / "3-tokens.parquet", copies.tokens)
    _weighed(part.parent, labels, copies.table, weigh).write_parquet(part)


def _weighed(folder: Path, labels: Labels, copies: pl.DataFrame, weigh: Weigh) -> pl.DataFrame:
    """The copies with the weight of each row in the loss."""
    if weigh == "off":
        return copies
    verdicts = read_table(folder / "2-verdicts.parquet")
    # those of an older version do not have the column
    blank = pl.Series("expected_error", [None] * len(verdicts), dtype=pl.Float32)
    expected = verdicts["expected_error"] if "expected_error" in verdicts.columns else blank
    if weigh == "calibrated" and expected.null_count() == len(expected):
        log.warning("WARNING: dev could not calibrate an expected error; weigh: linear in the place of calibrated")
        weigh = "linear"
    table = labels.scan().select("id", "confidence").collect().with_columns(expected)
    return copies.with_columns(copies["weight"] * weights(table, copies["copies"], weigh))


def alarms(run: Run, name: str, corpus: Corpus, turn: Turn, before: Turn | None, plan: AlarmPlan) -> None:
    """Every alarm on the labels of this generation, written down; those that are raised are logged, and nothing more.

    Judged anew where the limits in the plan have changed since.
    """

    def make() -> dict[str, Any]:
        found = alarming.check(corpus, turn, before, plan, run.terms)
        return {"limits": plan.model_dump(), "alarms": [alarm.to_json() for alarm in found]}

    path = run.folder / name
    if path.exists() and not rank() and read_json(path)["limits"] != plan.model_dump():
        write_json(path, make())
    for alarm in run.json(name, make)["alarms"]:
        if alarm["raised"]:
            log.warning("WARNING: generation %d: %s", turn.number, alarming.describe(alarm))


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
