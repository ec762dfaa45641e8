"""Utterances of LibriSpeech's layout: PART/SPEAKER/CHAPTER/ with audio files and SPEAKER-CHAPTER.trans.txt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from nst_asr.lines import ManifestError
from nst_asr.speech.audio import SUFFIXES
from nst_asr.speech.corpora.lines import keyed_lines
from nst_asr.speech.corpora.utterance import NO_AUDIO, Defect, Utterance


def librispeech(part: Path, *, texts: bool) -> Iterator[Utterance | Defect]:
    """The utterances of a part in the order of names, chapter by chapter; the speaker is the first folder's name.

    The id is the file's name without suffix. With `texts`, they come from the chapter's *.trans.txt; without that file
    there are none, and a text without audio is a Defect. Raises ManifestError for a folder of another layout, text
    that is not UTF-8 and an id with two texts.
    """
    part = part.absolute()
    if not part.is_dir():
        raise ManifestError(f"{part}: no such folder")
    _refuse_audio(part, part)
    for speaker in _folders(part):
        _refuse_audio(part, speaker)
        for chapter in _folders(speaker):
            yield from _chapter(part, speaker.name, chapter, texts)


def _chapter(part: Path, speaker: str, chapter: Path, texts: bool) -> Iterator[Utterance | Defect]:
    entries = sorted(chapter.iterdir())
    nested = next((entry for entry in entries if entry.is_dir()), None)
    if nested is not None:
        raise ManifestError(f"{nested}: a folder where audio is expected. {_layout(part)}")
    said = _texts([entry for entry in entries if texts and entry.name.endswith(".trans.txt")])
    for file in (entry for entry in entries if entry.suffix.lower() in SUFFIXES):
        yield Utterance(file.stem, str(file), str(file), speaker=speaker, text=said.pop(file.stem, None))
    for name in said:
        yield Defect(name, NO_AUDIO, f"in {chapter}")


def _texts(files: Sequence[Path]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for file in files:
        for number, name, text in keyed_lines(file):
            if name in texts:
                raise ManifestError(f"{file}, line {number}: {name} has a text already; take one of the two out")
            texts[name] = text
    return texts


def _folders(parent: Path) -> list[Path]:
    return sorted(entry for entry in parent.iterdir() if entry.is_dir())


def _refuse_audio(part: Path, folder: Path) -> None:
    """ManifestError where audio lies above the chapters: it would be left out unseen."""
    found = next((entry for entry in folder.iterdir() if entry.suffix.lower() in SUFFIXES), None)
    if found is not None:
        raise ManifestError(f"{found}: audio above the chapters' folders. {_layout(part)}")


def _layout(part: Path) -> str:
    return (
        f"{part} is no part of LibriSpeech, which has SPEAKER/CHAPTER/*.flac: give the part itself, such as "
        f"{part.name}/train-clean-100, or use the kind `folder`"
    )
