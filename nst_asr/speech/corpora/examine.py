"""Utterances held against their audio: the stretches that can be used, or why there are none."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from nst_asr.speech import audio
from nst_asr.speech.corpora.utterance import Defect, Utterance
from nst_asr.speech.vad import VadPlan, segments

_TOLERANCE = 0.05  # seconds by which a corpus may be wrong about a file: durations are rounded
_END = 0.01  # seconds at the end of a file that are always decoded: of a truncated one they are missing
_WINDOW = 60.0  # seconds decoded at a time
_KIND = re.compile(r"[^:,(\d]+")


@dataclass(frozen=True, slots=True)
class Stretch:
    """Audio that can be used."""

    id: str
    start: float  # seconds
    seconds: float


@dataclass(frozen=True, slots=True)
class Examined:
    """An utterance whose audio is there: one stretch, or several of a long one that was cut."""

    utterance: Utterance
    stretches: tuple[Stretch, ...]
    header: audio.Header


def examine(utterance: Utterance, *, decode: bool = False, cut: float | None = None) -> Examined | Defect:
    """The stretches of an utterance that can be used, or what is wrong with it.

    Opens the file and decodes its last hundredth of a second; with `decode` every sample of the stretches. An
    utterance longer than `cut` seconds becomes its voiced stretches, of at most that length. Lengths may miss what
    the corpus says by 50 ms; a stretch that ends so little beyond its file is shortened to it.
    """
    found = _file(utterance.path)
    if isinstance(found, str):
        return _fault(utterance, found)
    wrong = _wrong_length(utterance, found.seconds)
    if wrong is not None:
        return wrong
    rest = found.seconds - utterance.start
    seconds = rest if utterance.seconds is None else min(utterance.seconds, rest)
    try:
        stretches = _stretches(utterance, seconds, cut)
        for stretch in stretches if decode else ():
            _decode(utterance.path, found.rate, stretch)
    except audio.AudioError as error:
        return _fault(utterance, str(error))
    if not stretches:
        return Defect(utterance.id, "no speech found", f"in {seconds:.2f} s of {utterance.path}")
    return Examined(utterance, stretches, found)


def _stretches(utterance: Utterance, seconds: float, cut: float | None) -> tuple[Stretch, ...]:
    if cut is None or seconds <= cut:
        return (Stretch(utterance.id, utterance.start, seconds),)
    return _voiced(utterance, seconds, cut)


def _wrong_length(utterance: Utterance, lasts: float) -> Defect | None:
    said, end = utterance.announced, utterance.start + (utterance.seconds or 0.0)
    if said is not None and abs(said - lasts) > _TOLERANCE:
        return Defect(
            utterance.id, "wrong duration", f"{utterance.where} says {said:.2f} s, {utterance.path} lasts {lasts:.2f} s"
        )
    if end > lasts + _TOLERANCE or utterance.start >= lasts:
        return Defect(
            utterance.id,
            "segment beyond the end",
            f"{utterance.where} says {utterance.start:.2f} s to {end:.2f} s, {utterance.path} lasts {lasts:.2f} s",
        )
    if utterance.seconds == 0:
        return Defect(utterance.id, "segment of no length", utterance.where)
    return None


def _voiced(utterance: Utterance, seconds: float, longest: float) -> tuple[Stretch, ...]:
    """The voiced stretches within an utterance, each named by its begin and end in hundredths of a second."""
    end = utterance.start + seconds
    inside = (
        (max(start, utterance.start), min(start + length, end)) for start, length in _segments(utterance.path, longest)
    )
    return tuple(
        Stretch(f"{utterance.id}-{round(100 * start):07d}-{round(100 * stop):07d}", round(start, 6), stop - start)
        for start, stop in inside
        if stop - start >= _END
    )


@lru_cache(maxsize=8)
def _segments(path: str, longest: float) -> tuple[tuple[float, float], ...]:
    """Several utterances may lie in one long file."""
    return tuple(segments(path, VadPlan(longest=longest)))


@lru_cache(maxsize=1024)
def _file(path: str) -> audio.Header | str:
    """The header of a file whose end can be decoded, or what is wrong with it; segments of one file share it."""
    try:
        found = audio.header(path)
        end = min(_END, found.seconds)
        audio.read(path, found.rate, start=found.seconds - end, seconds=end)
    except audio.AudioError as error:
        return str(error)
    except OSError as error:
        return error.strerror or str(error)
    return found


def _decode(path: str, rate: int, stretch: Stretch) -> None:
    """Read every sample, a minute at a time; AudioError for damage."""
    done = 0.0
    while stretch.seconds - done > _END:
        length = min(_WINDOW, stretch.seconds - done)
        audio.read(path, rate, start=stretch.start + done, seconds=length)
        done += length


def _fault(utterance: Utterance, message: str) -> Defect:
    """What a file is left out for: the words of the message up to the first number or punctuation say the kind."""
    reason = message.removeprefix(f"{utterance.path}: ")
    words = _KIND.match(reason)
    kind = words.group().strip() if words else reason
    kind = "a sample that is no number" if kind == "sample" else kind
    place = utterance.path if utterance.where == utterance.path else f"{utterance.where}: {utterance.path}"
    return Defect(utterance.id, kind, place if reason == kind else f"{place}: {reason}")
