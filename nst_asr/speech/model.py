"""A recogniser: a self-contained folder with weights, tokenizer, feature statistics and lineage.

Legend: B batch, N samples, T frames, F mel channels, V vocabulary (blank included).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from nst_asr import __version__, config, sealed
from nst_asr.speech.conformer import Conformer, ConformerPlan
from nst_asr.speech.features import FeaturePlan, FeatureStatistics, log_mel
from nst_asr.speech.tokenizer import Tokenizer
from nst_asr.store import StoreError, written_aside

_WEIGHTS = "weights.safetensors"
_FILES = (_WEIGHTS, "tokenizer.json", "tokenizer.model")
_DECIDING = ("architecture", "features", "statistics")
is_finished = sealed.is_finished


@dataclass(frozen=True)
class Recogniser:
    """A Conformer with all that it takes to go from samples to text."""

    conformer: Conformer
    architecture: ConformerPlan
    features: FeaturePlan
    statistics: FeatureStatistics
    tokenizer: Tokenizer

    def log_probs(self, waves: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
        """Frame-wise log probabilities (B, T, V) in nats and their lengths (B,): evaluation mode, clean input."""
        device = next(self.conformer.parameters()).device
        padded, lengths = pad(waves)
        self.conformer.eval()
        with torch.inference_mode():
            mels, frames = log_mel(padded.to(device), lengths.to(device), self.features)
            logits, lengths = self.conformer(self.statistics.normalise(mels, frames), frames)
            return logits.float().log_softmax(-1), lengths

    def save(self, folder: Path, lineage: dict[str, Any]) -> None:
        """Write the folder and seal it with its hash, the last file written."""
        folder.mkdir(parents=True, exist_ok=True)
        state = self.conformer.state_dict()
        weights = {name: value.detach().float().cpu().contiguous() for name, value in state.items()}
        with written_aside(folder / _WEIGHTS) as part:
            part.write_bytes(save(weights))
        self.tokenizer.save(folder)
        content = {
            "architecture": self.architecture.model_dump(mode="json"),
            "features": self.features.model_dump(mode="json"),
            "statistics": {"mean": self.statistics.mean.tolist(), "std": self.statistics.std.tolist()},
            "parameters": sum(value.numel() for value in weights.values()),
            "lineage": lineage,
            "version": __version__,
        }
        sealed.seal(folder, content, _FILES, _DECIDING)


def load(folder: Path, device: torch.device | str = "cpu") -> Recogniser:
    """The recogniser in a model folder, in evaluation mode. Raises StoreError where the folder holds none."""
    sealed.refuse_unfinished(folder)
    try:
        return _load(folder, device)
    except (SafetensorError, OSError, KeyError, ValueError, RuntimeError) as error:
        raise StoreError(f"{folder}: a damaged model folder ({error})") from error


def _load(folder: Path, device: torch.device | str) -> Recogniser:
    content = json.loads((folder / sealed.DESCRIPTION).read_text(encoding="utf-8"))
    architecture = config.parse(ConformerPlan, content["architecture"], str(folder / sealed.DESCRIPTION))
    features = config.parse(FeaturePlan, content["features"], str(folder / sealed.DESCRIPTION))
    tokenizer = Tokenizer.load(folder)
    conformer = Conformer(architecture, features.mels, tokenizer.size)
    conformer.load_state_dict(load_file(folder / _WEIGHTS))
    statistics = FeatureStatistics(*(torch.tensor(content["statistics"][name]) for name in ("mean", "std")))
    return Recogniser(conformer.to(device).eval(), architecture, features, statistics, tokenizer)


def folder_hash(folder: Path) -> str:
    """A digest of everything in a model folder that decides what it hears."""
    return sealed.digest(folder, _FILES, _DECIDING)


def pad(waves: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
    """Samples (B, N) padded with zeros, and their lengths (B,)."""
    lengths = torch.tensor([len(wave) for wave in waves])
    padded = torch.zeros(len(waves), int(lengths.max()))
    for row, wave in zip(padded, waves, strict=True):
        row[: len(wave)] = torch.from_numpy(wave)
    return padded, lengths
