"""What a microphone in a room makes of a dry voice: reverberation, coloured noise, a level; and resampling before."""

from __future__ import annotations

import math

import numpy as np


def resample(wave: np.ndarray, old: int, new: int) -> np.ndarray:
    """The wave at rate `new`, by cutting its spectrum at the lower Nyquist frequency: ceil(N new / old) samples.

    Zeros are appended until both lengths are whole numbers, so the ends wrap around into silence.
    """
    divisor = math.gcd(old, new)
    step, fine = old // divisor, new // divisor
    blocks = -(-len(wave) // step) + 1
    spectrum = np.fft.rfft(wave, blocks * step)[: blocks * min(step, fine) // 2 + 1]
    length = -(-len(wave) * new // old)
    return np.fft.irfft(spectrum, blocks * fine)[:length] * (fine / step)


def trim(wave: np.ndarray, rate: int, below: float = 40.0) -> np.ndarray:
    """The wave without what lies more than `below` dB under its peak at both ends, 20 ms of margin kept."""
    loud = np.flatnonzero(np.abs(wave) > np.abs(wave).max() * 10 ** (-below / 20))
    margin = rate // 50
    return wave[max(loud[0] - margin, 0) : loud[-1] + 1 + margin]


def reverberate(wave: np.ndarray, rate: int, decay: float, direct: float, generator: np.random.Generator) -> np.ndarray:
    """The wave in a room: itself and a tail of white noise whose energy decays by 60 dB in `decay` seconds.

    direct: energy of the direct sound over that of the tail, in dB. The result is longer by half of `decay`.
    """
    times = np.arange(1, round(decay * rate) + 1) / rate
    tail = generator.standard_normal(len(times)) * 10.0 ** (-3 * times / decay)
    tail *= math.sqrt(10 ** (-direct / 10) / _energy(tail))
    response = np.concatenate([[1.0], tail])
    size = _power_of_two(len(wave) + len(times))
    heard = np.fft.irfft(np.fft.rfft(wave, size) * np.fft.rfft(response, size), size)
    return heard[: len(wave) + len(times) // 2]


def add_noise(wave: np.ndarray, snr: float, colour: float, generator: np.random.Generator) -> np.ndarray:
    """The wave in noise of a power spectrum ~ 1 / f^colour (0 white, 1 pink), at `snr` dB below its mean power.

    The spectrum is flat below an 80th of the Nyquist frequency (50 Hz at 8 kHz), where there is no speech to mask.
    """
    size = _power_of_two(len(wave))
    frequencies = np.maximum(np.arange(size // 2 + 1), size // 160)
    shape = frequencies ** (-colour / 2)
    noise = np.fft.irfft(np.fft.rfft(generator.standard_normal(size)) * shape, size)[: len(wave)]
    power = _energy(wave) * 10 ** (-snr / 10)
    return wave + noise * math.sqrt(power / _energy(noise))


def to_level(wave: np.ndarray, level: float, ceiling: float = 0.95) -> np.ndarray:
    """The wave at `level` dB of full scale (RMS), or lower where its peak would pass `ceiling`."""
    gain = 10 ** (level / 20) / math.sqrt(_energy(wave) / len(wave))
    return wave * min(gain, ceiling / float(np.abs(wave).max()))


def _energy(wave: np.ndarray) -> float:
    """The sum of squares; not by BLAS, whose threads cost more than they do here, and whose result they change."""
    return float(np.square(wave).sum())


def _power_of_two(least: int) -> int:
    """A length that transforms fast."""
    return 1 << (least - 1).bit_length()
