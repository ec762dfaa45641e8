"""A corpus of connected digits in synthetic voices: few of them labeled, many unlabeled, dev and test unheard.

    python recipes/digits/synthesise.py OUT [--seed S] [--unlabeled-minutes M ...]

Every sample follows from the plan: the same plan gives the same files, byte for byte, on the same machine, however
many speak at a time. The layout is that of `layout.py`.
"""

from __future__ import annotations

import argparse
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # recipes are run from the source tree, not installed

from nst_asr.config import Record, parse
from nst_asr.key import Key
from nst_asr.progress import Progress
from recipes.digits import layout, room
from recipes.digits.espeak import SpeechError, Voice
from recipes.digits.layout import SETS, WORDS, Utterance
from recipes.digits.voices import Speaker, cast


class SynthesisPlan(Record):
    """What a synthetic corpus is made of; a pair is the range of a uniform draw."""

    seed: int = Field(0, ge=0, description="of everything drawn")
    rate: int = Field(8000, ge=4000, le=22050, description="samples a second")
    labeled_minutes: float = Field(6.0, gt=0, description="minutes of transcribed speech")
    unlabeled_minutes: float = Field(60.0, gt=0, description="minutes of speech without transcripts")
    dev_minutes: float = Field(8.0, gt=0, description="minutes to tune on")
    test_minutes: float = Field(15.0, gt=0, description="minutes to test on")
    labeled_voices: int = Field(6, ge=1, description="speakers among the labeled")
    unlabeled_voices: int = Field(40, ge=1, description="speakers among the unlabeled")
    dev_voices: int = Field(16, ge=1, description="speakers in dev")
    test_voices: int = Field(24, ge=1, description="speakers in test")
    words: Annotated[tuple[int, int], layout.within(1)] = Field((1, 7), description="words an utterance")
    pause_share: float = Field(0.15, ge=0, le=1, description="share of the gaps between words that are pauses")
    speed: Annotated[tuple[int, int], layout.within(80, 450)] = Field(
        (130, 220), description="words a minute, a speaker's own"
    )
    speed_jitter: float = Field(0.15, ge=0, lt=1, description="relative change from utterance to utterance, at most")
    pitch: Annotated[tuple[int, int], layout.within(0, 100)] = Field(
        (25, 75), description="a speaker's own, of 100, where 50 is the voice's"
    )
    pitch_jitter: int = Field(8, ge=0, description="change from utterance to utterance, at most")
    spread: Annotated[tuple[int, int], layout.within(0, 100)] = Field(
        (30, 80), description="of the pitch, a speaker's own, of 100"
    )
    snr: Annotated[tuple[float, float], layout.within(-30, 100)] = Field(
        (5.0, 25.0), description="decibels of speech over noise"
    )
    colour: Annotated[tuple[float, float], layout.within(0, 4)] = Field(
        (0.0, 1.5), description="of the noise: 0 white, 1 pink, 2 brown"
    )
    decay: Annotated[tuple[float, float], layout.within(0.01, 5)] = Field(
        (0.1, 0.4), description="seconds in which the room's echo decays by 60 dB"
    )
    direct: Annotated[tuple[float, float], layout.within(-30, 100)] = Field(
        (3.0, 15.0), description="decibels of direct sound over the room's echo"
    )
    margin: Annotated[tuple[float, float], layout.within(0)] = Field(
        (0.05, 0.25), description="seconds without speech at either end"
    )
    level: Annotated[tuple[float, float], layout.within(-90, 0)] = Field(
        (-32.0, -18.0), description="RMS in decibels of full scale"
    )


@dataclass(frozen=True)
class _Part:
    """The share of one speaker in one set: the unit of work."""

    out: Path
    plan: SynthesisPlan
    name: str
    speaker: Speaker
    seconds: float


@dataclass(frozen=True)
class _Manner:
    """How a speaker speaks, but for jitter."""

    speed: float
    pitch: float
    spread: int


