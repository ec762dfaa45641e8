"""What the trainings of a run wrote to TensorBoard, read again for plots."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from nst_asr.event_files import event_files, events

Curves = Mapping[str, pl.DataFrame]  # name of a scalar -> columns update and value, by update


def curves(model: Path) -> Curves:
    """The scalars of one training, by the model's folder; none where it wrote none. It may still be going on.

    Updates that a crash lost count no more, and those that the resumed training made again count once, with what the
    latter wrote. What is not finite is left out. About 5 microseconds a point.
    """
    found: dict[str, _Points] = {}
    for path in event_files(model / "tensorboard"):
        _read(path, found)
    tables = {name: points.table() for name, points in sorted(found.items())}
    return {name: table for name, table in tables.items() if len(table)}


def _read(path: Path, found: dict[str, _Points]) -> None:
    """Add what is in a file, which begins where its training went on after a crash, if there was one."""
    for event, _ in events(path):
        if event.HasField("session_log") and event.session_log.status == event.session_log.START:
            for points in found.values():
                points.drop_from(event.step)
        for value in event.summary.value:
            if value.HasField("simple_value"):
                found.setdefault(value.tag, _Points()).add(event.step, value.simple_value)


class _Points:
    """The points of one scalar, in the order in which they were written."""

    def __init__(self) -> None:
        self.updates, self.values = array("q"), array("d")

    def add(self, update: int, value: float) -> None:
        self.updates.append(update)
        self.values.append(value)

    def drop_from(self, update: int) -> None:
        """Forget the points of this update and of later ones."""
        kept = [(u, v) for u, v in zip(self.updates, self.values, strict=True) if u < update]
        self.updates, self.values = array("q", [u for u, _ in kept]), array("d", [v for _, v in kept])

    def table(self) -> pl.DataFrame:
        """Columns update and value, by update; of one written twice the latter."""
        columns = {"update": np.array(self.updates), "value": np.array(self.values)}
        table = pl.DataFrame(columns, schema={"update": pl.Int64, "value": pl.Float64})
        return table.filter(pl.col("value").is_finite()).unique("update", keep="last").sort("update")
