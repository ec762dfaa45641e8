"""A voice of espeak-ng: text in, wave out, through the shared library that the `espeakng-loader` wheel brings."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path
from types import TracebackType

import espeakng_loader
import numpy as np

_FULL_SCALE = 32768


class SpeechError(RuntimeError):
    """A voice that is not there, or that gives no sound."""


class Voice:
    """One voice, an accent in the coat of a variant, in a process of its own that lives as long as the `with` block.

    The library cannot be used by two threads, and its echo and flutter run on from text to text: what a voice says is
    reproduced only by saying the same texts, with the same seeds, in the same order in a fresh process.
    """

    def __init__(self, accent: str, variant: str) -> None:
        """accent: path of a language file such as `gmw/en-US`; variant: such as `f3`. Raises SpeechError."""
        data = Path(espeakng_loader.get_data_path())
        for file in (data / "lang" / accent, data / "voices" / "!v" / variant):
            if not file.is_file():
                raise SpeechError(f"{file}: no such voice")  # the library would take another instead
        self.name = f"{accent}+{variant}"
        command = [sys.executable, str(Path(__file__).with_name("mouth.py")), self.name]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            self.rate = self._integer()  # samples a second
        except SpeechError:
            self.close()
            raise

    def __enter__(self) -> Voice:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def say(self, text: str, *, seed: int, speed: int = 175, pitch: int = 50, spread: int = 50) -> np.ndarray:
        """The text as a wave: float64, shape (N,), in [-1, 1], `self.rate` samples a second.

        seed: of the noise in the voice; its lowest 31 bits count. speed: words a minute, 80 to 450. pitch, and spread
        (the range of the pitch): 0 to 100, where 50 is the voice's own. Raises SpeechError for silence, for samples at
        the limits, and where the process has died.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps([text, seed & 0x7FFFFFFF, speed, pitch, spread]).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise SpeechError(f"{self.name}: espeak-ng died before {text!r}") from None
        samples = np.frombuffer(self._read(2 * self._integer()), np.int16)
        peak = int(np.abs(samples.astype(np.int32)).max(initial=0))
        if not 100 < peak < _FULL_SCALE - 1:
            raise SpeechError(f"{self.name} says {text!r} with a peak of {peak}: silence, or clipped")
        return samples / _FULL_SCALE

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    def _integer(self) -> int:
        return int(struct.unpack("=i", self._read(4))[0])

    def _read(self, size: int) -> bytes:
        assert self._process.stdout is not None
        content = self._process.stdout.read(size)
        if len(content) < size:
            raise SpeechError(f"{self.name}: espeak-ng died; what it said is above")
        return content
