"""The student's noise: on waves (speed, additive noise) and on features (SpecAugment). Only training uses it.

Every draw follows from a key that names the utterance and the turn at which it is heard: not from what else is in the
batch, nor from the worker that made it. B batch, T frames, F mel channels, M masks.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor

from nst_asr.config import Record
from nst_asr.key import Key
from nst_asr.speech.audio import SUFFIXES, AudioError, header, read, resample

# power falls with frequency as 1/f^exponent
_COLOURS = {"white": 0, "pink": 1, "brown": 2}
_LOWEST = 20.0  # Hz
_TEN_SECONDS = 1000  # frames; the length at which the strengths of different kinds of time masks are compared


class SpecAugmentPlan(Record):
    """Masks over channels and frames (Park et al. 2019; masks that grow with the length: Park et al. 2020)."""

    frequency_masks: int = Field(2, ge=0)
    frequency_width: int = Field(27, ge=0)  # channels, the widest mask
    time_masks: int | None = Field(None, ge=0)  # null: 2; with time_mask_rate, which it caps, 20 as in the paper
    time_width: int | None = Field(None, ge=1)  # frames, the widest mask
    time_share: float | None = Field(None, gt=0, le=1)  # of the utterance's frames, the widest mask
    time_mask_rate: float | None = Field(None, gt=0)  # masks a frame

    @model_validator(mode="after")
    def _time_masks_are_bounded(self) -> SpecAugmentPlan:
        if self.most_time_masks and self.time_width is None and self.time_share is None:
            raise ValueError("time_masks: say how wide they may be, with time_width (frames), time_share, or both")
        if self.time_masks == 0 and self.time_mask_rate is not None:
            raise ValueError("time_mask_rate has no effect with time_masks = 0, which caps it; leave one of them out")
        return self

    @property
    def most_time_masks(self) -> int:
        """Time masks that an utterance can have at most."""
        if self.time_masks is not None:
            return self.time_masks
        return 2 if self.time_mask_rate is None else 20

    def count(self, frames: int) -> int:
        """Time masks on an utterance: the most, or min(most, floor(time_mask_rate * frames))."""
        return (
            self.most_time_masks
            if self.time_mask_rate is None
            else min(self.most_time_masks, int(self.time_mask_rate * frames))
        )

    def widest(self, frames: int) -> int:
        """Frames of the widest time mask: min(time_width, floor(time_share * frames)), of what is given."""
        width = frames if self.time_width is None else min(self.time_width, frames)
        return width if self.time_share is None else min(width, int(self.time_share * frames))


class AdditivePlan(Record):
    """Noise added to a share of the waves, at a signal-to-noise ratio drawn evenly in decibels."""

    probability: float = Field(0.5, gt=0, le=1)
    snr_low: float = 5.0  # dB
    snr_high: float = 25.0  # dB
    colours: tuple[Literal["white", "pink", "brown"], ...] = ("white", "pink", "brown")
    folder: str | None = None  # recordings of noise: where given, a piece of one of them takes the place of the colours

    @model_validator(mode="after")
    def _ranges_are_in_order(self) -> AdditivePlan:
        if self.snr_low > self.snr_high:
            raise ValueError(f"snr_low = {self.snr_low:g} is above snr_high = {self.snr_high:g}")
        if not self.colours and self.folder is None:
            raise ValueError("colours is empty and there is no folder: name a colour or leave `additive` out")
        return self


class NoisePlan(Record):
    """All the noise that a model is trained under, the model's own (dropout, stochastic depth) included."""

    spec_augment: SpecAugmentPlan | None = None
    speed: tuple[float, ...] = ()  # factors; each utterance is played at one of them, drawn evenly
    additive: AdditivePlan | None = None
    dropout: float = Field(0.1, ge=0, lt=1)  # probability
    survival: float = Field(1.0, gt=0, le=1)  # of the last block; 1 = no stochastic depth

    @model_validator(mode="after")
    def _speeds_are_near_one(self) -> NoisePlan:
        for factor in self.speed:
            if not 0.5 <= factor <= 2:
                raise ValueError(f"speed = {factor:g}: factors lie in [0.5, 2]")
        return self

    def components(self) -> dict[str, float]:
        """Component -> strength; larger is noisier, 0 is none. What a student's noise is compared by."""
        masks, additive = self.spec_augment or SpecAugmentPlan(frequency_masks=0, time_masks=0), self.additive
        loudness = additive.probability * 10 ** (-(additive.snr_low + additive.snr_high) / 40) if additive else 0.0
        return {
            "frequency masks x widest (channels)": float(masks.frequency_masks * masks.frequency_width),
            "time masks x widest at 10 s (frames)": float(masks.count(_TEN_SECONDS) * masks.widest(_TEN_SECONDS)),
            "speed (largest change)": round(max((abs(factor - 1) for factor in self.speed), default=0.0), 6),
            "additive noise (probability x amplitude ratio)": round(loudness, 6),
            "dropout": self.dropout,
            "stochastic depth (1 - survival)": round(1 - self.survival, 6),
        }


def refuse_missing(plan: NoisePlan) -> None:
    """Raise AudioError where the plan names a folder of noise that holds no recordings."""
    if plan.additive and plan.additive.folder is not None:
        _recordings(plan.additive.folder)


