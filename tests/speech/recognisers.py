"""Recognisers that nobody trained: they hear something, always the same, in a moment."""

from pathlib import Path

import polars as pl
import soundfile
import torch

from nst_asr.key import Key
from nst_asr.speech import tokenizer
from nst_asr.speech.conformer import Conformer, ConformerPlan
from nst_asr.speech.features import FeaturePlan, FeatureStatistics
from nst_asr.speech.model import Recogniser
from nst_asr.speech.tokenizer import TokenizerPlan
from nst_asr.task import Model
from tests.speech import tones

FEATURES = FeaturePlan(rate=tones.RATE, mels=12)
WORDS = ("low", "mid", "high")


def recogniser(folder: Path, seed: int, texts: tuple[str, ...] = WORDS, kind: str = "word") -> Model:
    """A model folder with random weights, whose units are the words (or characters) of the texts."""
    units = tokenizer.train(texts, TokenizerPlan(kind=kind))  # type: ignore[arg-type]
    torch.manual_seed(seed)
    plan = ConformerPlan(width=16, blocks=1, heads=2, kernel=5, channels=4)
    conformer = Conformer(plan, FEATURES.mels, units.size).eval()
    with torch.no_grad():
        conformer.head.weight.mul_(6.0)
    statistics = FeatureStatistics(torch.full((12,), -8.0), torch.full((12,), 4.0))
    Recogniser(conformer, plan, FEATURES, statistics, units).save(folder, {})
    return Model(folder)


def rows(folder: Path, count: int = 6) -> pl.DataFrame:
    """Utterances of a pool, one to three words each."""
    folder.mkdir(exist_ok=True)
    found = []
    for i in range(count):
        wave = tones.utterance(list(WORDS)[: 1 + i % 3], Key(0)["utterance", i])
        soundfile.write(folder / f"{i}.flac", wave, tones.RATE)
        found.append((f"u{i}", str(folder / f"{i}.flac"), 0.0, len(wave) / tones.RATE))
    return pl.DataFrame(
        found, schema={"id": pl.String, "path": pl.String, "start": pl.Float64, "size": pl.Float32}, orient="row"
    )
