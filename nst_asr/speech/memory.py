"""Freed memory kept for the next training step instead of handed back to the system."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # glibc's malloc.h


def keep_freed_memory() -> bool:
    """Whether this process keeps from now on, for its own later use, the memory that it frees.

    A training step on a CPU allocates what the step before it freed. By default glibc hands large pieces back in
    between, and the system has to zero them again, page by page: about a sixth of a small Conformer's step. The price
    is that the process stays as large as it once was. False where the C library is not glibc, or glibc refuses.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return bool(mallopt(_M_MMAP_MAX, 0)) and bool(mallopt(_M_TRIM_THRESHOLD, -1))
