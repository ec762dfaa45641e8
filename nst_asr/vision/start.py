"""From a plan file and manifests of images to a run: read, check, guard, then the loop and what comes after it."""

from __future__ import annotations

import logging
from functools import partial

from nst_asr.config import ConfigError
from nst_asr.corpus import Corpus, Labeled, guard
from nst_asr.device import usable_device
from nst_asr.given import Given
from nst_asr.parallel import join
from nst_asr.run import logged_to
from nst_asr.stages import corpus_of, do_stages
from nst_asr.unusable import usable
from nst_asr.vision import images
from nst_asr.vision.gallery import Gallery
from nst_asr.vision.leakage import class_differences, shared_images
from nst_asr.vision.manifests import read_manifest
from nst_asr.vision.plan import VisionPlan
from nst_asr.vision.targets import places_of
from nst_asr.vision.task import TERMS, Vision

log = logging.getLogger("nst_asr")


def run_vision(given: Given, kind: type[Vision] = Vision) -> None:
    """Do the stages asked for; what is done is not done twice. `kind`: a study's variant."""
    if list(given.only) == ["tokenizer"]:
        raise ConfigError("--only tokenizer: images have none; give another stage")
    plan, place, known = given.read_plan(VisionPlan), usable_device(given.device), given.known()
    data = given.sets(read_manifest)
    corpus, test = corpus_of(data)
    warnings = guard(corpus, test, allow_overlap=given.allow_overlap, terms=TERMS)
    warnings += _compared_classes(corpus, test)
    _refuse_impossible(corpus, plan)
    with logged_to(given.exp, given.log):
        run = given.open(plan, data, known, TERMS)
        join(place).wait()  # what rank 0 refuses, no other process begins with
        # only what has been decoded shows whether two files are the same image
        check = partial(images.check, decode=plan.check == "pixels")
        corpus, test = corpus_of(
            {
                name: usable(run, part, check, ("digest",), plan.max_bad_share, noun="images")
                for name, part in data.items()
            }
        )
        shared = shared_images(corpus, test)
        for warning in warnings + guard(corpus, test, allow_overlap=given.allow_overlap, also=shared, terms=TERMS):
            log.warning("WARNING: %s", warning)
        _compared_classes(corpus, test)  # again: all images of a class may have been unusable
        classes = tuple(corpus.labeled.rows["label"].unique().sort())
        if known:
            places_of(known.rows.join(corpus.unlabeled.rows, on="id", how="semi"), classes)
        task = kind(classes, plan.pixels, place, Gallery(plan.cache_mb))
        do_stages(task, corpus, test, known, plan, run, given.only, given.share)


def _compared_classes(corpus: Corpus, test: Labeled | None) -> list[str]:
    return class_differences(corpus.labeled, [corpus.dev, *([test] if test else [])])


def _refuse_impossible(corpus: Corpus, plan: VisionPlan) -> None:
    """Raise now what would stop the run hours later: a batch that has no room for one image of a kind."""
    labeled, pool = len(corpus.labeled.rows), len(corpus.unlabeled.rows)
    _refuse_small("teacher", plan.teacher.fit.batch)
    for number, generation in enumerate(plan.generations, 1):
        mixed, student = generation.mix, generation.student
        # of a pooled mixture the filter decides; with the whole pool the labeled have the least room
        share = pool / (pool + labeled) if mixed.pooled else mixed.share
        name = f"generation {number}"
        if mixed.share > 0:
            _refuse_small(f"{name}, pseudo-labeled", student.fit.batch * (share if student.first == "joint" else 1))
        if student.first == "joint":
            _refuse_small(f"{name}, labeled", student.fit.batch * (1 - share))
    for trained in (plan.teacher, *(generation.student for generation in plan.generations)):
        if trained.fine_tune:
            _refuse_small("fine_tune", trained.fine_tune.fit.batch)


def _refuse_small(name: str, images: float) -> None:
    if images < 1:
        raise ConfigError(
            f"{name}: a batch has room for {images:g} images, and needs one at least; raise fit.batch, or change mix"
        )
