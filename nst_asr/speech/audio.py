"""Audio in: files of any rate and channel count as mono waves at one rate, and a check of what a manifest says."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import soundfile
import torch
from torchaudio.transforms import Resample

log = logging.getLogger("nst_asr")

SUFFIXES = (".wav", ".flac", ".ogg", ".opus")  # what a folder is searched for; soundfile reads more
_SHORTAGE = 0.02  # seconds that a file may lack of what its manifest says: manifests round
_OGG_PAGE = 65307  # bytes of the longest
_ENDLESS = 0x7FFF0000  # a RIFF size from here on was written by a stream that did not know its end


class AudioError(ValueError):
    """Audio that cannot be used; the message names the file and what is wrong with it."""


@dataclass(frozen=True)
class Header:
    """What a file says of itself."""

    rate: int  # samples per second
    channels: int
    samples: int  # per channel

    @property
    def seconds(self) -> float:
        """Duration."""
        return self.samples / self.rate


@dataclass(frozen=True)
class Checked:
    """The rows whose audio is as the manifest says, and (id, reason) for each of the others."""

    rows: pl.DataFrame
    bad: tuple[tuple[str, str], ...]


def read(path: Path | str, rate: int, *, start: float = 0.0, seconds: float | None = None) -> np.ndarray:
    """The wave in a file, or `seconds` of it from `start`: float32, shape (N,), at `rate`, the mean of the channels.

    wav, flac, ogg and opus, and whatever else libsndfile reads. Raises AudioError for a file that is missing, empty,
    truncated, shorter than start + seconds (by more than 20 ms) or no audio, and for samples that are NaN or infinite.
    """
    with _opened(Path(path)) as file:
        first, count = _stretch(path, _header(file), start, seconds)
        try:
            file.seek(first)
            samples = file.read(count, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise AudioError(f"{path}: damaged or truncated ({error})") from None
        original = int(file.samplerate)
    if len(samples) < count:
        raise AudioError(f"{path}: truncated: {len(samples)} samples where {count} were announced")
    wave = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1)
    if not np.isfinite(wave).all():
        place = int(np.flatnonzero(~np.isfinite(wave))[0])
        raise AudioError(f"{path}: sample {first + place} is {wave[place]}")
    return resample(np.ascontiguousarray(wave), original, rate)


def header(path: Path | str) -> Header:
    """Rate, channels and length of a file, without decoding it. Raises AudioError as `read` does."""
    with _opened(Path(path)) as file:
        found = _header(file)
    if not found.samples:
        raise AudioError(f"{path}: no samples")
    return found


def resample(wave: np.ndarray, old: int, new: int) -> np.ndarray:
    """The wave (float32, shape (N,)) brought from rate `old` to rate `new`: ceil(N new / old) samples."""
    if old == new:
        return wave
    with torch.inference_mode():
        return np.asarray(_resampler(old, new)(torch.from_numpy(wave)).numpy())


def measured(rows: pl.DataFrame, *, threads: int = 4) -> pl.DataFrame:
    """The rows with the sizes that are null filled in from the headers of the files.

    A file that cannot be opened gets a hundredth of a second, so that `check` can name and count it with the others.
    """
    unknown = rows.filter(pl.col("size").is_null()).select("path", "start", "size").iter_rows()
    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(lambda row: _examine(*row, seconds=0.0), unknown))
    sizes = rows["size"].to_numpy().copy()
    sizes[rows["size"].is_null().to_numpy()] = [0.01 if isinstance(size, str) else size for size in found]
    return rows.with_columns(pl.Series("size", sizes, dtype=pl.Float32))


def check(rows: pl.DataFrame, *, decode: bool = False, threads: int = 4) -> Checked:
    """The rows whose file is there and as long as they say, sizes filled in where they are null, and the others.

    Looks at headers and at the last hundredth of a second; with `decode` at every sample, which also finds damage in
    the middle and NaN. Rows as in `manifests`; their order is kept.
    """
    columns = rows.select("path", "start", "size").iter_rows()
    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(lambda row: _examine(*row, seconds=float("inf") if decode else 0.01), columns))
    reasons = [answer if isinstance(answer, str) else None for answer in found]
    sizes = pl.Series("size", [None if isinstance(answer, str) else answer for answer in found], dtype=pl.Float32)
    good = rows.with_columns(sizes).filter(pl.Series([reason is None for reason in reasons], dtype=pl.Boolean))
    bad = tuple((name, reason) for name, reason in zip(rows["id"], reasons, strict=True) if reason is not None)
    for name, reason in bad:
        log.warning("skipped %s: %s", name, reason)
    return Checked(good, bad)


def refuse_if_too_many(bad: Sequence[tuple[str, str]], total: int, limit: float = 0.01) -> None:
    """Raise AudioError, naming the first few, where more than the share `limit` of `total` examples is bad."""
    if len(bad) <= limit * total:
        return
    first = "\n".join(f"  {name}: {reason}" for name, reason in bad[:5])
    more = f"\n  and {len(bad) - 5} more" if len(bad) > 5 else ""
    raise AudioError(
        f"{len(bad)} of {total} audio files cannot be used, more than the share of {limit:g} that may be skipped:\n"
        f"{first}{more}\nMend them, take them out of the manifest, or allow a larger share."
    )


def _examine(path: str, start: float, size: float | None, *, seconds: float) -> float | str:
    """The size in seconds of one row whose last so many `seconds` can be decoded, or what is wrong with it."""
    try:
        found = header(path)
        first, count = _stretch(path, found, start, size)
        if seconds:
            seen = int(min(count, seconds * found.rate))
            read(path, found.rate, start=(first + count - seen) / found.rate, seconds=seen / found.rate)
    except AudioError as error:
        return str(error)
    return count / found.rate if size is None else size


def _opened(path: Path) -> Any:
    """The open file; AudioError where there is no whole audio file."""
    if not path.is_file():
        raise AudioError(f"{path}: no such file")
    if not path.stat().st_size:
        raise AudioError(f"{path}: an empty file (0 bytes)")
    _refuse_cut(path)
    try:
        return soundfile.SoundFile(path)
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{path}: not an audio file that can be read, or truncated ({error.error_string})") from None


def _refuse_cut(path: Path) -> None:
    """AudioError for a wav or Ogg file without its end: libsndfile would take what is left for the whole."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        file.seek(max(size - _OGG_PAGE, 0))
        end = file.read() if start[:4] == b"OggS" else b""
    announced = int.from_bytes(start[4:], "little") + 8
    if start[:4] == b"RIFF" and size < announced < _ENDLESS:
        raise AudioError(f"{path}: truncated: {size} bytes of {announced}")
    if end and not _ends_stream(end):
        raise AudioError(f"{path}: truncated: its last Ogg page does not end the stream")


