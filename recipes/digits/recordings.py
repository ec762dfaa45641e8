"""A corpus of connected digits from recordings of single ones: few speakers labeled, others unlabeled, two held out.

    python recipes/digits/recordings.py RECORDINGS OUT [--seed S] [--test SPEAKER] [--labeled SPEAKER ...] ...

RECORDINGS holds files named as those of the Free Spoken Digit Dataset, {digit}_{speaker}_{index}.wav or .flac. A
speaker is in one set only, so a recording is. Roles not given follow from the test speaker: in the order of names,
which goes round, the next speaker is dev, the next one labeled, and the others are the pool; with each speaker in turn
as the test speaker, every speaker has been everything. The layout is that of `layout.py`.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # recipes are run from the source tree, not installed

from nst_asr.config import ConfigError, Record, parse
from nst_asr.key import Key
from nst_asr.progress import Progress
from nst_asr.speech.audio import AudioError, read
from recipes.digits import layout, room
from recipes.digits.layout import SETS, WORDS, Utterance

_NAME = re.compile(r"(?P<digit>\d)_(?P<speaker>.+)_(?P<index>\d+)\.(wav|flac)", re.IGNORECASE)
_FORM = "{digit}_{speaker}_{index}.wav or .flac"


class StringPlan(Record):
    """How recordings become strings; a pair is the range of a uniform draw."""

    seed: int = Field(0, ge=0, description="of everything drawn")
    rate: int = Field(8000, ge=4000, le=48000, description="samples a second")
    words: Annotated[tuple[int, int], layout.within(1)] = Field(
        (1, 7), description="words an utterance; the last of a pass may have fewer"
    )
    passes: int = Field(3, ge=1, description="times each recording is used, in labeled and unlabeled strings")
    held_out_passes: int = Field(1, ge=1, description="times each recording is used, in dev and test strings")
    pause: Annotated[tuple[float, float], layout.within(0)] = Field((0.02, 0.2), description="seconds between words")
    margin: Annotated[tuple[float, float], layout.within(0)] = Field(
        (0.05, 0.25), description="seconds without speech at either end"
    )
    level: Annotated[tuple[float, float], layout.within(-90, 0)] = Field(
        (-32.0, -18.0), description="RMS in decibels of full scale, of an utterance"
    )


class Roles(Record):
    """Who speaks in which set."""

    labeled: tuple[str, ...]
    unlabeled: tuple[str, ...]
    dev: tuple[str, ...]
    test: tuple[str, ...]


class _Made(Record):
    """All that a corpus follows from."""

    strings: StringPlan
    roles: Roles
    recordings: str  # a digest of the files' names and sizes


@dataclass(frozen=True)
class Recording:
    """One digit, spoken once."""

    digit: int
    speaker: str
    index: int
    path: Path


def join(folder: Path, out: Path, plan: StringPlan, given: Mapping[str, Sequence[str]] | None = None) -> Roles:
    """The speakers of each set of the corpus that is now in `out`, made of the recordings in `folder`.

    given: speakers by set, for the sets whose speakers are not to be the default's. Sets that are there are kept.
    Raises ConfigError for a folder without recordings, a wrong name, an unknown speaker, a speaker in two sets, or an
    `out` made by another plan; AudioError for a file that cannot be read.
    """
    recordings = find(folder)
    roles = assign(list(recordings), given or {})
    layout.claim(out, _Made(strings=plan, roles=roles, recordings=_digest(recordings)))
    parts = [(name, speaker) for name in SETS if not layout.is_done(out, name) for speaker in getattr(roles, name)]
    spoken: dict[str, list[Utterance]] = {name: [] for name, _ in parts}
    with Progress("join", len(parts), "speaker") as progress:
        for name, speaker in parts:
            spoken[name] += _speak(out, plan, name, recordings[speaker])
            progress.advance(note=speaker)
    for name, utterances in spoken.items():
        layout.finish(out, name, utterances)
    return roles


def find(folder: Path) -> dict[str, list[Recording]]:
    """The recordings in a folder by speaker, speakers by name, recordings by digit and index. Raises ConfigError."""
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder; give the one that holds files named {_FORM}")
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in (".wav", ".flac"))
    found = sorted((_recording(file) for file in files), key=lambda one: (one.speaker, one.digit, one.index))
    if not found:
        raise ConfigError(f"{folder}: no files named {_FORM} in it; unpack the recordings, and give their own folder")
    for one, other in itertools.pairwise(found):
        if (one.speaker, one.digit, one.index) == (other.speaker, other.digit, other.index):
            raise ConfigError(f"{one.path} and {other.path.name} are the same recording by name; remove one of them")
    speakers: dict[str, list[Recording]] = {}
    for one in found:
        speakers.setdefault(one.speaker, []).append(one)
    return speakers


def assign(speakers: Sequence[str], given: Mapping[str, Sequence[str]]) -> Roles:
    """Every set's speakers: those `given`, and for sets without, the defaults. Raises ConfigError."""
    roles = {name: tuple(given.get(name, ())) for name in SETS}
    _refuse_conflicts(speakers, roles)
    free = [speaker for speaker in speakers if not any(speaker in several for several in roles.values())]
    if not roles["test"]:
        roles["test"], free = tuple(free[-1:]), free[:-1]
    after = speakers.index(roles["test"][-1]) if roles["test"] else 0
    free.sort(key=lambda speaker: (speakers.index(speaker) < after, speakers.index(speaker)))
    for name in ("dev", "labeled"):
        if not roles[name]:
            roles[name], free = tuple(free[:1]), free[1:]
    roles["unlabeled"] = roles["unlabeled"] or tuple(free)
    for name, several in roles.items():
        if not several:
            raise ConfigError(f"no speaker is left for {name}: each set needs one (there are {', '.join(speakers)})")
    return Roles(**roles)


