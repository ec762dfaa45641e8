"""How much a training gets through in a second, measured from one look to the next."""

from __future__ import annotations

import time


class Throughput:
    """Adds up the sizes of batches: seconds of audio, or images. The clock runs from the start and from each look."""

    def __init__(self) -> None:
        self._size, self._began = 0.0, time.monotonic()

    def add(self, size: float) -> None:
        """Count a batch as done."""
        self._size += size

    def since(self) -> dict[str, float]:
        """`size_per_second` since the look before, whose place this one takes; nothing where nothing had a size."""
        now = time.monotonic()
        size, seconds = self._size, max(now - self._began, 1e-9)
        self._size, self._began = 0.0, now
        return {"size_per_second": size / seconds} if size else {}
