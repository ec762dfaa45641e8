"""Audio in: files of any rate and channel count as mono waves at one rate, and a check of what a manifest says."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import soundfile

from nst_asr.speech import mpeg
from nst_asr.speech.containers import refuse_damage
from nst_asr.stored import View, locate
from nst_asr.unusable import Checked, sort_out

if TYPE_CHECKING:
    from torchaudio.transforms import Resample

SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".sph")  # what a folder is searched for; soundfile reads more
_SHORTAGE = 0.02  # seconds that a file may lack of what its manifest says: manifests round
_THREADS = 4  # that open files
_UNKNOWN = 1 << 60  # samples: libsndfile's sign for a length that the header does not give
# Frames of mp3 refer back to up to 511 bytes of sound in frames before them, 23 frames of the smallest kind; a decoder
# that begins in the middle gives noise until it has them. Measured: up to 5032 samples at the lowest bit rate.
_MP3_LEAD = 24 * 576 + 1152


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


def read(path: Path | str, rate: int, *, start: float = 0.0, seconds: float | None = None) -> np.ndarray:
    """The wave in a file, or `seconds` of it from `start`: float32, shape (N,), at `rate`, the mean of the channels.

    wav, flac, ogg, opus, mp3, SPHERE (not shortened), whatever else libsndfile reads; `archive.tar@OFFSET+LENGTH` is a
    member of a tar (`stored.address`). The stretch is the same, to the sample, whatever was read before and from
    where; of mp3 to rounding. Raises AudioError for a file that is missing, empty, truncated, shorter than start +
    seconds (by more than 20 ms) or no audio, and for samples that are NaN or infinite.
    """
    with _opened(path) as file:
        found = _header(path, file)
        first, count = _stretch(path, found, start, seconds)
        wave = _decode(path, file, first, count)
    return resample(wave, found.rate, rate)


def pieces(path: Path | str, seconds: float = 60.0) -> Iterator[np.ndarray]:
    """The wave of a file of any length, in order, `seconds` at a time: float32, the file's own rate, mean of channels.

    Raises AudioError as `read` does, also on the way.
    """
    with _opened(path) as file:
        found = _header(path, file)
        size = max(round(seconds * found.rate), 1)
        for first in range(0, found.samples, size):
            yield _decode(path, file, first, min(size, found.samples - first))


def header(path: Path | str) -> Header:
    """Rate, channels and length of a file, without decoding it. Raises AudioError as `read` does."""
    with _opened(path) as file:
        found = _header(path, file)
    if not found.samples:
        raise AudioError(f"{path}: no samples")
    return found


def resample(wave: np.ndarray, old: int, new: int) -> np.ndarray:
    """The wave (float32, shape (N,)) brought from rate `old` to rate `new`: ceil(N new / old) samples."""
    if old == new:
        return wave
    import torch  # what reads audio at its own rate, such as a report, does without its seconds and megabytes

    with torch.inference_mode():
        return np.asarray(_resampler(old, new)(torch.from_numpy(wave)).numpy())


def measured(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with the sizes that are null filled in from the headers of the files.

    A file that cannot be opened gets a hundredth of a second, so that `check` can name and count it with the others.
    """
    unknown = rows.filter(pl.col("size").is_null()).select("path", "start", "size").iter_rows()
    with ThreadPoolExecutor(_THREADS) as pool:
        found = list(pool.map(lambda row: _examine(*row, seconds=0.0), unknown))
    sizes = rows["size"].to_numpy().copy()
    sizes[rows["size"].is_null().to_numpy()] = [0.01 if isinstance(size, str) else size for size in found]
    return rows.with_columns(pl.Series("size", sizes, dtype=pl.Float32))


def check(rows: pl.DataFrame, *, decode: bool = False) -> Checked:
    """The rows whose file is there and as long as they say, sizes filled in where they are null, and the others.

    Looks at headers and at the last hundredth of a second; with `decode` at every sample, which also finds damage in
    the middle and NaN. Rows as in `corpora.rows`; their order is kept.
    """
    columns = rows.select("path", "start", "size").iter_rows()
    with ThreadPoolExecutor(_THREADS) as pool:
        found = list(pool.map(lambda row: _examine(*row, seconds=float("inf") if decode else 0.01), columns))
    reasons = [answer if isinstance(answer, str) else None for answer in found]
    sizes = pl.Series("size", [None if isinstance(answer, str) else answer for answer in found], dtype=pl.Float32)
    return sort_out(rows.with_columns(sizes), reasons)


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


def _opened(path: Path | str) -> Any:
    """The open file; AudioError where there is no whole audio file."""
    try:
        place = locate(path)
        if not place.length:
            raise ValueError("an empty file (0 bytes)")
        refuse_damage(place)
        return soundfile.SoundFile(place.file if place.whole else View(place))
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{path}: not an audio file that can be read, or truncated ({error.error_string})") from None
    except OSError as error:
        raise AudioError(f"{path}: {error.strerror or error}") from None
    except ValueError as error:
        raise AudioError(f"{path}: {error}") from None


def _header(path: Path | str, file: Any) -> Header:
    samples = int(file.frames)
    if samples >= _UNKNOWN:
        raise AudioError(f"{path}: does not say how long it is; write it anew (ffmpeg -i IN OUT.flac)")
    if file.subtype == "MPEG_LAYER_III":
        samples = _mp3_samples(path, samples, int(file.samplerate))
    return Header(int(file.samplerate), int(file.channels), samples)


def _mp3_samples(path: Path | str, announced: int, rate: int) -> int:
    """Samples of an mp3 file; AudioError where libsndfile would stop before the end, having underestimated it."""
    try:
        walked = mpeg.walked(locate(path))
    except (OSError, ValueError) as error:
        raise AudioError(f"{path}: {error}") from None
    if walked is not None and walked - announced > _SHORTAGE * rate:
        raise AudioError(
            f"{path}: {walked / rate:.2f} s of mp3, of which {announced / rate:.2f} s can be read: variable bit rate "
            "without a Xing tag; write one (ffmpeg -i IN.mp3 -c copy OUT.mp3), or convert it to flac"
        )
    return announced if walked is None else min(walked, announced)


def _decode(path: Path | str, file: Any, first: int, count: int) -> np.ndarray:
    """`count` samples of an open file from sample `first`, the mean of channels; AudioError for what is no sound."""
    lead = min(first, _MP3_LEAD) if file.subtype == "MPEG_LAYER_III" else 0
    try:
        file.seek(first - lead)
        samples = file.read(lead + count, dtype="float32", always_2d=True)[lead:]
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{path}: damaged or truncated ({error})") from None
    if len(samples) < count:
        raise AudioError(f"{path}: truncated: {len(samples)} samples where {count} were announced")
    wave = np.ascontiguousarray(samples[:, 0]) if samples.shape[1] == 1 else samples.mean(axis=1)
    if not np.isfinite(wave).all():
        place = int(np.flatnonzero(~np.isfinite(wave))[0])
        raise AudioError(f"{path}: sample {first + place} is {wave[place]}")
    return wave


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
    from torchaudio.transforms import Resample

    return Resample(old, new)
