"""Log-mel features from waves, on whatever device the waves are, and their global mean and deviation.

B batch, N samples, T frames, F mel channels, W samples in a window.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional
from torchaudio.functional import melscale_fbanks

from nst_asr.config import Record

# the least power of a mel channel: a tenth of what rounding to 16 bits leaves in a narrow one
FLOOR = 1e-9


class FeatureError(ValueError):
    """Features that cannot be computed; the message says which value is to blame."""


class FeaturePlan(Record):
    """How a wave becomes log-mel features."""

    rate: int = Field(16000, ge=1000)  # samples per second
    mels: int = Field(80, ge=1)  # channels
    window: float = Field(0.025, gt=0)  # seconds
    shift: float = Field(0.010, gt=0)  # seconds from one frame to the next
    low: float = Field(20.0, ge=0)  # Hz, the lower end of the first channel
    high: float | None = Field(None, gt=0)  # Hz, the upper end of the last; null: half the rate

    @property
    def window_samples(self) -> int:
        """Samples under one window."""
        return round(self.window * self.rate)

    @property
    def shift_samples(self) -> int:
        """Samples from one frame to the next."""
        return round(self.shift * self.rate)

    @model_validator(mode="after")
    def _has_room(self) -> FeaturePlan:
        high = self.rate / 2 if self.high is None else self.high
        if not self.low < high <= self.rate / 2:
            raise ValueError(f"low = {self.low:g} Hz and high = {high:g} Hz: 0 <= low < high <= rate / 2 is needed")
        if self.shift_samples < 1 or self.window_samples < 2:
            raise ValueError(f"a window of {self.window:g} s every {self.shift:g} s is too short at {self.rate} Hz")
        return self


def frame_count(samples: int, plan: FeaturePlan) -> int:
    """Frames in a wave of so many samples: windows that lie wholly in it, at least one unless it is empty."""
    return 0 if samples <= 0 else 1 + max(samples - plan.window_samples, 0) // plan.shift_samples


@torch.no_grad()
def log_mel(waves: Tensor, lengths: Tensor, plan: FeaturePlan) -> tuple[Tensor, Tensor]:
    """Natural log of the power in mel channels, shape (B, T, F), and the number of valid frames, shape (B,), int64.

    waves: (B, N) float32 at `plan.rate`, N padded as the batch needs; lengths: (B,) samples of each. Frame t covers the
    samples from t * shift to t * shift + window, without padding at either end, so valid frames depend on an
    utterance's own samples alone, whatever lies behind them; a wave shorter than one window is continued with
    zeros to one. Hann window, |DFT|^2, triangles on the HTK mel scale; no dither, no pre-emphasis (a constant for each
    channel, but for leakage, that normalisation takes away). What lies behind the valid frames has no meaning.
    """
    _, N = waves.shape
    window, filters, size = _constants(plan, waves.device)
    lengths = lengths.to(waves.device)
    if plan.window_samples > N:
        waves = functional.pad(waves, (0, plan.window_samples - N))
    inside = torch.arange(waves.shape[1], device=waves.device) < lengths[:, None]
    pieces = torch.where(inside, waves, 0.0).unfold(1, plan.window_samples, plan.shift_samples)  # (B, T, W)
    with torch.autocast(waves.device.type, enabled=False):
        spectrum = torch.view_as_real(torch.fft.rfft(pieces * window, n=size))
        power = spectrum.square().sum(-1) @ filters  # (B, T, F)
    frames = torch.div((lengths - plan.window_samples).clamp(min=0), plan.shift_samples, rounding_mode="floor") + 1
    return power.clamp_(min=FLOOR).log_(), torch.where(lengths > 0, frames, 0)


@dataclass(frozen=True)
class FeatureStatistics:
    """Mean and standard deviation of each channel over a training set: shape (F,) float32 each."""

    mean: Tensor
    std: Tensor

    def normalise(self, mels: Tensor, frames: Tensor) -> Tensor:
        """(mels - mean) / std, shape (B, T, F), with 0, the mean, behind each utterance's frames."""
        _, T, _ = mels.shape
        mean, std = self.mean.to(mels.device), self.std.to(mels.device)
        inside = torch.arange(T, device=mels.device) < frames.to(mels.device)[:, None]
        return torch.where(inside[:, :, None], (mels - mean) / std, 0.0)


def statistics(batches: Iterable[tuple[Tensor, Tensor]]) -> FeatureStatistics:
    """Mean and deviation of each channel over all valid frames of batches as `log_mel` gives them.

    Summed in float64. Raises FeatureError where there is no frame, or a channel never changes.
    """
    count, total, squares = 0, torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    for mels, frames in batches:
        valid = mels.detach().cpu()[_inside(mels, frames)].double()  # (frames, F)
        count += len(valid)
        total = total + valid.sum(0)
        squares = squares + valid.square().sum(0)
    if not count:
        raise FeatureError("no frame to take mean and deviation of; is the training set empty?")
    mean = total / count
    std = (squares / count - mean.square()).clamp(min=0).sqrt()
    if not bool((std > 1e-5).all()):
        flat = int(std.argmin())
        raise FeatureError(f"channel {flat} never changes ({float(mean[flat]):.3f} in {count} frames): silent audio?")
    return FeatureStatistics(mean.float(), std.float())


def _inside(mels: Tensor, frames: Tensor) -> Tensor:
    return torch.arange(mels.shape[1]) < frames.cpu()[:, None]


@lru_cache(maxsize=16)
def _constants(plan: FeaturePlan, device: torch.device) -> tuple[Tensor, Tensor, int]:
    """The window (W,), the filters (bins, F) and the size of the DFT, the power of two that holds a window."""
    W = plan.window_samples
    size = 1 << (W - 1).bit_length()
    high = plan.rate / 2 if plan.high is None else plan.high
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of empty channels, which are refused below
        filters = melscale_fbanks(size // 2 + 1, plan.low, high, plan.mels, plan.rate)
    empty = (filters.max(0).values <= 0).nonzero().flatten()
    if len(empty):
        raise FeatureError(
            f"mels = {plan.mels}: channel {int(empty[0])} is so narrow that no frequency falls into it "
            f"(rate {plan.rate}, window {plan.window:g} s); take fewer channels"
        )
    return torch.hann_window(W, device=device), filters.to(device), size
