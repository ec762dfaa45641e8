"""From a plan file and manifests to a run: read, check, guard, then the loop and what comes after it."""

from __future__ import annotations

import logging
import math
from functools import partial
from pathlib import Path

from nst_asr.corpus import Corpus, Labeled, guard
from nst_asr.device import usable_device
from nst_asr.foreign import Foreign
from nst_asr.given import Given
from nst_asr.mix import MixPlan, mix, refuse_long
from nst_asr.parallel import join
from nst_asr.ranks import rank
from nst_asr.run import Run, logged_to
from nst_asr.sealed import refuse_unfinished
from nst_asr.speech import audio, noise
from nst_asr.speech.corpora.manifests import read_manifest
from nst_asr.speech.leakage import shared_audio
from nst_asr.speech.lm.guard import refuse_leaking, refuse_unusable
from nst_asr.speech.plan import SpeechPlan
from nst_asr.speech.task import Speech
from nst_asr.speech.tokenizer import Tokenizer, TokenizerError, TokenizerPlan
from nst_asr.speech.tokenizer import train as train_tokenizer
from nst_asr.stages import corpus_of, do_stages
from nst_asr.store import StoreError, write_json
from nst_asr.terms import Terms
from nst_asr.unusable import usable

log = logging.getLogger("nst_asr")


def run_speech(given: Given, kind: type[Speech] = Speech) -> None:
    """Do the stages asked for; what is done is not done twice. `kind`: a study's variant."""
    plan, place, known = given.read_plan(SpeechPlan), usable_device(given.device), given.known()
    data = given.sets(read_manifest)
    corpus, test = corpus_of(data)
    warnings = guard(corpus, test, allow_overlap=given.allow_overlap, also=shared_audio(corpus, test))
    _refuse_impossible(corpus, plan)
    with logged_to(given.exp, given.log):
        for warning in warnings:
            log.warning("WARNING: %s", warning)
        run = given.open(plan, data, known, Terms())
        join(place).wait()  # what rank 0 refuses, no other process begins with
        check = partial(audio.check, decode=plan.check == "samples")
        corpus, test = corpus_of(
            {
                name: usable(run, part, check, ("size",), plan.max_bad_share, noun="audio files")
                for name, part in data.items()
            }
        )
        # a language model over the run's units can be made once there is the tokenizer, and not before
        decodings = plan.decodings if tuple(given.only) != ("tokenizer",) else ()
        held_out = {part.name: part for part in (corpus.dev, test) if part is not None}
        found = refuse_leaking(decodings, held_out, known, plan.max_text_overlap, allow_overlap=given.allow_overlap)
        if found and not rank():
            write_json(given.exp / "text-overlap.json", found)
        tokenizer = _tokenizer(run, corpus.labeled, plan.tokenizer)
        refuse_unusable(decodings, tokenizer)
        refuse_other_units(plan, tokenizer)
        warn_of_unknown_words(corpus, test, tokenizer)
        do_stages(kind(plan.features, tokenizer, place), corpus, test, known, plan, run, given.only, given.share)


def _tokenizer(run: Run, labeled: Labeled, plan: TokenizerPlan) -> Tokenizer:
    """The tokenizer of the run: learnt from the labeled transcripts, in the order of ids."""

    def make(out: Path) -> None:
        out.mkdir(exist_ok=True)
        train_tokenizer(labeled.rows.sort("id")["label"].to_list(), plan).save(out)

    return Tokenizer.load(run.step("tokenizer", make))


def refuse_other_units(plan: SpeechPlan, tokenizer: Tokenizer) -> None:
    """Raise StoreError for teachers that the plan names whose frame probabilities have no mean with the run's own."""
    for number, generation in enumerate(plan.generations, 1):
        for folder in generation.label.teachers if generation.label.vote == "mean" else ():
            if Tokenizer.load(folder).fingerprint != tokenizer.fingerprint:
                raise StoreError(
                    f"generation {number}: the teacher {folder} has other units than this run's tokenizer, so their "
                    "frame probabilities have no mean; take label.vote = majority, or train them with one tokenizer"
                )


def warn_of_unknown_words(corpus: Corpus, test: Labeled | None, tokenizer: Tokenizer) -> None:
    """Say which held-out transcripts no model of this run can get right, as units of theirs are in no labeled one.

    Raises TokenizerError where that is so of all of a set: it was written by other rules.
    """
    for part in (corpus.dev, *([test] if test else [])):
        rows = part.rows.select("id", "label").iter_rows()
        strange = [(name, unknown) for name, text in rows if (unknown := tokenizer.unknown(text))]
        if not strange:
            continue
        found = (
            f"{len(strange)} of {len(part.rows)} transcripts of {part.name} hold what no labeled transcript has, and "
            f"will always be errors; the first: {strange[0][0]}, with {strange[0][1]!r}"
        )
        if len(strange) == len(part.rows):
            raise TokenizerError(f"{found}. Are its transcripts written by other rules, such as another case?")
        log.warning("WARNING: %s", found)


def _refuse_impossible(corpus: Corpus, plan: SpeechPlan) -> None:
    """Raise now what would stop the run hours later."""
    refuse_long(corpus.labeled, MixPlan(pseudo_share=0.0), plan.teacher.fit.batch)
    for generation in plan.generations:
        refuse_long(corpus.labeled, generation.mix, generation.student.fit.batch)
        for folder in generation.label.teachers:
            refuse_unfinished(folder)
        if generation.label.foreign_files:
            Foreign.at(generation.label.foreign_files)
    for trained in (plan.teacher, *(generation.student for generation in plan.generations)):
        noise.refuse_missing(trained.noise)
        for lesson in trained.curriculum:
            mix(corpus.labeled).up_to(lesson.size or math.inf)