def spec_augment(mels: Tensor, frames: Tensor, plan: SpecAugmentPlan, keys: Sequence[Key]) -> Tensor:
    """A copy of normalised features with masks of zeros, the mean, shape (B, T, F).

    frames: (B,) valid frames; keys: one for each utterance. Widths are drawn evenly from 0 to the widest allowed,
    both included, and places evenly from all that lie in the utterance: padding keeps its value. Masks may
    overlap. SpecAugment (Park et al. 2019) without its time warping; masks whose width and number grow with the
    length are those of Park et al. 2020 (SpecAugment on large scale datasets).
    """
    _, T, F = mels.shape
    drawn = [_draw_masks(plan, F, valid, key) for valid, key in zip(frames.tolist(), keys, strict=True)]
    bounds = torch.from_numpy(np.stack(drawn)).to(mels.device)  # (B, M, 2): first and end of each mask
    across, along = bounds[:, : plan.frequency_masks], bounds[:, plan.frequency_masks :]
    inside = torch.arange(T, device=mels.device) < frames.to(mels.device)[:, None]
    masked = _covered(across, F)[:, None, :] | _covered(along, T)[:, :, None]
    return mels.masked_fill(masked & inside[:, :, None], 0.0)


def noised(wave: np.ndarray, rate: int, plan: NoisePlan, key: Key) -> np.ndarray:
    """The wave as training hears it: at a drawn speed, then with added noise where its turn has come."""
    if plan.speed:
        wave = speed(wave, plan.speed[int(key["speed"].generator().integers(len(plan.speed)))])
    if plan.additive:
        wave = _with_additive(wave, rate, plan.additive, key["additive"])
    return wave


def speed(wave: np.ndarray, factor: float) -> np.ndarray:
    """The wave played `factor` times as fast, pitch and all (Ko et al. 2015): ceil(N / factor) samples.

    The factor is taken to the nearest fraction with a denominator up to 100.
    """
    ratio = Fraction(factor).limit_denominator(100)
    return resample(wave, ratio.numerator, ratio.denominator)


def add_noise(wave: np.ndarray, noise: np.ndarray, snr: float) -> np.ndarray:
    """wave + noise, the latter scaled so that 10 log10(power of wave / power of noise) = snr, in dB.

    Power is the mean square over the whole utterance. Where either is silent, the wave as it is.
    """
    signal, other = (float(np.mean(np.square(part, dtype=np.float64))) for part in (wave, noise))
    if not signal or not other:
        return wave
    scale = np.sqrt(signal / other / 10 ** (snr / 10))
    return np.asarray(wave + (scale * noise).astype(np.float32), dtype=np.float32)


def coloured(samples: int, rate: int, colour: str, key: Key) -> np.ndarray:
    """Gaussian noise, float32, shape (samples,), whose power density falls as 1/f^0 (white), 1 (pink), 2 (brown).

    The scale is arbitrary. Pink and brown have nothing below 20 Hz: nearly all their power would lie there, unheard.
    """
    noise = key.generator().standard_normal(samples, dtype=np.float32)
    if colour == "white":
        return noise
    spectrum = np.fft.rfft(noise)
    frequency = np.fft.rfftfreq(samples, 1 / rate)
    amplitude = np.sqrt(np.maximum(frequency, _LOWEST)) ** -_COLOURS[colour]
    return np.fft.irfft(np.where(frequency < _LOWEST, 0, spectrum * amplitude), samples).astype(np.float32)


def _draw_masks(plan: SpecAugmentPlan, F: int, frames: int, key: Key) -> np.ndarray:
    """First and end of each mask, shape (M, 2), int64; the masks of an utterance too short for them are empty."""
    total = plan.frequency_masks + plan.most_time_masks
    width, place = key.generator().random((2, total))
    count = plan.count(frames)
    kinds = [plan.frequency_masks, count, plan.most_time_masks - count]
    widest = np.repeat([min(plan.frequency_width, F), plan.widest(frames), 0], kinds)
    room = np.repeat([F, frames, frames], kinds)
    widths = np.floor(width * (widest + 1)).astype(np.int64)
    first = np.floor(place * (room - widths + 1)).astype(np.int64)
    return np.stack([first, first + widths], axis=1)


def _covered(bounds: Tensor, length: int) -> Tensor:
    """Whether a place lies in any of the masks, shape (B, length); bounds: (B, M, 2)."""
    place = torch.arange(length, device=bounds.device)
    return ((place >= bounds[:, :, :1]) & (place < bounds[:, :, 1:])).any(dim=1)


def _with_additive(wave: np.ndarray, rate: int, plan: AdditivePlan, key: Key) -> np.ndarray:
    heard, loud, which = key.generator().random(3)
    if heard >= plan.probability:
        return wave
    snr = plan.snr_low + loud * (plan.snr_high - plan.snr_low)
    if plan.folder is None:
        noise = coloured(len(wave), rate, plan.colours[int(which * len(plan.colours))], key["noise"])
    else:
        noise = _recorded(len(wave), rate, _recordings(plan.folder), key["noise"])
    return add_noise(wave, noise, snr)


def _recorded(samples: int, rate: int, paths: Sequence[Path], key: Key) -> np.ndarray:
    """A stretch of one of the recordings, from a drawn place; one that is too short is repeated."""
    which, where = key.generator().random(2)
    path = paths[int(which * len(paths))]
    length, wanted = header(path).seconds, samples / rate
    if length <= wanted:
        return np.resize(read(path, rate), samples)
    start = where * (length - wanted)
    return np.resize(read(path, rate, start=start, seconds=wanted), samples)


@lru_cache(maxsize=4)
def _recordings(folder: str) -> tuple[Path, ...]:
    """The audio files below a folder, in the order of their names."""
    paths = tuple(sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in SUFFIXES))
    if not paths:
        raise AudioError(f"{folder}: no noise recordings ({', '.join(SUFFIXES)}) below it")
    return paths
