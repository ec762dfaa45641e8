"""What a speech run adds to the core's plan."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from nst_asr.config import Record
from nst_asr.curriculum import Lesson
from nst_asr.plan import FitPlan, Plan, TrainPlan
from nst_asr.speech.beam import SomePath
from nst_asr.speech.conformer import ConformerPlan
from nst_asr.speech.decode import DecodePlan
from nst_asr.speech.features import FeaturePlan
from nst_asr.speech.noise import NoisePlan
from nst_asr.speech.tokenizer import TokenizerPlan


class Decode(DecodePlan):
    """How a recogniser is decoded."""

    batch: float = Field(120.0, gt=0)  # seconds of audio at once; batches never reach over a block
    teachers: tuple[SomePath, ...] = ()  # model folders that label too, after the generation's own teacher
    # of several teachers. mean: of their frame probabilities, for which their units must be the same; majority: the
    # label that is nearest to all others'; none: that of the first
    vote: Literal["mean", "majority", "none"] = "mean"
    foreign: SomePath | None = None  # labels of another system take the place of the teacher's: docs/foreign-labels.md
    foreign_dev: SomePath | None = None  # the same for dev, from which the gauge learns what their scores mean

    @model_validator(mode="after")
    def _labels_come_from_one_side(self) -> Self:
        if self.foreign is not None and self.teachers:
            raise ValueError("foreign labels take the place of the teachers' labels; leave out teachers, or foreign")
        if self.foreign_dev is not None and self.foreign is None:
            raise ValueError("foreign_dev is there for the labels in foreign; give both")
        return self

    @property
    def of_one(self) -> Self:
        """The same for a model by itself, as it is scored: no other teachers, no other system's labels."""
        return self.model_copy(update=dict.fromkeys(("foreign", "foreign_dev")) | {"teachers": (), "vote": "mean"})

    @property
    def gives_alternatives(self) -> bool:
        """Of several teachers each gives one, and beside another system's label the teacher gives its own."""
        return bool(self.teachers) or self.foreign is not None

    @property
    def lacks(self) -> dict[str, str]:
        """Measures that no label has which is found so, and why."""
        asks_nobody = self.lm is None and self.rescore is None
        found = dict.fromkeys(("margin", "margin_per_token"), "beam = 1 is greedy") if self.beam == 1 else {}
        found |= {"lm_agreement": "there is no lm"} if asks_nobody else {}
        found |= {"score_per_token": "there is no lm"} if asks_nobody and self.foreign is None else {}
        return found | ({} if self.gives_alternatives else {"agreement": "there is one teacher"})

    @property
    def foreign_files(self) -> tuple[Path, ...]:
        """The files with another system's labels: none, or of the pool and perhaps of dev."""
        return tuple(path for path in (self.foreign, self.foreign_dev) if path is not None)


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
    # of the utterances of dev, of test and of the pool's truth that may share eight words in a row with the text of a
    # language model before the run stops
    max_text_overlap: float = Field(0.01, ge=0, le=1)

    @property
    def decodings(self) -> tuple[Decode, ...]:
        """Every way in which the run decodes."""
        return (self.label, *(generation.label for generation in self.generations))

    @model_validator(mode="after")
    def _labels_are_judged_by_something(self) -> Self:
        for number, generation in enumerate(self.generations, 1):
            label = generation.label
            if label.vote != "mean" and not label.teachers:
                raise ValueError(
                    f"generation {number} has one teacher, so label.vote = {label.vote} has no effect; name others in "
                    "label.teachers, or leave it out"
                )
            if generation.filter.agreement is not None and not label.teachers and label.foreign is None:
                raise ValueError(
                    f"generation {number} has one teacher, who agrees with nobody: filter.agreement has nothing to go "
                    "by; name others in label.teachers, or leave it out"
                )
            if generation.filter.lm_distance is not None and label.lm is None and label.rescore is None:
                raise ValueError(
                    f"generation {number} labels without a language model, so filter.lm_distance has nothing to go by; "
                    "give label.lm, or leave it out"
                )
            for name, key in generation.filter.measures.items():
                if why := label.lacks.get(name):
                    raise ValueError(
                        f"generation {number}: no label has the measure {name}, which filter.{key} names, for in its "
                        f"label {why}; take another measure, or change that"
                    )
            if label.foreign is not None and label.foreign_dev is None and generation.filter.needs_gauge:
                raise ValueError(
                    f"the filter of generation {number} looks at what dev teaches, and label.foreign has no labels of "
                    "dev; give them in label.foreign_dev, or filter by other rules"
                )
        return self

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
