"""From a plan file and manifests to a run: read, check, guard, then the loop and what comes after it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
import torch

from nst_asr import config
from nst_asr.corpus import Corpus, Labeled, Truth, Unlabeled, guard
from nst_asr.final import score_test
from nst_asr.loop import noisy_student
from nst_asr.oracle import train_oracle
from nst_asr.plan import expand
from nst_asr.run import Run, log_to, open_run
from nst_asr.speech import audio
from nst_asr.speech.manifests import read_manifest, read_truth
from nst_asr.speech.plan import SpeechPlan
from nst_asr.speech.task import Speech
from nst_asr.store import write_json

log = logging.getLogger("nst_asr")


def run_speech(
    plan_path: Path,
    settings: Sequence[str],
    exp: Path,
    manifests: Mapping[str, Path],
    *,
    truth: Path | None,
    only: Sequence[str],
    allow_overlap: bool,
    device: str,
) -> None:
    """Do the stages named in `only` of the run in `exp`; what is done is not done twice."""
    plan = read_plan(plan_path, settings)
    data = {name: _read(name, path) for name, path in manifests.items()}
    log_to(exp)
    run = open_run(exp, plan, data)
    usable = {name: _usable(run, name, part, plan.max_bad_share) for name, part in data.items()}
    corpus, test = _corpus(usable)
    for warning in guard(corpus, test, allow_overlap=allow_overlap):
        log.warning("WARNING: %s (allowed)", warning)
    task = Speech(plan.features, plan.tokenizer, _device(device))
    if "teacher" in only:
        noisy_student(task, corpus, plan.model_copy(update={"generations": ()}), run)
    if "generations" in only:
        noisy_student(task, corpus, plan, run)
    if "oracle" in only:
        _oracle(task, corpus, truth, plan, run)
    if "test" in only and test is not None:
        score_test(task, test, plan, run)


def read_plan(path: Path, settings: Sequence[str]) -> SpeechPlan:
    """The plan in a file, with `key=value` settings laid over it."""
    return config.parse(SpeechPlan, expand(config.override(config.read(path), settings)), str(path))


def _read(name: str, path: Path) -> Labeled | Unlabeled:
    rows = read_manifest(path, labeled=name != "unlabeled")
    return Unlabeled(rows, name) if name == "unlabeled" else Labeled(rows, name)


def _usable(run: Run, name: str, part: Labeled | Unlabeled, limit: float) -> Labeled | Unlabeled:
    """The part without the files that cannot be used; these are listed, with reasons, in the run folder."""
    path = run.step(f"corpus/{name}.parquet", lambda out: _check(out, name, part, limit))
    kept = pl.read_parquet(path, columns=["id"])
    rows = part.rows.join(kept, on="id", how="semi", maintain_order="left")
    return type(part)(rows, name)


def _check(out: Path, name: str, part: Labeled | Unlabeled, limit: float) -> None:
    # every sample is decoded once, here: a damaged file must not stop a training in its middle
    checked = audio.check(part.rows, decode=True)
    bad = checked.bad
    if bad:
        write_json(out.parent / f"{name}.bad.json", [{"id": i, "reason": reason} for i, reason in bad])
        log.warning("%s: %d of %d files cannot be used and are left out", name, len(bad), len(part.rows))
    audio.refuse_if_too_many(bad, len(part.rows), limit)
    checked.rows.select("id", "size").write_parquet(out)


def _corpus(parts: Mapping[str, Labeled | Unlabeled]) -> tuple[Corpus, Labeled | None]:
    labeled, unlabeled, dev, test = (parts.get(name) for name in ("labeled", "unlabeled", "dev", "test"))
    assert isinstance(labeled, Labeled)
    assert isinstance(unlabeled, Unlabeled)
    assert isinstance(dev, Labeled)
    return Corpus(labeled, unlabeled, dev), test if isinstance(test, Labeled) else None


def _oracle(task: Speech, corpus: Corpus, truth: Path | None, plan: SpeechPlan, run: Run) -> None:
    if truth is None:
        log.info("no truth of the pool is known (--truth): the oracle is left out")
        return
    train_oracle(task, corpus, Truth(read_truth(truth)), plan, run)


def _device(name: str) -> str:
    if name != "auto":
        return name
    return "cuda" if torch.cuda.is_available() else "cpu"
