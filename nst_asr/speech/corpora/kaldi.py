"""Utterances of a Kaldi data directory: wav.scp, and where there are such files, segments, text and utt2spk.

Kaldi's tables are sorted by their first word, so that they can be joined line by line as streams. A table that is not
sorted is sorted here, in memory. Source of the format: Kaldi, "Data preparation", kaldi-asr.org/doc/data_prep.html.
"""

from __future__ import annotations

import heapq
import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby, pairwise
from operator import attrgetter
from pathlib import Path

from nst_asr.lines import ManifestError
from nst_asr.speech.corpora.lines import keyed_lines
from nst_asr.speech.corpora.utterance import NO_AUDIO, Defect, Utterance

_IN_ARCHIVE = re.compile(r".*\.(ark|ARK):\d+")


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of one table."""

    key: str
    rest: str
    table: str  # its name
    number: int


def kaldi(folder: Path, *, texts: bool) -> Iterator[Utterance | Defect]:
    """The utterances of a data directory in the order of their ids: its segments, or the files of wav.scp.

    A relative path in wav.scp is relative to the working directory, as in Kaldi, or to the data directory if the file
    is there. A segment's end of -1 means that of its recording. A speaker who has an utterance's own name is unknown:
    so Kaldi writes it. With `texts`, one for no utterance is a Defect. Raises ManifestError naming file and line for
    pipes and archives in wav.scp, two lines of one id, a segment of an unknown recording or with a channel.
    """
    if not (folder / "wav.scp").is_file():
        raise ManifestError(f"{folder}: no Kaldi data directory: there is no wav.scp in it")
    cut = (folder / "segments").is_file()
    recordings = {line.key: line.rest for line in _lines(folder, "wav.scp")} if cut else {}
    names = ("segments" if cut else "wav.scp", "utt2spk", *(["text"] if texts else []))
    tables = (_lines(folder, name) for name in names)
    for key, lines in groupby(heapq.merge(*tables, key=attrgetter("key")), key=attrgetter("key")):
        found = {line.table: line for line in lines}
        audio = found.get("segments" if cut else "wav.scp")
        if audio is not None:
            yield _utterance(folder, audio, recordings, found)
        elif "text" in found:
            yield Defect(key, NO_AUDIO, f"{folder / 'text'}, line {found['text'].number}")


def _utterance(folder: Path, audio: _Line, recordings: Mapping[str, str], found: Mapping[str, _Line]) -> Utterance:
    where = f"{folder / audio.table}, line {audio.number}"
    path, start, seconds = audio.rest, 0.0, None
    if audio.table == "segments":
        path, start, seconds = _segment(where, audio, recordings)
    speaker = found["utt2spk"].rest if "utt2spk" in found else audio.key
    return Utterance(
        id=audio.key,
        path=_located(folder, path),
        where=where,
        start=start,
        seconds=seconds,
        speaker=None if speaker in (audio.key, "") else speaker,
        text=found["text"].rest if "text" in found else None,
    )


def _segment(where: str, line: _Line, recordings: Mapping[str, str]) -> tuple[str, float, float | None]:
    """Path, start and seconds of a segment."""
    words = line.rest.split()
    if len(words) != 3:
        raise ManifestError(
            f"{where}: {line.key} {line.rest!r}; expected `utterance recording start end`. Channels of a recording "
            "must be files of their own"
        )
    if words[0] not in recordings:
        raise ManifestError(f"{where}: {line.key} belongs to the recording {words[0]}, which wav.scp does not have")
    start, end = (_number(where, line.key, word) for word in words[1:])
    if end != -1 and not 0 <= start < end:
        raise ManifestError(f"{where}: {line.key} begins at {start:g} s and ends at {end:g} s")
    return recordings[words[0]], start, None if end == -1 else end - start


def _number(where: str, key: str, word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ManifestError(f"{where}: {key} has {word!r} where seconds are expected")
    return value


def _located(folder: Path, path: str) -> str:
    beside = folder / path
    # os.path: of a path that is no path at all, such as a very long one, it says that it does not exist
    near = not os.path.isabs(path) and not os.path.exists(path) and os.path.exists(beside)
    return str((beside if near else Path(path)).absolute())


def _lines(folder: Path, table: str) -> Iterator[_Line]:
    """The lines of a table in the order of their keys; nothing where there is no such file."""
    path = folder / table
    if not path.is_file():
        return
    in_order = all(first[1] <= second[1] for first, second in pairwise(keyed_lines(path)))
    lines = keyed_lines(path) if in_order else iter(sorted(keyed_lines(path), key=lambda line: line[1]))
    before = ""
    for number, key, rest in lines:
        if key == before:
            raise ManifestError(f"{path}, line {number}: {key} occurs twice; ids must be unique")
        if table == "wav.scp":
            _refuse_no_file(path, number, key, rest)
        before = key
        yield _Line(key, rest, table, number)


def _refuse_no_file(path: Path, number: int, key: str, rest: str) -> None:
    """ManifestError for an entry of wav.scp that is no audio file."""
    where = f"{path}, line {number}: {key}"
    if not rest:
        raise ManifestError(f"{where} has no file")
    if rest.endswith("|") or rest.startswith("|"):
        raise ManifestError(
            f"{where} is a pipe, which would be run anew at each reading ({rest}); run these commands once, write "
            "wav or flac files (sox, ffmpeg, sph2pipe; or lhotse), and name the files in wav.scp"
        )
    if _IN_ARCHIVE.fullmatch(rest):
        raise ManifestError(
            f"{where} lies in an archive ({rest}); write its waves to files (wav-copy scp:wav.scp, or lhotse)"
        )
