"""The largest resident size of this process and of its children: so far, and during one step."""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from typing import Any

# Linux: writing 5 to the one begins anew the high-water mark that the other has. The size of whoever started this
# process is not in it, as it is in ru_maxrss
_RESET, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
_UNIT = 2**20 if sys.platform == "darwin" else 2**10  # of ru_maxrss in one MiB


class PeakMemory:
    """Memory from `PeakMemory()` on, MiB.

    Children count where they needed more than those that ended before: what less they needed the system does not tell.
    """

    def __init__(self) -> None:
        self._children, self._own = _largest(resource.RUSAGE_CHILDREN), 0.0
        self._known = _begin_anew()
        _OPEN.append(self)
        torch = _torch_on_gpu()
        if torch is not None:
            torch.cuda.reset_peak_memory_stats()

    def close(self) -> dict[str, float]:
        """`peak_memory_mb` of the process and of any finished child so far; `step_memory_mb` since the beginning, where
        the system tells; `gpu_memory_mb` that this process held since then on its GPU, where it has one.
        """
        _look()
        _OPEN.remove(self)
        children = _largest(resource.RUSAGE_CHILDREN)
        found = {"peak_memory_mb": max(_so_far(), children, self._own)}
        if self._known:
            found["step_memory_mb"] = max(self._own, children if children > self._children else 0.0)
        if (torch := _torch_on_gpu()) is not None:
            found["gpu_memory_mb"] = torch.cuda.max_memory_reserved() / 2**20
        return {name: round(value, 1) for name, value in found.items()}


_OPEN: list[PeakMemory] = []  # steps lie in one another: what an inner one begins anew, an outer one must not lose
_EARLIER = [0.0]  # the largest size before the last new beginning


def _look() -> None:
    """Tell the open steps, and what outlives them, of the size that the next beginning wipes out."""
    _EARLIER[0] = _so_far()
    now = _high_water()
    for each in _OPEN:
        each._own = max(each._own, now)


def _so_far() -> float:
    return max(_EARLIER[0], _largest(resource.RUSAGE_SELF))


def _begin_anew() -> bool:
    """Whether the system begins the high-water mark of this process anew."""
    _look()
    try:
        _RESET.write_text("5")
    except OSError:
        return False
    return _high_water() > 0


def _high_water() -> float:
    """MiB; 0 where the system does not tell."""
    try:
        lines = _STATUS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0.0
    return next((float(line.split()[1]) / 2**10 for line in lines if line.startswith("VmHWM:")), 0.0)


def _largest(who: int) -> float:
    return resource.getrusage(who).ru_maxrss / _UNIT


def _torch_on_gpu() -> Any:
    """torch where something else has loaded it and uses a GPU by now: the core itself does without."""
    torch = sys.modules.get("torch")
    return torch if torch is not None and torch.cuda.is_initialized() else None
