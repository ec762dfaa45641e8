"""Speech recognition as the loop's task."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from nst_asr import score as scoring
from nst_asr.corpus import Block, Labeled
from nst_asr.curriculum import Curriculum
from nst_asr.foreign import Foreign
from nst_asr.key import Key
from nst_asr.mix import Mix
from nst_asr.parallel import join
from nst_asr.ranks import rank
from nst_asr.score import Score
from nst_asr.sealed import refuse_unfinished
from nst_asr.speech import ctc
from nst_asr.speech.audio import read
from nst_asr.speech.conformer import Conformer
from nst_asr.speech.features import FeaturePlan, FeatureStatistics, frame_count, log_mel, statistics
from nst_asr.speech.labeler import SpeechLabeler
from nst_asr.speech.memory import keep_freed_memory
from nst_asr.speech.model import Recogniser, is_finished, load, pad
from nst_asr.speech.noise import NoisePlan
from nst_asr.speech.objective import SpeechObjective
from nst_asr.speech.plan import Decode, SpeechTrain
from nst_asr.speech.teachers import with_usable_alternatives
from nst_asr.speech.tokenizer import Tokenizer, TokenizerError
from nst_asr.speech.tune import tune
from nst_asr.store import StoreError
from nst_asr.task import Model, Shares
from nst_asr.train import drop_checkpoints, fit

log = logging.getLogger("nst_asr")

_STATISTICS_UTTERANCES = 1000  # enough for a global mean and variance; the first by id, so that it is always the same


@dataclass(frozen=True)
class Speech:
    """Conformers with CTC, on log-mel features."""

    features: FeaturePlan
    tokenizer: Tokenizer  # of every model that does not start from another's weights
    device: str = "cpu"

    def train(self, data: Mix, plan: SpeechTrain, *, init: Path | None, out: Path, key: Key) -> Model:
        """A recogniser trained on `data` under the plan's noise.

        Utterances whose tokens do not fit their frames are left out, with their ids in the log.
        """
        if join(self.device).first(is_finished(out)):  # killed between the last file and the renaming of the folder
            if not rank():
                drop_checkpoints(out)
            return Model(out)
        started = self._load(init, plan) if init else None
        tokenizer, mean_and_deviation = (
            (started.tokenizer, started.statistics) if started else (self.tokenizer, self._statistics(data))
        )
        data = data.without(_left_out(data, tokenizer, self.features, plan))
        data = with_usable_alternatives(data, partial(_fits, tokenizer, self.features, plan.noise))
        conformer = self._conformer(plan, tokenizer, started, key).to(self.device)
        device = torch.device(self.device)
        objective = SpeechObjective(
            model=conformer,
            batches=Curriculum(data, plan.fit.batch, key["batches"], plan.curriculum),
            noise=plan.noise,
            fit=plan.fit,
            tokenizer=tokenizer,
            features=self.features,
            statistics=mean_and_deviation,
            device=device,
            key=key,
        )
        name = f"{out.parent.name}/{out.name.removesuffix('.part')}"
        log.info("%s: %s", name, _describe(data, objective.batches, conformer, plan))
        if device.type == "cpu":
            keep_freed_memory()
        weights = fit(objective, plan.fit, out, key["fit"], f"train {name}")
        if rank():
            return Model(out)
        conformer.load_state_dict(weights)
        lineage = {
            "init": Model(init).hash if init else None,
            "data": data.fingerprint,
            "hours": {source.name: source.hours for source in data.sources},
            "plan": plan.model_dump(mode="json"),
            "key": [key.seed, *key.path],
        }
        Recogniser(conformer, plan.model, self.features, mean_and_deviation, tokenizer).save(out, lineage)
        drop_checkpoints(out)
        return Model(out)

    def labeler(self, teachers: Sequence[Model], plan: Decode) -> SpeechLabeler:
        """The teachers, and those that the plan adds, in evaluation mode on clean input.

        Raises StoreError where the folder of one holds no model.
        """
        found = (*teachers, *map(Model, plan.teachers))
        for teacher in found:
            refuse_unfinished(teacher.path)
        foreign = Foreign.at(plan.foreign_files) if plan.foreign_files else None
        paths, hashes = (tuple(each) for each in zip(*((each.path, each.hash) for each in found), strict=True))
        return SpeechLabeler(paths, hashes, plan, self.device, foreign)

    def tune(self, teachers: Sequence[Model], dev: Labeled, plan: Decode) -> dict[str, Any]:
        """The weights of the plan's language models that make the fewest errors on dev, and how they were found."""
        labeler = self.labeler(teachers, plan)
        numbers = Key(0)["fusion"].uniforms(dev.rows["id"])
        chosen = dev.rows[np.sort(np.argsort(numbers, kind="stable")[: plan.tuning.rows])]
        return tune(
            lambda: labeler.posteriors(chosen),
            chosen["label"].to_list(),
            plan,
            labeler.recognisers()[0].tokenizer,
            device=self.device,
        )

    def score(self, model: Model, data: Labeled, plan: Decode) -> Score:
        """Word and character errors on `data`, decoded as the pool is."""
        heard = self.heard(model, data.without_labels().rows, plan)
        return scoring.score(data.rows.select("id", "group", "label"), heard.select("id", "label"))

    def heard(self, model: Model, rows: pl.DataFrame, plan: Decode) -> pl.DataFrame:
        """The label table of rows that are not part of a pool, as one block: what the model hears by itself."""
        return self.labeler([model], plan.of_one)(Block(0, rows))

    def shares(self, data: Labeled, teachers: Sequence[Model]) -> Shares:
        """The token counts of the labeled transcripts under the teachers' tokenizer."""
        tokenizer = Tokenizer.load(teachers[0].path)
        rows = zip(data.rows["id"], data.rows["label"], strict=True)
        flat = [token for name, text in rows for token in tokenizer.encode(text, id=name)]
        return Shares(np.bincount(flat, minlength=tokenizer.size), tokenizer.names)

    def _load(self, init: Path, plan: SpeechTrain) -> Recogniser:
        """The model that a warm start begins with. Raises StoreError where it is not of the plan's kind."""
        started = load(init)
        if started.architecture != plan.model or started.features != self.features:
            raise StoreError(f"{init}: a warm start needs the same model and features as the plan's student")
        return started

    def _statistics(self, data: Mix) -> FeatureStatistics:
        """Mean and deviation of the features of the labeled part alone: the same in every generation."""
        torch.set_num_threads(1)  # sums must not depend on what ran before
        labeled = data.sources[0].rows
        chosen = labeled.sort("id").head(_STATISTICS_UTTERANCES).select("path", "start", "size").iter_rows()
        waves = (read(path, self.features.rate, start=start, seconds=size) for path, start, size in chosen)
        return statistics(log_mel(*pad([wave]), self.features) for wave in waves)

    def _conformer(self, plan: SpeechTrain, tokenizer: Tokenizer, started: Recogniser | None, key: Key) -> Conformer:
        torch.manual_seed(key["init"].number())
        conformer = Conformer(
            plan.model,
            self.features.mels,
            tokenizer.size,
            dropout=plan.noise.dropout,
            survival=plan.noise.survival,
            recompute=plan.fit.recompute,
        )
        if plan.fit.compile:
            conformer.compile_blocks()
        if started is not None:
            conformer.load_state_dict(started.conformer.state_dict())
        return conformer


