"""What a run was made on: the machine, its processor, its memory, its GPUs."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from nst_asr.ranks import world

_ASKED = ("name", "memory.total", "driver_version")  # of each GPU; memory in MiB
_PATIENCE = 20.0  # seconds: a driver in trouble must not keep a run from beginning


def hardware() -> dict[str, Any]:
    """The machine as plain values: memory in MiB, `gpus` a list, empty where the driver knows none.

    `processes` is the number of those that torchrun started, or 1; on several machines only rank 0's is described.
    """
    return {
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "memory_mb": _memory_mb(),
        "gpus": _gpus(),
        "processes": world(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _memory_mb() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20)
    except (ValueError, OSError):
        return None  # a system that does not tell


def _gpus() -> list[dict[str, Any]]:
    """What the driver's own program says: a process that asked through torch would hold memory on each GPU."""
    command = ["nvidia-smi", f"--query-gpu={','.join(_ASKED)}", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_PATIENCE).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    rows = [[cell.strip() for cell in line.split(",")] for line in told.splitlines()]
    return [{"name": row[0], "memory_mb": _number(row[1]), "driver": row[2]} for row in rows if len(row) == len(_ASKED)]


def _number(text: str) -> float | None:
    return float(text) if text.replace(".", "", 1).isdigit() else None  # [N/A] on machines that share their memory