def _ends_stream(end: bytes) -> bool:
    """Whether the last Ogg page in these bytes is whole and says that nothing follows it (RFC 3533, section 6)."""
    page = end[end.rfind(b"OggS") :]
    whole = len(page) > 27 and len(page) >= 27 + page[26] + sum(page[27 : 27 + page[26]])
    return whole and bool(page[5] & 4)


def _header(file: Any) -> Header:
    return Header(int(file.samplerate), int(file.channels), int(file.frames))


def _stretch(path: Path | str, found: Header, start: float, seconds: float | None) -> tuple[int, int]:
    """First sample and number of samples of a stretch of a file, at the file's own rate."""
    first = round(start * found.rate)
    count = found.samples - first if seconds is None else round(seconds * found.rate)
    if not found.samples:
        raise AudioError(f"{path}: no samples")
    if first < 0 or count <= 0:
        length = "the rest" if seconds is None else f"{seconds:g} s"
        raise AudioError(f"{path}: {length} from {start:g} s is no stretch of a file of {found.seconds:.2f} s")
    short = first + count - found.samples
    if short > _SHORTAGE * found.rate or short >= count:
        raise AudioError(f"{path}: {found.seconds:.2f} s long, but {start + count / found.rate:.2f} s were announced")
    return first, count - max(short, 0)


@lru_cache(maxsize=32)
def _resampler(old: int, new: int) -> Resample:
    """Kernels are costly to make and the same for every file of a rate."""
    return Resample(old, new)
