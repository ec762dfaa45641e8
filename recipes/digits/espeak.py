"""A voice of espeak-ng: text in, wave out, through the shared library that the `espeakng-loader` wheel brings."""

from __future__ import annotations

import ctypes
from pathlib import Path

import espeakng_loader
import numpy as np

_SYNCHRONOUS = 2  # audio goes to the callback, and synthesis returns when it is complete
_DONT_EXIT = 0x8000  # on failure, return instead of ending the process
_POSITION_CHARACTER, _UTF8 = 1, 1
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4
_QUIET = 30  # of 100: at the default volume some variants overflow 16 bits inside the library

_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class SpeechError(RuntimeError):
    """A voice that is not there, or that gives no sound."""


class Voice:
    """One voice, an accent in the coat of a variant, that says texts.

    The library is one for the whole process, and its echo and flutter run on from text to text: what a voice says is
    reproduced only by saying the same texts, with the same seeds, in the same order in a fresh process. Hence one
    voice for each process.
    """

    def __init__(self, accent: str, variant: str) -> None:
        """accent: path of a language file such as `gmw/en-US`; variant: such as `f3`. Raises SpeechError."""
        data = Path(espeakng_loader.get_data_path())
        if not (data / "voices" / "!v" / variant).is_file():
            raise SpeechError(f"{variant}: no such variant in {data}")  # the library would take the plain voice
        self.name = f"{accent}+{variant}"
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        self._system = ctypes.CDLL(None)  # where the library finds `rand`, the source of its breath
        self._heard: list[np.ndarray] = []
        self._callback = _Callback(self._hear)  # kept: the library holds but a pointer to it
        self.rate = int(self._library.espeak_Initialize(_SYNCHRONOUS, 0, str(data).encode(), _DONT_EXIT))
        if self.rate <= 0:
            raise SpeechError(f"espeak-ng does not start with the data in {data}")
        self._library.espeak_SetSynthCallback(self._callback)
        if self._library.espeak_SetVoiceByName(self.name.encode()):
            raise SpeechError(f"{self.name}: espeak-ng has no such voice")
        self._library.espeak_SetParameter(_VOLUME, _QUIET, 0)

    def say(self, text: str, *, seed: int, speed: int = 175, pitch: int = 50, spread: int = 50) -> np.ndarray:
        """The text as a wave: float64, shape (N,), in [-1, 1], `self.rate` samples a second.

        seed: of the noise in the voice, 31 bits count. speed: words a minute, 80 to 450. pitch, spread (the range of the pitch): 0 to 100, 50 is the voice's own.
        Raises SpeechError for silence and for samples at the limits.
        """
        self._library.espeak_ng_SetRandSeed(ctypes.c_long(seed & 0x7FFFFFFF))
        self._system.srand(ctypes.c_uint(seed & 0x7FFFFFFF))
        for parameter, value in ((_RATE, speed), (_PITCH, pitch), (_RANGE, spread)):
            self._library.espeak_SetParameter(parameter, value, 0)
        self._heard.clear()
        content = text.encode() + b"\0"
        self._library.espeak_Synth(content, len(content), 0, _POSITION_CHARACTER, 0, _UTF8, None, None)
        samples = np.concatenate(self._heard) if self._heard else np.zeros(0, np.int16)
        peak = int(np.abs(samples.astype(np.int32)).max(initial=0))
        if not 100 < peak < 32767:
            raise SpeechError(f"{self.name} says {text!r} with a peak of {peak}, which is silence or clipped")
        return samples / 32768.0

    def _hear(self, samples: ctypes._Pointer[ctypes.c_short], count: int, _events: int | None) -> int:
        if count > 0:
            self._heard.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0