def _left_out(data: Mix, tokenizer: Tokenizer, features: FeaturePlan, plan: SpeechTrain) -> set[str]:
    """The ids that a model cannot be trained on, told in the log: a label that does not fit its frames; of the pool, a
    label with unknown units, or audio longer than the pool's share of a batch. Raises TokenizerError for the labeled.
    """
    found: dict[str, str] = {}
    for source in data.sources:
        longest = data.share(source) * plan.fit.batch if source.name == "pseudo" else math.inf
        for name, size, text in source.rows.select("id", "size", "label").iter_rows():
            try:
                crowded = _crowded(name, size, text, tokenizer, features, plan.noise)
            except TokenizerError as error:
                if source.name == "labeled":
                    raise
                found[name] = str(error)
                continue
            if crowded:
                found[name] = crowded
            elif size > longest:
                found[name] = f"{name}: {size:g} s, more than the {longest:g} s of the pool in a batch"
    if found:
        shown = "".join(f"\n  {reason}" for reason in list(found.values())[:10]) + (
            "\n  ..." if len(found) > 10 else ""
        )
        log.warning("left out of training: %d utterances:%s", len(found), shown)
    return set(found)


def _crowded(
    name: str, size: float, text: str, tokenizer: Tokenizer, features: FeaturePlan, noise: NoisePlan
) -> str | None:
    """What is wrong with a label of more tokens than its frames hold, or None. Raises TokenizerError."""
    tokens = tokenizer.encode(text, id=name)
    frames = _fewest_frames(size, features, noise)
    return None if ctc.alignable(frames, tokens) else f"{name}: {len(tokens)} tokens do not fit {frames} frames"


def _fits(tokenizer: Tokenizer, features: FeaturePlan, noise: NoisePlan, name: str, size: float, text: str) -> bool:
    """Whether a model can be trained on a label: its units are known, and its frames hold them."""
    try:
        return _crowded(name, size, text, tokenizer, features, noise) is None
    except TokenizerError:
        return False


def _fewest_frames(seconds: float, features: FeaturePlan, noise: NoisePlan) -> int:
    """Frames after subsampling, at the fastest speed that noise may give and 20 ms short, as a file may be."""
    samples = int((seconds - 0.02) / max([1.0, *noise.speed]) * features.rate) - 1
    return (frame_count(samples, features) + 3) // 4


def _describe(data: Mix, batches: Curriculum, conformer: Conformer, plan: SpeechTrain) -> str:
    parameters = sum(p.numel() for p in conformer.parameters())
    encoder = parameters - sum(p.numel() for p in conformer.head.parameters())
    hours = ", ".join(f"{s.hours:.2f} h {s.name} ({data.share(s):.0%} of a batch)" for s in data.sources)
    return (
        f"{parameters / 1e6:.2f} M parameters, {encoder / 1e6:.2f} M in the encoder; {hours}; "
        f"{plan.fit.updates} updates of {plan.fit.batch:g} s, "
        f"{plan.fit.updates / batches.epoch:.1f} epochs of {batches.epoch} updates"
    )
