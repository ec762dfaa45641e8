"""The study's variant that the package forbids: teachers that label under their own training noise.

    python recipes/digits/noised_teacher.py run PLAN ...        (as nst-asr run)

Xie et al. 2020, table 6, found students of noised teachers worse. In the package no noise can reach a labeler; here a
labeler is put in its place that reads the noise from the teacher's lineage, and keeps dropout and stochastic depth on.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # recipes are run from the source tree, not installed

from nst_asr import cli, config
from nst_asr.corpus import Block
from nst_asr.key import Key
from nst_asr.speech import model as models
from nst_asr.speech import noise
from nst_asr.speech.conformer import Conformer
from nst_asr.speech.features import log_mel
from nst_asr.speech.labeler import SpeechLabeler
from nst_asr.speech.noise import NoisePlan
from nst_asr.speech.plan import Decode
from nst_asr.speech.task import Speech
from nst_asr.store import read_json
from nst_asr.task import Model


@dataclass(frozen=True)
class NoisedRecogniser(models.Recogniser):
    """A recogniser that hears what its training heard."""

    noise: NoisePlan
    key: Key

    def log_probs(self, waves: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
        """As of a recogniser, under the noise of training."""
        keys = [self.key[len(waves), place, len(wave)] for place, wave in enumerate(waves)]
        rate = self.features.rate
        heard = [noise.noised(wave, rate, self.noise, key) for wave, key in zip(waves, keys, strict=True)]
        mels, frames = log_mel(*models.pad(heard), self.features)
        mels = self.statistics.normalise(mels, frames)
        if self.noise.spec_augment is not None:
            mels = noise.spec_augment(mels, frames, self.noise.spec_augment, keys)
        torch.manual_seed(self.key[len(waves), mels.shape[1]].number())
        self.conformer.train()
        with torch.inference_mode():
            logits, lengths = self.conformer(mels, frames)
            return logits.log_softmax(-1), lengths


@dataclass(frozen=True)
class NoisedLabeler(SpeechLabeler):
    """A labeler whose teachers are noised."""

    @property
    def fingerprint(self) -> str:
        """Another than that of the clean labeler."""
        return super().fingerprint + "-noised"

    def recognisers(self) -> list[models.Recogniser]:
        """The teachers, each with the noise it was trained under."""
        return [_noised(path) for path in self.teachers]


class NoisedTeacher(Speech):
    """Speech recognition with noised teachers; scores are taken without noise, as ever."""

    def labeler(self, teachers: Sequence[Model], plan: Decode) -> SpeechLabeler:
        """Teachers under noise."""
        clean = super().labeler(teachers, plan)
        return NoisedLabeler(clean.teachers, clean.hashes, clean.plan, clean.device)

    def heard(self, model: Model, rows: pl.DataFrame, plan: Decode) -> pl.DataFrame:
        """What a model hears without noise."""
        return super().labeler([model], plan)(Block(0, rows))


def _noised(path: Path) -> NoisedRecogniser:
    clean = models.load(path)
    trained: dict[str, Any] = read_json(path / "model.json")["lineage"]
    plan = config.parse(NoisePlan, trained["plan"]["noise"], str(path))
    conformer = Conformer(
        clean.architecture, clean.features.mels, clean.tokenizer.size, dropout=plan.dropout, survival=plan.survival
    )
    conformer.load_state_dict(clean.conformer.state_dict())
    key = Key(trained["key"][0])["noised teacher", models.folder_hash(path)]
    return NoisedRecogniser(conformer, clean.architecture, clean.features, clean.statistics, clean.tokenizer, plan, key)


if __name__ == "__main__":
    sys.exit(cli.main(task=NoisedTeacher))
