"""The process behind a `espeak.Voice`: reads texts, writes samples. It loads the library, and little else.

    python mouth.py ACCENT+VARIANT

First it writes one 32-bit integer, the rate. Then for each line of standard input, JSON [text, seed, speed, pitch,
spread], it writes a 32-bit number of samples and these, 16 bits each. Byte order is the machine's.
"""

from __future__ import annotations

import ctypes
import json
import struct
import sys
from typing import Any

import espeakng_loader

_SYNCHRONOUS = 2  # audio goes to the callback, and synthesis returns when it is complete
_DONT_EXIT = 0x8000  # on failure, return instead of ending the process
_POSITION_CHARACTER, _UTF8 = 1, 1
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4
_QUIET = 30  # of 100: at the default volume some variants overflow 16 bits inside the library

_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


def main(name: str) -> None:
    """Serve standard input until it ends."""
    heard = bytearray()

    def hear(samples: int | None, count: int, _events: int | None) -> int:
        if samples and count > 0:
            heard.extend(ctypes.string_at(samples, 2 * count))
        return 0

    callback = _CALLBACK(hear)  # named, so that it lives as long as the library's pointer to it
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    system = ctypes.CDLL(None)  # where the library finds `rand`, the source of its breath
    rate = library.espeak_Initialize(_SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), _DONT_EXIT)
    if rate <= 0:
        sys.exit("espeak-ng does not start")
    library.espeak_SetSynthCallback(callback)
    if library.espeak_SetVoiceByName(name.encode()):
        sys.exit(f"espeak-ng has no voice {name}")
    library.espeak_SetParameter(_VOLUME, _QUIET, 0)
    _write(struct.pack("=i", rate))
    for line in sys.stdin:
        text, seed, speed, pitch, spread = json.loads(line)
        library.espeak_ng_SetRandSeed(ctypes.c_long(seed))
        system.srand(ctypes.c_uint(seed))
        heard.clear()
        _say(library, text, {_RATE: speed, _PITCH: pitch, _RANGE: spread})
        _write(struct.pack("=i", len(heard) // 2) + heard)


def _say(library: Any, text: str, parameters: dict[int, int]) -> None:
    for parameter, value in parameters.items():
        library.espeak_SetParameter(parameter, value, 0)
    content = text.encode() + b"\0"
    library.espeak_Synth(content, len(content), 0, _POSITION_CHARACTER, 0, _UTF8, None, None)


def _write(content: bytes) -> None:
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(sys.argv[1])
