"""From a plan file and manifests of images to a run: read, check, guard, then the loop and what comes after it."""

from __future__ import annotations

import logging
from functools import partial

from nst_asr.corpus import Corpus, guard
from nst_asr.device import usable_device
from nst_asr.given import Given
from nst_asr.mix import MixPlan, refuse_long
from nst_asr.parallel import join
from nst_asr.run import logged_to, open_run
from nst_asr.stages import corpus_of, do_stages
from nst_asr.unusable import usable
from nst_asr.vision import images
from nst_asr.vision.gallery import Gallery
from nst_asr.vision.leakage import class_differences, shared_images
from nst_asr.vision.manifests import read_manifest
from nst_asr.vision.plan import VisionPlan
from nst_asr.vision.task import TERMS, Vision

log = logging.getLogger("nst_asr")


def run_vision(given: Given, kind: type[Vision] = Vision) -> None:
    """Do the stages asked for; what is done is not done twice. `kind`: a study's variant."""
    plan, place, known = given.read_plan(VisionPlan), usable_device(given.device), given.known()
    data = given.sets(read_manifest)
    corpus, test = corpus_of(data)
    warnings = guard(corpus, test, allow_overlap=given.allow_overlap, terms=TERMS)
    warnings += class_differences(corpus.labeled, [corpus.dev, *([test] if test else [])])
    _refuse_impossible(corpus, plan)
    with logged_to(given.exp):
        run = open_run(given.exp, plan, data | ({"truth": known} if known else {}), TERMS)
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
        classes = tuple(corpus.labeled.rows["label"].unique().sort())
        task = kind(classes, plan.pixels, place, Gallery(plan.cache_mb))
        do_stages(task, corpus, test, known, plan, run, given.only)


def _refuse_impossible(corpus: Corpus, plan: VisionPlan) -> None:
    """Raise now what would stop the run hours later."""
    refuse_long(corpus.labeled, MixPlan(pseudo_share=0.0), plan.teacher.fit.batch)
    for generation in plan.generations:
        refuse_long(corpus.labeled, generation.mix, generation.student.fit.batch)