def synthesise(out: Path, plan: SynthesisPlan, *, workers: int | None = None) -> None:
    """Make the corpus of `plan` in `out`; sets that are there are kept.

    workers: voices at a time, by default one for each core. Raises ConfigError where `out` holds another plan's corpus,
    naming what differs, or where there are not enough voices; SpeechError for a voice without sound.
    """
    speakers = cast({name: getattr(plan, f"{name}_voices") for name in SETS}, Key(plan.seed)["voices"])
    layout.claim(out, plan)
    missing = [name for name in SETS if not layout.is_done(out, name)]
    parts = [
        _Part(out, plan, name, speaker, 60 * getattr(plan, f"{name}_minutes") / len(speakers[name]))
        for name in missing
        for speaker in speakers[name]
    ]
    if not parts:
        return
    spoken: dict[str, list[Utterance]] = {name: [] for name in missing}
    # threads do: speech comes from other processes, and transforms and encoders let go of the interpreter
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool, Progress("synthesise", len(parts), "voice") as progress:
        for part, utterances in zip(parts, pool.map(_speak, parts), strict=True):
            spoken[part.name] += utterances
            progress.advance(note=part.speaker.name)
    for name in missing:
        layout.finish(out, name, spoken[name])


def _speak(part: _Part) -> list[Utterance]:
    """A speaker's utterances, one after another until the time is full."""
    plan, speaker = part.plan, part.speaker
    key = Key(plan.seed)["speech", part.name, speaker.name]
    manner = _manner(plan, key["manner"].generator())
    utterances: list[Utterance] = []
    filled = 0.0
    with Voice(*speaker.files) as voice:
        while filled < part.seconds:
            this = key["utterance", len(utterances)]
            words, wave = _utter(voice, manner, plan, this)
            serial = f"{len(utterances):04d}"
            utterances.append(layout.save(part.out, part.name, speaker.name, serial, words, wave, plan.rate))
            filled += utterances[-1].seconds
    return utterances


def _manner(plan: SynthesisPlan, draw: np.random.Generator) -> _Manner:
    return _Manner(draw.uniform(*plan.speed), draw.uniform(*plan.pitch), round(draw.uniform(*plan.spread)))


def _utter(voice: Voice, manner: _Manner, plan: SynthesisPlan, key: Key) -> tuple[list[str], np.ndarray]:
    """Some words and how they sound at `plan.rate`."""
    draw = key.generator()
    words = _words(plan, draw)
    speed = manner.speed * draw.uniform(1 - plan.speed_jitter, 1 + plan.speed_jitter)
    pitch = manner.pitch + draw.uniform(-plan.pitch_jitter, plan.pitch_jitter)
    dry = voice.say(
        _with_pauses(words, plan, draw),
        seed=key["breath"].number(),
        speed=min(max(round(speed), 80), 450),
        pitch=min(max(round(pitch), 0), 100),
        spread=manner.spread,
    )
    return words, _recorded(room.resample(dry, voice.rate, plan.rate), plan, draw)


def _words(plan: SynthesisPlan, draw: np.random.Generator) -> list[str]:
    count = draw.integers(*plan.words, endpoint=True)
    return [WORDS[digit] for digit in draw.integers(len(WORDS), size=count)]


def _with_pauses(words: list[str], plan: SynthesisPlan, draw: np.random.Generator) -> str:
    """The words as espeak-ng reads them: a comma makes a pause."""
    gaps = np.where(draw.random(len(words) - 1) < plan.pause_share, ", ", " ")
    return "".join(word + gap for word, gap in zip(words, [*gaps, ""], strict=True))


def _recorded(wave: np.ndarray, plan: SynthesisPlan, draw: np.random.Generator) -> np.ndarray:
    """A dry voice as a microphone somewhere would have it."""
    before, after = (np.zeros(round(draw.uniform(*plan.margin) * plan.rate)) for _ in range(2))
    wave = np.concatenate([before, room.trim(wave, plan.rate), after])
    wave = room.reverberate(wave, plan.rate, draw.uniform(*plan.decay), draw.uniform(*plan.direct), draw)
    wave = room.add_noise(wave, draw.uniform(*plan.snr), draw.uniform(*plan.colour), draw)
    return room.to_level(wave, draw.uniform(*plan.level))


def main() -> int:
    """Read the command line and make the corpus."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder of the corpus")
    layout.add_fields(parser, SynthesisPlan)
    values = vars(parser.parse_args())
    out = values.pop("out")
    return layout.run(lambda: synthesise(out, parse(SynthesisPlan, values)), SpeechError)


if __name__ == "__main__":
    sys.exit(main())
