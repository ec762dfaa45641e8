"""Progress of long work: a bar with rate and time left on a terminal, plain lines in a log."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from types import TracebackType

from tqdm import tqdm

from nst_asr.ranks import rank

log = logging.getLogger("nst_asr")


class Progress:
    """Counts the pieces of one long piece of work as they are done.

    size: of all that is left, where pieces differ in what they cost; the time left then goes by size, not by number,
    and the size done in a second stands beside the rate, as `tell_pace` puts it.
    """

    def __init__(
        self,
        title: str,
        total: int,
        unit: str,
        *,
        start: int = 0,
        every_seconds: float = 30.0,
        size: float = 0.0,
        tell_pace: Callable[[float], str] = "{:.3g} a second".format,
    ) -> None:
        self.title, self.total, self.unit, self.every_seconds = title, total, unit, every_seconds
        self.start = self.done = start
        self.size, self.done_size, self.tell_pace = size, 0.0, tell_pace
        self._began = self._said = time.monotonic()
        on_terminal = sys.stderr.isatty() and rank() == 0
        self._bar = tqdm(total=total, initial=start, desc=title, unit=unit, leave=False) if on_terminal else None

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
        if kind is None and self.done > self.start:
            pace = f", {self._pace()}" if self.size else ""
            log.info(
                "%s: %d %s in %.1f s%s",
                *(self.title, self.done - self.start, _plural(self.unit), self._seconds(), pace),
            )

    def advance(self, pieces: int = 1, note: str = "", size: float = 0.0) -> None:
        """Count `pieces` more as done, of this size in all; `note` goes beside the rate."""
        self.done += pieces
        self.done_size += size
        note = ", ".join(filter(None, (self._pace() if self.size else "", note)))
        if self._bar is not None:
            self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(pieces)
        elif time.monotonic() - self._said >= self.every_seconds and self.done < self.total:
            self._said = time.monotonic()
            rate = (self.done - self.start) / self._seconds()
            log.info(
                "%s: %d of %d %s, %.2f a second, %.0f s left%s",
                *(self.title, self.done, self.total, _plural(self.unit), rate, self.seconds_left()),
                f", {note}" if note else "",
            )

    def seconds_left(self) -> float:
        """On the clock, at the rate so far: by size where that is known, else by number."""
        if self.size and self.done_size:
            return (self.size - self.done_size) / self.done_size * self._seconds()
        return (self.total - self.done) / (self.done - self.start) * self._seconds()

    def _pace(self) -> str:
        return self.tell_pace(self.done_size / self._seconds())

    def _seconds(self) -> float:
        return max(time.monotonic() - self._began, 1e-9)


def _plural(unit: str) -> str:
    return unit if unit.endswith("s") else f"{unit}s"
