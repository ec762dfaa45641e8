"""From a plan file and manifests of images to a run: read, check, guard, then the loop and what comes after it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from nst_asr import config
from nst_asr.corpus import Corpus, Labeled, Truth, Unlabeled, guard
from nst_asr.device import usable_device
from nst_asr.mix import MixPlan, refuse_long
from nst_asr.parallel import join
from nst_asr.plan import expand
from nst_asr.run import Run, logged_to, open_run
from nst_asr.stages import corpus_of, do_stages
from nst_asr.store import read_table, write_json
from nst_asr.unusable import refuse_if_too_many
from nst_asr.vision import images
from nst_asr.vision.gallery import Gallery
from nst_asr.vision.leakage import class_differences, shared_images
from nst_asr.vision.manifests import read_manifest, read_truth
from nst_asr.vision.plan import VisionPlan
from nst_asr.vision.task import TERMS, Vision

log = logging.getLogger("nst_asr")


def run_vision(
    plan_path: Path,
    settings: Sequence[str],
    exp: Path,
    manifests: Mapping[str, Path],
    *,
    truth: Path | None,
    only: Sequence[str],
    allow_overlap: bool,
    device: str,
    kind: type[Vision] = Vision,
) -> None:
    """Do the stages named in `only` of the run in `exp`; what is done is not done twice. `kind`: a study's variant."""
    plan = read_plan(plan_path, settings)
    place = usable_device(device)
    data = {name: _read(name, path) for name, path in manifests.items()}
    known = Truth(read_truth(truth)) if truth else None
    corpus, test = corpus_of(data)
    warnings = guard(corpus, test, allow_overlap=allow_overlap, terms=TERMS)
    warnings += class_differences(corpus.labeled, [corpus.dev, *([test] if test else [])])
    _refuse_impossible(corpus, plan)
    with logged_to(exp):
        run = open_run(exp, plan, data | ({"truth": known} if known else {}), TERMS)
        join(place).wait()  # what rank 0 refuses, no other process begins with
        # only what has been decoded shows whether two files are the same image
        corpus, test = corpus_of({name: _usable(run, name, part, plan) for name, part in data.items()})
        shared = shared_images(corpus, test)
        for warning in warnings + guard(corpus, test, allow_overlap=allow_overlap, also=shared, terms=TERMS):
            log.warning("WARNING: %s", warning)
        classes = tuple(corpus.labeled.rows["label"].unique().sort())
        task = kind(classes, plan.pixels, place, Gallery(plan.cache_mb))
        do_stages(task, corpus, test, known, plan, run, only)


def read_plan(path: Path, settings: Sequence[str]) -> VisionPlan:
    """The plan in a file, with `key=value` settings laid over it."""
    return config.parse(VisionPlan, expand(config.override(config.read(path), settings)), str(path))


def _refuse_impossible(corpus: Corpus, plan: VisionPlan) -> None:
    """Raise now what would stop the run hours later."""
    refuse_long(corpus.labeled, MixPlan(pseudo_share=0.0), plan.teacher.fit.batch)
    for generation in plan.generations:
        refuse_long(corpus.labeled, generation.mix, generation.student.fit.batch)


def _read(name: str, path: Path) -> Labeled | Unlabeled:
    rows = read_manifest(path, labeled=name != "unlabeled")
    return Unlabeled(rows, name) if name == "unlabeled" else Labeled(rows, name)


def _usable(run: Run, name: str, part: Labeled | Unlabeled, plan: VisionPlan) -> Labeled | Unlabeled:
    """The part without the images that cannot be used; these are listed, with reasons, in the run folder."""
    path = run.step(f"corpus/{name}.parquet", lambda out: _check(out, name, part, plan))
    kept = read_table(path)
    rows = part.rows.drop("digest", strict=False).join(kept, on="id", how="inner", maintain_order="left")
    return type(part)(rows, name)


def _check(out: Path, name: str, part: Labeled | Unlabeled, plan: VisionPlan) -> None:
    checked = images.check(part.rows, decode=plan.check == "pixels")
    bad = checked.bad
    if bad:
        write_json(out.parent / f"{name}.bad.json", [{"id": i, "reason": reason} for i, reason in bad])
        log.warning("%s: %d of %d images cannot be used and are left out", name, len(bad), len(part.rows))
    refuse_if_too_many(bad, len(part.rows), plan.max_bad_share)
    checked.rows.select("id", "digest").write_parquet(out)
