"""Utterances of a lhotse Shar folder: cuts.*.jsonl.gz, and recording.*.tar whose members are read where they lie."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

from nst_asr.lines import ManifestError
from nst_asr.speech.corpora.lhotse_manifests import cut_utterance, items, refuse_what_is_no_stretch
from nst_asr.speech.corpora.utterance import Defect, Utterance
from nst_asr.stored import address


def shar(folder: Path) -> Iterator[Utterance | Defect]:
    """The utterances of each shard in its order; paths are addresses of members of its tar.

    A cut without audio is a Defect. Raises ManifestError for a folder that is no Shar folder, a shard without its
    recording.*.tar (uncompressed), a tar whose members are not those of the cuts, and cuts that are no stretch of
    one recording.
    """
    shards = sorted(folder.glob("cuts.*.jsonl*"))
    if not shards:
        raise ManifestError(f"{folder}: no Shar folder: there is no cuts.*.jsonl.gz in it")
    for cuts in shards:
        yield from _shard(cuts, _archive(cuts))


def _archive(cuts: Path) -> Path:
    number = cuts.name.split(".")[1]
    archive = cuts.absolute().with_name(f"recording.{number}.tar")
    if not archive.is_file():
        packed = next(cuts.parent.glob(f"recording.{number}.tar.*"), None)
        way_out = (
            f"unpack {packed.name} (gunzip), members of a packed one cannot be sought" if packed else "copy it there"
        )
        raise ManifestError(f"{cuts}: its audio, {archive.name}, is not beside it; {way_out}")
    return archive


def _shard(cuts: Path, archive: Path) -> Iterator[Utterance | Defect]:
    for number, (cut, member) in enumerate(zip_longest(items(cuts), _members(archive)), start=1):
        name, place = member or (None, None)
        if cut is None or name != cut.id:
            raise ManifestError(
                f"{cuts}, entry {number}: the cut is {cut and cut.id}, the audio in {archive.name} that of {name}; "
                "write the shard again"
            )
        if place is None:
            yield Defect(cut.id, "no audio in its shard", f"{cuts}, entry {number}")
            continue
        refuse_what_is_no_stretch(cuts, cut)
        yield cut_utterance(cut, place, f"{cuts}, entry {number}")


def _members(archive: Path) -> Iterator[tuple[str, str | None]]:
    """Name of the cut and address of its audio, or None: for each pair of members, audio and lhotse's words on it."""
    try:
        with tarfile.open(archive, "r:") as tar:
            for place, member in enumerate(_streamed(tar)):
                if place % 2 == 0:
                    stem, _, suffix = member.name.rpartition(".")
                    none = suffix == "nodata"
                    yield stem, None if none else address(archive, member.offset_data, member.size)
    except tarfile.TarError as error:
        raise ManifestError(f"{archive}: no uncompressed tar that can be read ({error}); copy it again") from None


def _streamed(tar: tarfile.TarFile) -> Iterator[Any]:
    for member in tar:
        tar.members = []  # type: ignore[attr-defined]  # which would otherwise grow with the archive
        yield member
