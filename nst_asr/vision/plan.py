"""What a run on images adds to the core's plan."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, Self

from pydantic import Field, model_validator

from nst_asr.config import Record
from nst_asr.plan import Decoding, FitPlan, Plan, TrainPlan
from nst_asr.vision.nets import NetError, NetPlan, refuse_smaller, refuse_unfit
from nst_asr.vision.noise import NoisePlan

Triple = tuple[float, float, float]


class PixelPlan(Record):
    """What pixels, in [0, 1], are normalised with; the defaults are ImageNet's means and deviations."""

    mean: Triple = (0.485, 0.456, 0.406)
    std: Triple = (0.229, 0.224, 0.225)

    @model_validator(mode="after")
    def _pixels_lie_between_0_and_1(self) -> Self:
        for name, low in (("mean", 0.0), ("std", 1e-6)):
            if not all(low <= value <= 1 for value in getattr(self, name)):
                raise ValueError(
                    f"{name} = {getattr(self, name)}: of pixels in [0, 1], so numbers in that range; divide by 255"
                )
        return self


class LossPlan(Record):
    """How the losses of labeled and pseudo-labeled images become one.

    pooled: the mean over all images of the batch. Otherwise mean over the labeled + weight x mean over the
    pseudo-labeled images: 1.0 is algorithm 1 of Xie et al. 2020; "ratio", which their released code has, weighs with
    the number of pseudo-labeled to one labeled image: then every image counts alike, and the sum is the pooled mean
    times 1 + ratio, for which SGD wants a rate that much smaller.
    """

    pseudo: Literal["pooled", "ratio"] | float = "pooled"
    label_smoothing: float = Field(0.0, ge=0, lt=1)  # of hard labels: this share is spread evenly over all classes

    @model_validator(mode="after")
    def _weight_is_positive(self) -> Self:
        if isinstance(self.pseudo, float) and not self.pseudo > 0:
            raise ValueError(f"pseudo = {self.pseudo:g}: a weight above 0, or pooled, or ratio")
        return self


class FineTunePlan(Record):
    """A second training, on the labeled images alone, from the weights that the first one found.

    With `layers: last`, `noise: false` and a larger resolution it corrects the difference between the apparent sizes of
    objects in training and in testing (Touvron et al. 2019, "Fixing the train-test resolution discrepancy"; in Xie et
    al. 2020 for 1.5 epochs).
    """

    fit: FitPlan
    resolution: int | None = Field(None, ge=1)  # pixels, and the model's from then on; null: as before
    crop: float | None = Field(None, gt=0, le=1)  # likewise: share of the shorter side in clean centre crops
    layers: Literal["all", "last"] = "last"  # last: the classifier and the last stage; the others are frozen
    noise: bool = False  # false: clean centre crops, no dropout, no stochastic depth


class VisionTrain(TrainPlan):
    """How a classifier is trained."""

    model: NetPlan
    resolution: int = Field(32, ge=1)  # side of the images, in pixels
    crop: float = Field(1.0, gt=0, le=1)  # share of the shorter side that the clean centre crop takes
    noise: NoisePlan = NoisePlan()
    loss: LossPlan = LossPlan()
    # what fine_tune comes after. pseudo: pre-training on pseudo-labels alone; none: the weights that init starts from
    first: Literal["joint", "pseudo", "none"] = "joint"
    fine_tune: FineTunePlan | None = None

    @model_validator(mode="after")
    def _can_be_trained(self) -> Self:
        for fit in (self.fit, *([self.fine_tune.fit] if self.fine_tune else [])):
            for name in ("recompute", "compile"):
                if getattr(fit, name):
                    raise ValueError(f"fit.{name}: not for images; leave it out (fit.accumulate saves memory)")
        if self.noise.cutout >= 2 * self.resolution:
            raise ValueError(f"cutout = {self.noise.cutout} leaves nothing of {self.resolution} pixels; lower it")
        if self.noise.crop == "pad" and self.noise.pad >= self.resolution:
            raise ValueError(f"pad = {self.noise.pad} can move {self.resolution} pixels out of sight; lower it")
        try:
            refuse_unfit(self.model, 1, self.noise.dropout, self.noise.survival)
        except NetError as error:
            raise ValueError(str(error)) from None
        if self.first != "joint" and self.fine_tune is None:
            raise ValueError(f"first = {self.first}: such a model never sees a true label; add fine_tune")
        return self


class LabelPlan(Decoding):
    """How a classifier labels: clean centre crops, evaluation mode."""

    batch: int = Field(256, ge=1)  # images at once; batches never reach over a block
    soft: int = Field(0, ge=0)  # classes kept of the teacher's distribution; 0: hard labels
    temperature: float = Field(1.0, gt=0)  # of the soft labels; confidences are those at 1
    loaders: int = Field(1, ge=1)  # threads that read images

    @model_validator(mode="after")
    def _settings_are_used(self) -> Self:
        if self.soft == 0 and self.temperature != 1:
            raise ValueError(f"temperature = {self.temperature:g} has no effect on hard labels; give soft, or leave it")
        return self


class VisionPlan(Plan[VisionTrain, LabelPlan]):
    """A whole run on images."""

    task: Literal["vision"]
    pixels: PixelPlan = PixelPlan()
    allow_smaller: bool = False  # students smaller than their teachers
    # pixels: every image is decoded once before anything is trained; digests: those of the manifest are trusted
    check: Literal["pixels", "digests"] = "pixels"
    max_bad_share: float = Field(0.01, ge=0, le=1)  # of a manifest's images that may be unusable before the run stops
    cache_mb: int = Field(2048, ge=0)  # decoded images are kept in memory up to this

    @model_validator(mode="after")
    def _students_are_not_smaller(self) -> Self:
        models = [self.teacher.model, *(generation.student.model for generation in self.generations)]
        for number, (teacher, student) in enumerate(pairwise(models), 1):
            try:
                if not self.allow_smaller:
                    refuse_smaller(student, teacher)
            except NetError as error:
                raise ValueError(f"generation {number}: {error}; or say allow_smaller: true") from None
            warm = self.generations[number - 1].init == "teacher"
            if warm and any(model != student for model in models[:number]):
                raise ValueError(
                    f"generation {number} starts from its teacher's weights (init: teacher), so its model must be that "
                    "of the teacher and of the students before it; make them equal, or init: scratch"
                )
        return self

    @model_validator(mode="after")
    def _pseudo_labels_are_there_where_they_come_first(self) -> Self:
        for number, generation in enumerate(self.generations, 1):
            if generation.student.first == "none" and generation.init != "teacher":
                raise ValueError(f"generation {number}: first = none begins with other weights; say init: teacher")
            if generation.student.first == "pseudo" and generation.mix.share == 0:
                raise ValueError(f"generation {number}: first = pseudo needs pseudo-labels; raise mix.pseudo_share")
        if self.teacher.first != "joint":
            raise ValueError(
                f"teacher.first = {self.teacher.first}: the first teacher has no teacher; only students can"
            )
        return self
