"""Small audio files for the tests of readers and of prepare."""

from collections.abc import Iterable
from pathlib import Path

import soundfile

from nst_asr.key import Key
from nst_asr.speech.corpora.utterance import Defect, Utterance


def record(path: Path, seconds: float = 1.0, *, rate: int = 8000, channels: int = 1) -> Path:
    """An audio file of noise, its folders made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    wave = Key(0)[path.name].generator().normal(0, 0.1, (round(seconds * rate), channels))
    soundfile.write(path, wave, rate)
    return path


def write(path: Path, text: str, *, windows: bool = False) -> Path:
    """A text file, as Unix or as Windows (byte order mark, CR LF) writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(("\ufeff" + text.replace("\n", "\r\n") if windows else text).encode())
    return path


def utterances(found: Iterable[Utterance | Defect]) -> list[Utterance]:
    """All, none of which may be a defect."""
    found = list(found)
    assert all(isinstance(each, Utterance) for each in found), found
    return [each for each in found if isinstance(each, Utterance)]
