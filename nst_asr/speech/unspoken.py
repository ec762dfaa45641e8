"""Speech that a label passes over: the most voiced audio between two tokens that follow each other.

N samples, T frames after subsampling.
"""

from __future__ import annotations

import numpy as np

from nst_asr.speech.vad import speech_in


def unspoken(wave: np.ndarray, rate: int, path: np.ndarray, stride: float) -> float:
    """Seconds of the most voiced audio between two tokens that follow each other, before the first, or after the last.

    wave: (N,) samples at `rate`; path: (T,) of `alignment.align`, -1 where a frame carries no token; stride: seconds
    from one of its frames to the next. A CTC token is a spike of a frame or two, wherever in the word the model likes
    it, so some tenths of a second are nothing; a second and more, when other labels have less, is a word or a phrase
    that is missing. Pauses do not count: `vad.speech_in` says what is voiced. Of a label without tokens it is all that.
    """
    voiced, frame = speech_in(wave, rate)
    carrying = np.flatnonzero(path >= 0)
    begins = np.concatenate([[0.0], (carrying + 1) * stride])
    ends = np.concatenate([carrying * stride, [len(wave) / rate]])
    so_far = np.concatenate([[0.0], np.cumsum(voiced)]) * frame  # seconds of voiced audio until the end of each frame
    places = np.arange(len(so_far)) * frame
    gaps = np.interp(ends, places, so_far) - np.interp(begins, places, so_far)
    return max(float(gaps.max()), 0.0)
