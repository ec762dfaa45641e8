"""Memory that is freed stays with the process."""

import platform
import subprocess
import sys

import pytest

# resident bytes before a large allocation, while it is held and after it is freed
_PROGRAM = """
import ctypes, sys
from pathlib import Path
from nst_asr.speech.memory import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
before = resident()
piece = library.malloc(ctypes.c_size_t(200_000_000))
ctypes.memset(piece, 1, 200_000_000)
library.free(ctypes.c_void_p(piece))
print(resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone has the setting")
@pytest.mark.parametrize(("setting", "kept"), [("keep", True), ("default", False)])
def test_freed_memory_stays_with_the_process_when_asked_for(setting: str, kept: bool) -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM, setting], capture_output=True, text=True, check=True)
    assert (int(done.stdout) > 150_000_000) == kept
