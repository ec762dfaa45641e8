"""What a speech run adds to the core's plan."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from nst_asr.config import Record
from nst_asr.curriculum import Lesson
from nst_asr.plan import FitPlan, Plan, TrainPlan
from nst_asr.speech.conformer import ConformerPlan
from nst_asr.speech.decode import DecodePlan
from nst_asr.speech.features import FeaturePlan
from nst_asr.speech.noise import NoisePlan
from nst_asr.speech.tokenizer import TokenizerPlan


class Decode(DecodePlan):
    """How a recogniser is decoded."""

    batch: float = Field(120.0, gt=0)  # seconds of audio at once; batches never reach over a block


class SpeechFit(FitPlan):
    """How a recogniser's weights are found."""

    # seconds that are computed at once, padding included, at the speed they were spoken; a longer utterance is computed
    # alone. null: a batch is computed at once
    max_duration: float | None = Field(None, gt=0)


class SpeechTrain(TrainPlan):
    """How a recogniser is trained."""

    fit: SpeechFit
    curriculum: tuple[Lesson, ...] = ()  # lessons, without noise, that a training begins with
    model: ConformerPlan = ConformerPlan()
    noise: NoisePlan = NoisePlan()

    @model_validator(mode="after")
    def _lessons_end(self) -> Self:
        taught = sum(lesson.updates for lesson in self.curriculum)
        if taught >= self.fit.updates:
            raise ValueError(
                f"the curriculum takes {taught} of {self.fit.updates} updates, and none is left with noise; "
                "shorten it, or raise fit.updates"
            )
        return self


class Parts(Record):
    """The parts of a corpus, such as train-clean-100, that a recipe makes each set of."""

    labeled: tuple[str, ...] = Field(min_length=1)
    unlabeled: tuple[str, ...] = Field(min_length=1)
    dev: tuple[str, ...] = Field(min_length=1)
    test: tuple[str, ...] = Field(min_length=1)


class SpeechPlan(Plan[SpeechTrain, Decode]):
    """A whole run on speech."""

    task: Literal["speech"] = "speech"
    features: FeaturePlan = FeaturePlan()
    tokenizer: TokenizerPlan
    parts: Parts | None = None  # what a recipe made the manifests of; the run folder refuses others
    # samples: every file is decoded once before anything is trained, so that no damaged one stops a training in its
    # middle; headers: its beginning and end alone, for corpora whose decoding takes hours
    check: Literal["samples", "headers"] = "samples"
    max_bad_share: float = Field(0.01, ge=0, le=1)  # of a manifest's files that may be unusable before the run stops

    @model_validator(mode="after")
    def _warm_starts_fit(self) -> Self:
        models = [self.teacher.model, *(generation.student.model for generation in self.generations)]
        for number, generation in enumerate(self.generations, 1):
            if generation.init == "teacher" and any(model != models[number] for model in models[:number]):
                raise ValueError(
                    f"generation {number} starts from its teacher's weights (init: teacher), so its model must be that "
                    "of the teacher and of the students before it; make them equal, or init: scratch"
                )
            if generation.init == "teacher" and generation.student.curriculum:
                raise ValueError(
                    f"generation {number} starts from its teacher's weights, which have had their lessons; give it "
                    "student: {curriculum: []}, or init: scratch"
                )
        return self
