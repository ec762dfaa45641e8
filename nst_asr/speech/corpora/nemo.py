"""Utterances of NeMo's manifests: JSON lines with audio_filepath, duration, text, and perhaps offset and speaker."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

from nst_asr.lines import ManifestError, numbered_lines
from nst_asr.speech.corpora.utterance import Utterance


def nemo(path: Path) -> Iterator[Utterance]:
    """The utterances of a manifest in its order; a relative audio_filepath is relative to the manifest's folder.

    Without `offset` an utterance is the whole file, which must be as long as `duration` says; with it, `duration`
    seconds from there. The id is `id` where a line has one; else the audio_filepath without suffix, and with
    begin and end in hundredths of a second where there is an offset. Raises ManifestError naming the line.
    """
    folder = path.absolute().parent
    for number, text in numbered_lines(path):
        where = f"{path}, line {number}"
        yield _utterance(folder, where, _entry(where, text))


def _entry(where: str, text: str) -> dict[str, Any]:
    try:
        entry = json.loads(text)
    except json.JSONDecodeError as error:
        raise ManifestError(f"{where}: not JSON ({error}); one object a line is expected") from None
    if not isinstance(entry, dict):
        raise ManifestError(f"{where}: {type(entry).__name__} where a JSON object is expected")
    if "shard_id" in entry:
        raise ManifestError(
            f"{where}: an entry of NeMo's tarred data (shard_id); unpack the tars, or use the kind `shar`"
        )
    return entry


def _utterance(folder: Path, where: str, entry: dict[str, Any]) -> Utterance:
    said = _text(where, entry, "audio_filepath")
    if not said:
        raise ManifestError(f"{where}: no audio_filepath; every line needs one")
    start, seconds = _seconds(where, entry, "offset"), _seconds(where, entry, "duration")
    return Utterance(
        id=_text(where, entry, "id") or _name(folder, said, start, seconds),
        path=str(folder / said),
        where=where,
        start=start or 0.0,
        seconds=None if start is None else seconds,
        announced=seconds if start is None else None,
        speaker=_text(where, entry, "speaker"),
        text=_text(where, entry, "text"),
    )


def _name(folder: Path, said: str, start: float | None, seconds: float | None) -> str:
    path = PurePath(said)
    if path.is_absolute():
        path = path.relative_to(folder if path.is_relative_to(folder) else path.anchor)
    name = path.with_suffix("").as_posix()
    if start is None:
        return name
    end = "end" if seconds is None else f"{round(100 * (start + seconds)):07d}"
    return f"{name}-{round(100 * start):07d}-{end}"


def _text(where: str, entry: dict[str, Any], key: str) -> str | None:
    """A string of an entry, None where it is absent or empty; numbers that stand for names are taken as such."""
    value = entry.get(key)
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ManifestError(f"{where}: {key} is {value!r}, expected text")
    return str(value)


def _seconds(where: str, entry: dict[str, Any], key: str) -> float | None:
    value = entry.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise ManifestError(f"{where}: {key} is {value!r}, expected seconds")
    return float(value)
