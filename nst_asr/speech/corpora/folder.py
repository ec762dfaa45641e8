"""Utterances of a folder of audio files: with transcripts beside them, as a TSV lists them, or bare."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

from nst_asr.lines import ManifestError, numbered_lines, tsv_lines
from nst_asr.speech.audio import SUFFIXES
from nst_asr.speech.corpora.utterance import NO_AUDIO, Defect, Utterance

COLUMNS = ("id", "path", "text", "speaker", "seconds")  # of a TSV that lists audio files
# what would be passed over in silence if it were not known to be audio
_UNREAD = (
    *(".m4a", ".m4b", ".aac", ".wma", ".amr", ".webm", ".mp4", ".3gp"),
    *(".aif", ".aiff", ".au", ".caf", ".w64", ".oga", ".spx"),
)


def audio_below(folder: Path, *, texts: bool) -> Iterator[Utterance | Defect]:
    """Every audio file below the folder, in the order of names: its id is the relative path without suffix.

    With `texts`, the text is what NAME.txt beside NAME.wav says, its lines joined by spaces; None where there is no
    such file. A .txt in a folder with audio that belongs to no audio file is a Defect: text for no audio; so is audio
    of a kind that is not read, unless it lies there as another kind too. Linked folders are entered. Raises
    ManifestError for texts that are not UTF-8.
    """
    if not folder.is_dir():
        raise ManifestError(f"{folder}: no such folder")
    yield from _below(folder.absolute(), "", frozenset(), texts)


def listed(tsv: Path, folder: Path | None = None) -> Iterator[Utterance]:
    """The utterances of a TSV in its order: UTF-8, the first line naming the columns id and path, and text, speaker
    and seconds (of the whole file) where known, in any order; paths are relative to the folder, that of the TSV
    unless another is given. Raises ManifestError naming the line.
    """
    folder = (folder or tsv.parent).absolute()
    for number, row in tsv_lines(tsv, ("id", "path"), COLUMNS):
        where = f"{tsv}, line {number}"
        if not row["id"] or not row["path"]:
            raise ManifestError(f"{where}: id or path is empty")
        yield Utterance(
            id=row["id"],
            path=str(folder / row["path"]),
            where=where,
            announced=_seconds(where, row.get("seconds", "")),
            speaker=row.get("speaker") or None,
            text=row.get("text") or None,
        )


def _below(folder: Path, prefix: str, above: frozenset[tuple[int, int]], texts: bool) -> Iterator[Utterance | Defect]:
    status = folder.stat()
    identity = (status.st_dev, status.st_ino)
    if identity in above:
        return  # a link back to a folder that is being walked
    with os.scandir(folder) as entries:
        is_folder = {entry.name: _is_folder(entry) for entry in entries}
    unheard = {name for name, inner in is_folder.items() if name.endswith(".txt") and not inner} if texts else set()
    spoken = False
    for name in sorted(is_folder):
        stem, suffix = os.path.splitext(name)
        if is_folder[name]:
            yield from _below(folder / name, f"{prefix}{name}/", above | {identity}, texts)
        elif suffix.lower() in SUFFIXES:
            spoken = True
            place = f"{folder}/{name}"
            yield Utterance(prefix + stem, place, place, text=_text(folder, f"{stem}.txt", unheard))
        elif suffix.lower() in _UNREAD and not any(stem + read in is_folder for read in SUFFIXES):
            unheard.discard(f"{stem}.txt")
            yield Defect(prefix + stem, "a kind of audio that is not read", f"{folder}/{name}; ffmpeg -i IN OUT.flac")
    for name in sorted(unheard) if spoken else ():
        yield Defect(prefix + name.removesuffix(".txt"), NO_AUDIO, f"{folder}/{name}")


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link to itself


def _text(folder: Path, name: str, unheard: set[str]) -> str | None:
    """The text in a file, which is then no longer unheard; None where there is no such file."""
    if name not in unheard:
        return None
    unheard.remove(name)
    return " ".join(text.strip() for _, text in numbered_lines(folder / name))


def _seconds(where: str, text: str) -> float | None:
    try:
        value = float(text) if text else None
    except ValueError:
        value = math.nan
    if value is not None and not 0 < value < math.inf:
        raise ManifestError(f"{where}: seconds is {text!r}, expected a number or nothing")
    return value
