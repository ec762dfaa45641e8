"""The scalars that a training writes for TensorBoard, read as they come: what has been read is not read again."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nst_asr.event_files import event_files, events

KEPT = 200  # points of a scalar in memory; TensorBoard and the report have all


@dataclass(frozen=True)
class Point:
    """One value of a scalar: after which update, and when, in seconds since 1970."""

    update: int
    when: float
    value: float


class Events:
    """The last points of each scalar in the TensorBoard folder of one training.

    Where a resumed training says which updates it makes again, the points of these are dropped, as TensorBoard does.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.scalars: dict[str, deque[Point]] = {}
        self._begun = 0  # the first update of the process that wrote last
        self._read: dict[Path, int] = {}  # bytes of each file

    def look(self) -> None:
        """Read what has come since the last look."""
        for path in event_files(self.folder):
            for event, end in events(path, self._read.get(path, 0)):
                self._read[path] = end
                self._take(event)

    def last(self, name: str) -> float | None:
        """The newest value of a scalar; None where there is none."""
        points = self.scalars.get(name)
        return points[-1].value if points else None

    def recent(self, name: str, count: int = 20) -> list[Point]:
        """The newest points of a scalar, the oldest first."""
        return list(self.scalars.get(name, ()))[-count:]

    def pace(self, name: str) -> float | None:
        """Updates a second over the newest points of a scalar, those from before a resumption left out."""
        points = [point for point in self.recent(name) if point.update >= self._begun]
        if len(points) < 2 or points[-1].when <= points[0].when:
            return None
        return (points[-1].update - points[0].update) / (points[-1].when - points[0].when)

    def _take(self, event: Any) -> None:
        if event.HasField("session_log") and event.session_log.status == event.session_log.START:
            self._begun = event.step
            for name, points in self.scalars.items():
                self.scalars[name] = deque((point for point in points if point.update < event.step), KEPT)
        for value in event.summary.value:
            if value.HasField("simple_value"):
                points = self.scalars.setdefault(value.tag, deque(maxlen=KEPT))
                points.append(Point(event.step, event.wall_time, value.simple_value))
