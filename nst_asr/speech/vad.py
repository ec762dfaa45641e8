"""Voice activity: where somebody speaks in a recording of any length, as segments that begin and end in pauses.

Energy against an adaptive noise floor. The power of frames of 10 ms is smoothed over 50 ms; each quarter of a frame has
its own mean taken out, which leaves out offsets and most rumble below some 200 Hz. The floor follows the minima of the
power (Martin 2001, "Noise power spectral density estimation based on optimal smoothing and minimum statistics", section
III), over all frequencies at once. A deviation: since the whole recording is there, the floor is the larger of the
minimum of the seconds before and that of the seconds after, which finds a noise that becomes louder without delay.
Sound that stays level for longer than these seconds is noise by definition, be it a tone.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydantic

from nst_asr.config import Record
from nst_asr.speech import audio

_QUARTER = 0.0025  # seconds: a quarter of a frame
_SMOOTH = 5  # frames
_BLOCK = 100  # frames of which one minimum and one maximum are kept
_SILENCE = 1e-10  # power of the quietest sound told from none: -100 dB


class VadPlan(Record):
    """What counts as speech, and how long a segment may be. Seconds and decibels."""

    longest: float = pydantic.Field(30.0, ge=1.0)  # no segment is longer
    margin: float = pydantic.Field(0.2, ge=0.0)  # of silence left on either side, or half the pause if that is less
    pause: float = pydantic.Field(0.2, gt=0.0)  # shorter gaps, such as those in plosives, are speech
    left_out: float = pydantic.Field(1.0, gt=0.0)  # longer pauses end a segment even where it could go on
    click: float = pydantic.Field(0.1, ge=0.0)  # shorter sounds are no speech
    above_floor: float = pydantic.Field(5.0, gt=0.0)  # decibels by which speech is louder than the floor
    below_loud: float = pydantic.Field(
        40.0, gt=0.0
    )  # decibels: sounds fainter than the loud ones by more are no speech
    floor_window: int = pydantic.Field(5, ge=1)  # seconds that the floor looks back, and ahead
    loud_window: int = pydantic.Field(30, ge=1)  # seconds back and ahead of which the loud sounds are taken

    @pydantic.model_validator(mode="after")
    def _leaves_room(self) -> VadPlan:
        if self.longest < 4 * self.margin:
            raise ValueError(f"longest = {self.longest:g} s is mostly margin ({self.margin:g} s on either side)")
        return self


@dataclass(frozen=True)
class Loudness:
    """The power of a recording, frame by frame."""

    power: np.ndarray  # float32, (frames,): mean square of each whole frame, without the mean of each quarter of it
    frame: float  # seconds
    seconds: float  # of the recording


def segments(path: Path | str, plan: VadPlan | None = None, *, piece: float = 60.0) -> list[tuple[float, float]]:
    """(start, seconds) of each segment with speech in a file, in order, in the file's own time; none for silence.

    Segments do not overlap, are at most `plan.longest` long, and begin and end in pauses; only where somebody speaks
    for longer without one is the cut at the quietest place of the later half. Long pauses lie outside all segments. The
    file is read `piece` seconds at a time, which has no bearing on the result; what is kept of it are four bytes for
    each hundredth of a second. Raises AudioError as `audio.read` does.
    """
    plan = plan or VadPlan()
    sound = loudness(path, piece=piece)
    smooth = _smoothed(sound.power)
    stretches = _stretches(_voiced(smooth, plan), plan, sound.frame)
    limit = int((plan.longest - 2 * plan.margin) / sound.frame)
    groups = _groups(stretches, plan.left_out / sound.frame)
    cuts = [cut for group in groups for cut in _packed(group, smooth, limit)]
    return _with_margins(cuts, sound, round(plan.margin / sound.frame))


def loudness(path: Path | str, *, piece: float = 60.0) -> Loudness:
    """The power of each hundredth of a second of a file, read `piece` seconds at a time."""
    found = audio.header(path)
    size = 4 * max(round(_QUARTER * found.rate), 2)
    powers, rest = [np.zeros(0, np.float32)], np.zeros(0, np.float32)
    for wave in audio.pieces(path, piece):
        held = np.concatenate([rest, wave]) if len(rest) else wave
        whole = len(held) // size * size
        powers.append(_powers(held[:whole].reshape(-1, size)))
        rest = held[whole:]
    return Loudness(np.concatenate(powers), size / found.rate, found.seconds)


def speech_in(wave: np.ndarray, rate: int, plan: VadPlan | None = None) -> tuple[np.ndarray, float]:
    """Whether somebody speaks in each whole frame of a wave, (frames,) bool, and how many seconds a frame lasts.

    wave: (N,) samples at `rate`. As in `segments`, short gaps are speech and clicks are none; there are no margins.
    """
    plan, size = plan or VadPlan(), 4 * max(round(_QUARTER * rate), 2)
    frame = size / rate
    power = _powers(wave[: len(wave) // size * size].reshape(-1, size))
    found = np.zeros(len(power), bool)
    for begin, end in _stretches(_voiced(_smoothed(power), plan), plan, frame):
        found[begin:end] = True
    return found, frame


def _powers(frames: np.ndarray) -> np.ndarray:
    quarters = frames.reshape(len(frames), 4, frames.shape[1] // 4)
    centred = quarters - quarters.mean(axis=2, keepdims=True)
    return np.asarray(np.einsum("tqs,tqs->t", centred, centred) / frames.shape[1], np.float32)


def _smoothed(power: np.ndarray) -> np.ndarray:
    """Decibels of the power around each frame."""
    padded = np.pad(power, _SMOOTH // 2, mode="edge") if len(power) else power
    mean = np.convolve(padded, np.full(_SMOOTH, 1 / _SMOOTH, np.float32), "valid") if len(power) else power
    return np.asarray(10 * np.log10(np.maximum(mean, _SILENCE)), np.float32)


def _voiced(smooth: np.ndarray, plan: VadPlan) -> np.ndarray:
    """Whether each frame is louder than the noise around it, and not much fainter than the loud sounds around it."""
    if not len(smooth):
        return np.zeros(0, bool)
    blocks = np.pad(smooth, (0, -len(smooth) % _BLOCK), mode="edge").reshape(-1, _BLOCK)
    threshold = np.maximum(
        _floor(blocks.min(1), plan.floor_window) + plan.above_floor,
        _loud(blocks.max(1), plan.loud_window) - plan.below_loud,
    )
    return np.asarray(smooth > np.repeat(threshold, _BLOCK)[: len(smooth)])


def _floor(minima: np.ndarray, window: int) -> np.ndarray:
    """For each block the larger of the least of the blocks until it and the least of the blocks from it."""
    padded = np.pad(minima, window, mode="constant", constant_values=np.inf)
    least = np.lib.stride_tricks.sliding_window_view(padded, window + 1).min(axis=1)
    return np.asarray(np.maximum(least[: len(minima)], least[window:]))


def _loud(maxima: np.ndarray, window: int) -> np.ndarray:
    """For each block the level that a tenth of the blocks around it exceed: a few bangs do not make it."""
    padded = np.pad(maxima, window, mode="edge")
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * window + 1)
    rank = around.shape[1] * 9 // 10
    return np.asarray(np.partition(around, rank, axis=1)[:, rank])


def _stretches(voiced: np.ndarray, plan: VadPlan, frame: float) -> np.ndarray:
    """First frame and the frame behind the last of each voiced stretch, (N, 2): gaps closed, then clicks dropped."""
    edges = np.flatnonzero(np.diff(np.pad(voiced, 1).astype(np.int8))).reshape(-1, 2)
    apart = edges[1:, 0] - edges[:-1, 1] >= plan.pause / frame
    begins = edges[np.concatenate([[True], apart])[: len(edges)], 0]
    ends = edges[np.concatenate([apart, [True]])[: len(edges)], 1]
    found = np.stack([begins, ends], axis=1)
    return np.asarray(found[found[:, 1] - found[:, 0] >= plan.click / frame])


def _groups(stretches: np.ndarray, left_out: float) -> list[np.ndarray]:
    """The stretches with no pause longer than `left_out` frames between them, together."""
    places = np.flatnonzero(stretches[1:, 0] - stretches[:-1, 1] > left_out) + 1
    return [group for group in np.split(stretches, places) if len(group)]


def _packed(group: np.ndarray, smooth: np.ndarray, limit: int) -> Iterator[tuple[int, int]]:
    """A group of stretches as pieces of at most `limit` frames: (first frame, frame behind the last)."""
    begins, ends = group[:, 0], group[:, 1]
    start, place = int(begins[0]), 0
    while ends[-1] - start > limit:
        fitting = int(np.searchsorted(ends, start + limit, "right"))
        if fitting > place:
            last = _longest_pause(begins, ends, place, fitting, start + limit // 2)
            yield start, int(ends[last])
            start, place = int(begins[last + 1]), last + 1
        else:
            cut = start + limit // 2 + int(smooth[start + limit // 2 : start + limit].argmin())
            yield start, cut
            start = cut
    yield start, int(ends[-1])


def _longest_pause(begins: np.ndarray, ends: np.ndarray, place: int, fitting: int, half: int) -> int:
    """The stretch in [place, fitting) with the longest pause behind it, of those that end after `half` if there are."""
    from_half = max(place, min(int(np.searchsorted(ends, half)), fitting))
    low = from_half if from_half < fitting else place
    pauses = begins[low + 1 : fitting + 1] - ends[low:fitting]
    return low + len(pauses) - 1 - int(pauses[::-1].argmax())


def _with_margins(cuts: list[tuple[int, int]], sound: Loudness, margin: int) -> list[tuple[float, float]]:
    """The pieces in seconds, widened into the pauses, of which two neighbours share the middle."""
    total = len(sound.power)
    ends = [-2 * margin, *(end for _, end in cuts)]
    begins = [*(begin for begin, _ in cuts), total + 2 * margin]
    rooms = [min(margin, (begin - end) // 2) for end, begin in zip(ends, begins, strict=True)]
    found = []
    for (begin, end), (before, after) in zip(cuts, itertools.pairwise(rooms), strict=True):
        start = max(begin - before, 0) * sound.frame
        found.append((start, min((end + after) * sound.frame, sound.seconds) - start))
    return found
