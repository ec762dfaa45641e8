"""What a reader of a report hears and sees of an utterance: Opus that browsers play, and its mel spectrogram.

Without torch, whose megabytes and seconds a report is better off without: numpy is enough for a picture.

T frames, F mel channels, W samples in a window.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import islice
from pathlib import Path

import matplotlib
import numpy as np
import polars as pl
import soundfile
from PIL import Image

from nst_asr.report.preview import Media, Preview, PreviewError, pool_manifest
from nst_asr.speech.audio import AudioError, header, read
from nst_asr.speech.corpora.manifests import ManifestError, read_manifest
from nst_asr.speech.ogg import same_always

SECONDS = 15.0  # of an utterance that are heard at most
# Samples per second that sounds are brought to, the first for those that have no more. Opus knows higher ones, at three
# times the processor time: what is spoken can be judged by what is below 6 kHz.
_RATES = (8_000, 12_000)
_COMPRESSION = 0.93  # of libsndfile: about 25 kbit/s
_MELS, _HIGHEST = 64, 8_000.0  # channels of the picture, and Hz at its upper edge, for every rate
_WINDOW, _SHIFT = 0.025, 0.020  # seconds
_FLOOR, _RANGE = 1e-9, 16.0  # the least power; nats of it from the darkest to the brightest: 70 dB
_QUALITY = 50  # of WebP
_THREADS = 4
_TOGETHER = 8  # utterances that threads are given at a time: no more are made in vain


def previews(run: Path, sizes: Mapping[str, float]) -> Iterator[Preview | str]:
    """For each id of the pool its sound and spectrogram, or why there is none; at most its first `SECONDS`.

    sizes: seconds by id. Only these utterances are read. Raises PreviewError where there is no manifest any more.
    """
    path = pool_manifest(run)
    try:
        rows = read_manifest(path, labeled=False, measure=False)
    except ManifestError as error:
        raise PreviewError(str(error)) from None
    places = {
        name: (audio, start)
        for name, audio, start in rows.filter(pl.col("id").is_in(list(sizes))).select("id", "path", "start").iter_rows()
    }
    waiting = iter(sizes.items())
    with ThreadPoolExecutor(_THREADS) as pool:
        while batch := list(islice(waiting, _TOGETHER)):
            yield from pool.map(lambda each: _preview(path, places.get(each[0]), each[1]), batch)


def _preview(manifest: Path, place: tuple[str, float] | None, size: float) -> Preview | str:
    if place is None:
        return f"not in {manifest} any more"
    path, start = place
    try:
        rate = header(path).rate
        wave = read(path, rate, start=start, seconds=min(size, SECONDS))
    except AudioError as error:
        return str(error)
    picture = spectrogram(wave, rate)
    height, width, _ = picture.shape
    alt = "mel spectrogram: time from left to right, low tones below"
    sound, seconds = Media("audio/ogg", opus(wave, rate)), len(wave) / rate
    return Preview(Media("image/webp", _webp(picture)), width, height, alt, sound, seconds, whole=size <= SECONDS)


def opus(wave: np.ndarray, rate: int) -> bytes:
    """The wave, float32 of shape (N,), up to 6 kHz, as Opus in Ogg: the same bytes for the same samples."""
    new = _RATES[0] if rate <= _RATES[0] else _RATES[-1]
    wave = resampled(wave, rate, new)
    file = io.BytesIO()
    with soundfile.SoundFile(
        file, "w", samplerate=new, channels=1, format="OGG", subtype="OPUS", compression_level=_COMPRESSION
    ) as out:
        # a second at a time: libsndfile keeps on the stack what it is given at once
        for start in range(0, len(wave), new):
            out.write(wave[start : start + new])
    return same_always(file.getvalue())


def resampled(wave: np.ndarray, old: int, new: int) -> np.ndarray:
    """The wave at rate `new`: its spectrum cut, or continued with zeros. Its ends touch, for some milliseconds."""
    if old == new:
        return wave
    count = max(round(len(wave) * new / old), 1)
    spectrum = np.fft.rfft(wave)
    found = np.zeros(count // 2 + 1, np.complex128)
    shared = min(len(found), len(spectrum))
    found[:shared] = spectrum[:shared]
    return np.asarray(np.fft.irfft(found, count) * (count / len(wave)), np.float32)


def spectrogram(wave: np.ndarray, rate: int) -> np.ndarray:
    """The log-mel power of a wave as a picture: uint8, shape (F, T, 3), low tones at the bottom, 8 kHz at the top."""
    power = log_mel(wave, rate)
    brightness = np.clip(1 + (power - power.max()) / _RANGE, 0, 1)
    return np.asarray(matplotlib.colormaps["magma"](brightness.T[::-1], bytes=True)[..., :3])


def log_mel(wave: np.ndarray, rate: int) -> np.ndarray:
    """Natural log of the power in mel channels, shape (T, F): what `features.log_mel` is, frame by frame."""
    W, shift = round(_WINDOW * rate), round(_SHIFT * rate)
    padded = np.pad(wave, (0, max(0, W - len(wave))))
    size = 1 << (W - 1).bit_length()
    window = np.hanning(W + 1)[:-1]
    frames = np.lib.stride_tricks.sliding_window_view(padded, W)[::shift]
    power = np.abs(np.fft.rfft(frames * window, n=size)) ** 2
    return np.asarray(np.log(np.maximum(power @ _triangles(size, rate), _FLOOR)))


@lru_cache(maxsize=8)
def _triangles(size: int, rate: int) -> np.ndarray:
    """Triangular filters on the HTK mel scale from 0 Hz to `_HIGHEST`: shape (bins of the DFT, F)."""
    tops = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + _HIGHEST / 700), _MELS + 2) / 2595) - 1)  # Hz
    bins = np.arange(size // 2 + 1)[:, None] * rate / size
    rising = (bins - tops[:-2]) / (tops[1:-1] - tops[:-2])
    falling = (tops[2:] - bins) / (tops[2:] - tops[1:-1])
    return np.maximum(np.minimum(rising, falling), 0)


def _webp(picture: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(file, "WEBP", quality=_QUALITY)
    return file.getvalue()
