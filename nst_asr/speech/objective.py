"""What a student's training minimises: CTC on noised audio, labeled and pseudo-labeled alike.

Legend: B batch, N samples, T frames, F mel channels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import torch
from torch import Tensor

from nst_asr.curriculum import Curriculum
from nst_asr.key import Key
from nst_asr.mix import Draw
from nst_asr.pieces import pieces
from nst_asr.speech import noise
from nst_asr.speech.audio import read
from nst_asr.speech.conformer import Conformer
from nst_asr.speech.ctc import ctc_loss_sum
from nst_asr.speech.features import FeaturePlan, FeatureStatistics, log_mel
from nst_asr.speech.model import pad
from nst_asr.speech.noise import NoisePlan
from nst_asr.speech.plan import SpeechFit
from nst_asr.speech.tokenizer import Tokenizer


@dataclass(frozen=True)
class AudioPiece:
    """Part of a batch. waves (B, N) samples, noised if `noised`; tokens and weights one an utterance."""

    ids: Sequence[str]
    waves: Tensor
    lengths: Tensor
    tokens: list[list[int]]
    weights: Tensor
    keys: list[Key]
    noised: bool
    sizes: Mapping[str, float]  # seconds of audio by source

    @property
    def scalars(self) -> Mapping[str, float]:
        """Seconds of audio of each source."""
        return {f"seconds_{source}": seconds for source, seconds in self.sizes.items()}

    @property
    def count(self) -> float:
        """Weighted number of tokens: what the loss sums over."""
        return float(sum(w * max(1, len(t)) for w, t in zip(self.weights.tolist(), self.tokens, strict=True)))


@dataclass(frozen=True)
class SpeechObjective:
    """The noised CTC loss of a Conformer over the batches of a mixture."""

    model: Conformer
    batches: Curriculum
    noise: NoisePlan
    fit: SpeechFit
    tokenizer: Tokenizer
    features: FeaturePlan
    statistics: FeatureStatistics
    device: torch.device
    key: Key

    def load(self, step: int, rank: int = 0, world: int = 1) -> list[AudioPiece]:
        """The audio of this process's pieces of the batch, read and noised; a piece holds utterances of like length."""
        draws = sorted(self.batches[step], key=_size)
        sizes = np.array([_size(draw) for draw in draws])
        groups = pieces(sizes, self.fit.accumulate * world, self.fit.max_duration or math.inf)
        return [self._piece(step, [draws[i] for i in group]) for group in groups[rank::world]]

    def loss(self, piece: AudioPiece) -> Tensor:
        """The weighted negative log likelihood, nats, summed over the utterances of the piece."""
        with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
            mels, frames = log_mel(piece.waves.to(self.device), piece.lengths.to(self.device), self.features)
            mels = self.statistics.normalise(mels, frames)
            if piece.noised and self.noise.spec_augment is not None:
                mels = noise.spec_augment(mels, frames, self.noise.spec_augment, piece.keys)
        self.model.train(piece.noised)  # dropout and stochastic depth; nothing else of the model has a mode
        logits, lengths = self.model(mels, frames)
        return ctc_loss_sum(logits, lengths, piece.tokens, weights=piece.weights.to(logits.device)).sum()

    def _piece(self, step: int, draws: list[Draw]) -> AudioPiece:
        # the lap too: at the end of one and the start of the next, a batch can hold the same copy twice
        keys = [self.key["noise", step, draw.source.name, draw.id, draw.copy, draw.lap] for draw in draws]
        noised = not self.batches.is_lesson(step)
        waves, lengths = pad(list(self._readers.map(partial(self._wave, noised), draws, keys)))
        sizes: dict[str, float] = {}
        for draw in draws:
            sizes[draw.source.name] = sizes.get(draw.source.name, 0.0) + _size(draw)
        return AudioPiece(
            ids=[draw.id for draw in draws],
            waves=waves,
            lengths=lengths,
            tokens=[self._tokens(draw) for draw in draws],
            weights=torch.tensor([draw.weight for draw in draws]),
            keys=[key["masks"] for key in keys],
            noised=noised,
            sizes=sizes,
        )

    @cached_property
    def _readers(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.fit.loaders, thread_name_prefix="read")

    def _wave(self, noised: bool, draw: Draw, key: Key) -> np.ndarray:
        row = draw.source.rows.row(draw.row, named=True)
        wave = read(row["path"], self.features.rate, start=row["start"], seconds=row["size"])
        return noise.noised(wave, self.features.rate, self.noise, key) if noised else wave

    def _tokens(self, draw: Draw) -> list[int]:
        return self.tokenizer.encode(draw.label(self.key), id=draw.id)


def _size(draw: Draw) -> float:
    return float(draw.source.rows["size"][draw.row])
