"""Decoded images, kept in memory while they fit."""

from __future__ import annotations

from collections.abc import Iterable
from threading import Lock

import numpy as np

from nst_asr.vision.images import read


class Gallery:
    """Images by path: each decoded once as long as those asked for fit into a budget. Threads may share it."""

    def __init__(self, megabytes: int = 0) -> None:
        self._left = megabytes * 2**20
        self._kept: dict[str, np.ndarray] = {}
        self._lock = Lock()

    def images(self, paths: Iterable[str]) -> list[np.ndarray]:
        """The images, uint8 (H, W, 3) each; not to be written to. Raises ImageError."""
        return [self._image(path) for path in paths]

    def _image(self, path: str) -> np.ndarray:
        found = self._kept.get(path)
        if found is None:
            found = read(path)
            with self._lock:
                if path not in self._kept and found.nbytes <= self._left:
                    self._left -= found.nbytes
                    self._kept[path] = found
        return found

    def __reduce__(self) -> tuple[type[Gallery], tuple[int]]:
        return Gallery, (0,)  # another process begins with an empty one, and keeps none