def _refuse_conflicts(speakers: Sequence[str], roles: Mapping[str, Sequence[str]]) -> None:
    chosen: dict[str, str] = {}
    for name, several in roles.items():
        for speaker in several:
            if speaker not in speakers:
                raise ConfigError(
                    f"--{name} {speaker}: no recordings of this speaker (there are {', '.join(speakers)})"
                )
            if speaker in chosen:
                raise ConfigError(f"--{name} {speaker}: already in {chosen[speaker]}; a speaker is in one set, once")
            chosen[speaker] = name


def strings(
    recordings: Sequence[Recording], passes: int, words: tuple[int, int], key: Key
) -> Iterator[list[Recording]]:
    """The recordings in strings of random length: in each pass every one of them once, in random order."""
    for number in range(passes):
        draw = key["pass", number].generator()
        order = [recordings[place] for place in draw.permutation(len(recordings))]
        while order:
            count = int(draw.integers(*words, endpoint=True))
            yield order[:count]
            order = order[count:]


def _speak(out: Path, plan: StringPlan, name: str, recordings: Sequence[Recording]) -> list[Utterance]:
    """A speaker's strings, written to the set `name`."""
    speaker = recordings[0].speaker
    key = Key(plan.seed)["strings", speaker]
    waves = {one: _heard(one, plan.rate) for one in recordings}
    passes = plan.passes if name in ("labeled", "unlabeled") else plan.held_out_passes
    utterances = []
    for number, string in enumerate(strings(recordings, passes, plan.words, key)):
        wave = _joined([waves[one] for one in string], plan, key["pauses", number].generator())
        words = [WORDS[one.digit] for one in string]
        utterances.append(layout.save(out, name, speaker, f"{number:04d}", words, wave, plan.rate))
    return utterances


def _heard(recording: Recording, rate: int) -> np.ndarray:
    wave = read(recording.path, rate)
    if not wave.any():
        raise AudioError(f"{recording.path}: silent; take it out of the folder")
    return wave


def _joined(waves: Sequence[np.ndarray], plan: StringPlan, draw: np.random.Generator) -> np.ndarray:
    """The waves one after another, with pauses, at a random level: speakers sat at very different distances.

    The noise in the pauses is as strong as the quietest 20 ms of the waves: digital silence would tell where words
    end, as no recording of connected words does.
    """
    strength = min(_quietest(wave, plan.rate // 50) for wave in waves)
    spans = [plan.margin, *[plan.pause] * (len(waves) - 1), plan.margin]
    pauses = [strength * draw.standard_normal(round(draw.uniform(*span) * plan.rate)) for span in spans]
    pieces = [piece for pair in zip(pauses, waves, strict=False) for piece in pair]
    return room.to_level(np.concatenate([*pieces, pauses[-1]]), draw.uniform(*plan.level))


def _quietest(wave: np.ndarray, frame: int) -> float:
    """The least root mean square of a frame, of the whole where it is shorter."""
    whole = len(wave) // frame * frame
    frames = wave[:whole].reshape(-1, frame) if whole else wave[np.newaxis]
    return float(np.sqrt(np.square(frames).mean(axis=1).min()))


def _recording(file: Path) -> Recording:
    match = _NAME.fullmatch(file.name)
    if not match:
        raise ConfigError(f"{file}: not named {_FORM}; rename it, or take it out of the folder")
    return Recording(int(match["digit"]), match["speaker"], int(match["index"]), file)


def _digest(recordings: Mapping[str, Sequence[Recording]]) -> str:
    digest = hashlib.blake2b(digest_size=12)
    for one in (one for several in recordings.values() for one in several):
        digest.update(f"{one.path.name} {one.path.stat().st_size}\n".encode())
    return digest.hexdigest()


def main() -> int:
    """Read the command line and make the corpus."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", type=Path, help=f"folder of files named {_FORM}")
    parser.add_argument("out", type=Path, help="folder of the corpus")
    for name in SETS:
        parser.add_argument(f"--{name}", nargs="+", default=[], metavar="SPEAKER", help=f"who speaks in {name}")
    layout.add_fields(parser, StringPlan)
    values = vars(parser.parse_args())
    folder, out = values.pop("recordings"), values.pop("out")
    given = {name: values.pop(name) for name in SETS}
    return layout.run(lambda: join(folder, out, parse(StringPlan, values), given), AudioError)


if __name__ == "__main__":
    sys.exit(main())
