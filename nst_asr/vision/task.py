"""Image classification as the loop's task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from nst_asr import score as scoring
from nst_asr.corpus import Block, Labeled
from nst_asr.key import Key
from nst_asr.mix import Mix
from nst_asr.parallel import join
from nst_asr.ranks import rank
from nst_asr.score import Score
from nst_asr.sealed import is_finished
from nst_asr.store import StoreError
from nst_asr.task import Model, Shares
from nst_asr.terms import Terms
from nst_asr.vision.gallery import Gallery
from nst_asr.vision.labeler import VisionLabeler
from nst_asr.vision.model import Classifier, load
from nst_asr.vision.plan import LabelPlan, PixelPlan, VisionTrain
from nst_asr.vision.targets import places_of
from nst_asr.vision.training import Training, drop_resumption

TERMS = Terms(
    error="top-1 error",
    amount="images",
    unit=1.0,
    example="image",
    token="label",
    group="group",
    groups_expected=False,
)


@dataclass(frozen=True)
class Vision:
    """Classifiers of images into the classes of the labeled data."""

    classes: tuple[str, ...]
    pixels: PixelPlan = field(default_factory=PixelPlan)
    device: str = "cpu"
    gallery: Gallery = field(default_factory=Gallery)

    def train(self, data: Mix, plan: VisionTrain, *, init: Path | None, out: Path, key: Key) -> Model:
        """A classifier trained on `data` under the plan's noise."""
        if join(self.device).first(is_finished(out)):  # killed between the last file and the renaming of the folder
            if not rank():
                drop_resumption(out)
            return Model(out)
        started = self._load(init, plan) if init else None
        lineage = {
            "init": Model(init).hash if init else None,
            "data": data.fingerprint,
            "images": {source.name: int(source.copies.sum()) for source in data.sources},
            "plan": plan.model_dump(mode="json"),
            "key": [key.seed, *key.path],
        }
        found = Training(plan, self.pixels, self.classes, self.gallery, out, key, self.device, started).run(data)
        if not rank():
            found.save(out, lineage)
            drop_resumption(out)
        return Model(out)

    def labeler(self, teachers: Sequence[Model], plan: LabelPlan) -> VisionLabeler:
        """The teachers in evaluation mode on clean input. Raises StoreError where their classes are not the data's."""
        hashes = tuple(teacher.hash for teacher in teachers)
        found = VisionLabeler(tuple(teacher.path for teacher in teachers), hashes, plan, self.device, self.gallery)
        for teacher, model in zip(teachers, found.classifiers(), strict=True):
            self._refuse_other_classes(model, teacher.path)
        return found

    def tune(self, teachers: Sequence[Model], dev: Labeled, plan: LabelPlan) -> dict[str, Any]:
        """The plan as it is: it leaves nothing open."""
        return {"plan": plan.model_dump(mode="json")}

    def score(self, model: Model, data: Labeled, plan: LabelPlan) -> Score:
        """Top-1 errors on `data`, labeled as the pool is."""
        places_of(data.rows, self.classes)
        seen = self.seen(model, data.without_labels().rows, plan)
        return scoring.score(data.rows.select("id", "group", "label"), seen.select("id", "label"))

    def seen(self, model: Model, rows: pl.DataFrame, plan: LabelPlan) -> pl.DataFrame:
        """The label table of rows that are not part of a pool, as one block."""
        return self.labeler([model], plan)(Block(0, rows))

    def shares(self, data: Labeled, teachers: Sequence[Model]) -> Shares:
        """How many labeled images each class has, in the order of the teachers' outputs."""
        classes = load(teachers[0].path).classes
        return Shares(np.bincount(places_of(data.rows, classes), minlength=len(classes)), classes)

    def _load(self, init: Path, plan: VisionTrain) -> Classifier:
        """The model that a warm start begins with. Raises StoreError where it is not of the plan's kind."""
        started = load(init, self.device)
        if started.architecture != plan.model:
            raise StoreError(f"{init}: a warm start needs the plan's net {plan.model.name}, this is another")
        self._refuse_other_classes(started, init)
        return started

    def _refuse_other_classes(self, model: Classifier, path: Path) -> None:
        """Raise StoreError where a model's classes are not those of the data, in their order."""
        lacking = [name for name in self.classes if name not in model.classes]
        strange = [name for name in model.classes if name not in self.classes]
        if lacking:
            raise StoreError(
                f"{path}: the model knows {len(model.classes)} classes, the labeled data has {len(self.classes)}; it "
                f"lacks {', '.join(lacking[:5])}; train a teacher on all of them"
            )
        if strange or model.classes != self.classes:
            what = f"it also knows {', '.join(strange[:5])}" if strange else "they come in another order"
            raise StoreError(f"{path}: not the classes of the labeled data: {what}; give the data it was trained on")
