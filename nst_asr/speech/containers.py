"""Damage that audio files show before anything is decoded: files without their end, and SPHERE that is shortened."""

from __future__ import annotations

import shlex
from pathlib import PurePath

from nst_asr.stored import Place, View

_OGG_PAGE = 65307  # bytes of the longest
_ENDLESS = 0x7FFF0000  # a RIFF size from here on was written by a stream that did not know its end


def refuse_damage(place: Place) -> None:
    """Raise ValueError for a file that libsndfile would take for shorter than it was, or could not name the fault of.

    wav: shorter than its RIFF size. Ogg: the last page does not end the stream. SPHERE: shorter than the samples that
    its header counts, or compressed, which libsndfile does not undo. Others are left to libsndfile.
    """
    with View(place) as file:
        start = file.read(4096) or b""
        if start[:4] == b"RIFF":
            _refuse_cut_wav(start, place.length)
        elif start[:4] == b"OggS":
            _refuse_cut_ogg(file, place.length)
        elif start[:7] == b"NIST_1A":
            _refuse_sphere(start, place)


def _refuse_cut_wav(start: bytes, size: int) -> None:
    announced = int.from_bytes(start[4:8], "little") + 8
    if size < announced < _ENDLESS:
        raise ValueError(f"truncated: {size} bytes of {announced}")


def _refuse_cut_ogg(file: View, size: int) -> None:
    file.seek(max(size - _OGG_PAGE, 0))
    if not _ends_stream(file.read(_OGG_PAGE) or b""):
        raise ValueError("truncated: its last Ogg page does not end the stream")


def _ends_stream(end: bytes) -> bool:
    """Whether the last Ogg page in these bytes is whole and says that nothing follows it (RFC 3533, section 6)."""
    page = end[end.rfind(b"OggS") :]
    whole = len(page) > 27 and len(page) >= 27 + page[26] + sum(page[27 : 27 + page[26]])
    return whole and bool(page[5] & 4)


def _refuse_sphere(start: bytes, place: Place) -> None:
    """ValueError for a compressed or truncated file of NIST SPHERE (its header is text: a name, a type and a value)."""
    lines = [line.split(maxsplit=2) for line in start.decode("latin-1").split("end_head")[0].splitlines()]
    fields = {words[0]: words[2].strip() for words in lines if len(words) == 3}
    coding = fields.get("sample_coding", "pcm")
    if "shorten" in coding:
        raise ValueError(f"a shortened SPHERE file ({coding}); sph2pipe undoes that: {_sph2pipe(place)}")
    if "," in coding:
        raise ValueError(f"a compressed SPHERE file ({coding}): undo that with NIST's w_decode -o pcm")
    counts = [fields.get(name, "0") for name in ("sample_count", "channel_count", "sample_n_bytes")]
    size = lines[1][0] if len(lines) > 1 and lines[1] else ""
    if not all(word.isdigit() for word in (size, *counts)):
        raise ValueError("a damaged SPHERE header: no whole numbers where the sizes should be")
    announced = int(size) + int(counts[0]) * int(counts[1]) * int(counts[2])
    if place.length < announced:
        raise ValueError(f"truncated: {place.length} bytes of {announced}")


def _sph2pipe(place: Place) -> str:
    """The command that converts the file; a member of an archive has to be unpacked before."""
    if not place.whole:
        return "unpack the archive, then sph2pipe -f rif IN.sph OUT.wav"
    out = PurePath(place.file).with_suffix(".wav" if place.file.suffix != ".wav" else ".riff.wav")
    return f"sph2pipe -f rif {shlex.quote(str(place.file))} {shlex.quote(str(out))}"
