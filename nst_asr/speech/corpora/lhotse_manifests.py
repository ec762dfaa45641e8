"""Utterances of lhotse manifests, jsonl or jsonl.gz: cut sets, recordings, recordings with supervisions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nst_asr.lines import ManifestError, refuse_no_file
from nst_asr.speech.corpora.utterance import Utterance

_ROUNDING = 0.02  # seconds by which a supervision may miss its cut


def supervisions_beside(path: Path) -> Path | None:
    """The supervisions that lie beside recordings under the same name, or None."""
    pair = path.with_name(path.name.replace("recordings", "supervisions"))
    return pair if pair != path and pair.exists() else None


def lhotse(path: Path, supervisions: Path | None = None) -> Iterator[Utterance]:
    """The utterances of a lhotse manifest: one for each cut, recording or supervision; read as a stream.

    Raises ManifestError for what an utterance cannot say: mixed or padded cuts, cuts with several supervisions,
    recordings that are no single file or that were altered (speed, volume), one channel out of several.
    """
    if supervisions is None:
        for number, item in enumerate(items(path), start=1):
            yield _utterance(path, f"{path}, entry {number}", item)
        return
    recordings = {recording.id: recording for recording in items(path)}
    for number, item in enumerate(items(supervisions), start=1):
        yield _supervised(supervisions, f"{supervisions}, entry {number}", recordings, item)


def items(path: Path) -> Iterator[Any]:
    """The entries of a lhotse manifest, one by one. Raises ManifestError for a file that is none."""
    # importing lhotse takes a second or two, and only those who have such manifests need it
    from lhotse.serialization import load_manifest_lazy

    refuse_no_file(path)
    if not path.name.endswith((".jsonl", ".jsonl.gz")):
        raise ManifestError(f"{path}: not a lhotse manifest that can be read: its name ends in .jsonl or .jsonl.gz")
    number = 0
    try:
        for item in load_manifest_lazy(path) or ():
            yield item
            number += 1
    except (ValueError, KeyError, TypeError, AssertionError, EOFError, OSError) as error:
        raise ManifestError(
            f"{path}, after entry {number}: not a lhotse manifest that can be read ({type(error).__name__}: {error}); "
            "write it again, as UTF-8"
        ) from None


def _utterance(source: Path, where: str, item: Any) -> Utterance:
    """A cut, or a recording that nobody has transcribed."""
    if type(item).__name__ == "Recording":
        return Utterance(item.id, _file(source, item.id, item, None), where, announced=item.duration)
    refuse_what_is_no_stretch(source, item)
    place = _file(source, item.id, item.recording, item.channel)
    return cut_utterance(item, place, where)


def refuse_what_is_no_stretch(source: Path, cut: Any) -> None:
    """ManifestError for a cut that is no stretch of one recording that was said in one piece."""
    kind = type(cut).__name__
    if kind not in ("MonoCut", "MultiCut"):
        way_out = "give the recordings as well" if kind == "SupervisionSegment" else "save it as plain cuts of one file"
        raise ManifestError(f"{source}: {cut.id} is a {kind}, which is no stretch of one file; {way_out}")
    if cut.recording is None:
        raise ManifestError(f"{source}: {cut.id} has no recording; features alone are not enough")
    if len(cut.supervisions) > 1:
        raise ManifestError(f"{source}: {cut.id} has {len(cut.supervisions)} supervisions; use trim_to_supervisions()")
    for said in cut.supervisions:
        if abs(said.start) > _ROUNDING or abs(said.duration - cut.duration) > _ROUNDING:
            raise ManifestError(f"{source}: the supervision of {cut.id} is another stretch; use trim_to_supervisions()")


def cut_utterance(cut: Any, path: str, where: str) -> Utterance:
    """The utterance of a cut whose recording lies at `path`."""
    said = cut.supervisions[0] if cut.supervisions else None
    return Utterance(
        id=cut.id,
        path=path,
        where=where,
        start=cut.start,
        seconds=cut.duration,
        announced=cut.recording.duration,
        speaker=(said and said.speaker) or None,
        text=said and said.text,
    )


def _supervised(source: Path, where: str, recordings: dict[str, Any], said: Any) -> Utterance:
    """A stretch of a recording."""
    if type(said).__name__ != "SupervisionSegment":
        raise ManifestError(f"{source}: {said.id} is a {type(said).__name__}, expected supervisions")
    recording = recordings.get(said.recording_id)
    if recording is None:
        raise ManifestError(f"{source}: {said.id} belongs to the recording {said.recording_id}, which is not there")
    return Utterance(
        id=said.id,
        path=_file(source, said.id, recording, said.channel),
        where=where,
        start=said.start,
        seconds=said.duration,
        announced=recording.duration,
        speaker=said.speaker or None,
        text=said.text,
    )


def _file(source: Path, name: str, recording: Any, channel: int | list[int] | None) -> str:
    """The only file of a recording, all of whose channels are heard."""
    sources = recording.sources
    if len(sources) != 1 or sources[0].type != "file":
        kinds = ", ".join(part.type for part in sources)
        raise ManifestError(f"{source}: {name} lies in {len(sources)} sources ({kinds}); one file is needed")
    if recording.transforms:
        raise ManifestError(f"{source}: {name} was altered after recording; save the audio and make a new manifest")
    wanted = [channel] if isinstance(channel, int) else channel
    if wanted is not None and sorted(wanted) != sorted(sources[0].channels):
        raise ManifestError(
            f"{source}: {name} is channel {channel} of {len(sources[0].channels)}; write channels to files of their own"
        )
    return str(Path(sources[0].source).absolute())
