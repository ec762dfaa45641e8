"""What the trainings of a run wrote to TensorBoard, read again for plots."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

Curves = Mapping[str, pl.DataFrame]  # name of a scalar -> columns update and value, by update


def curves(model: Path) -> Curves:
    """The scalars of one training, by the model's folder; none where it wrote none.

    Updates that a crash lost and a resumed training made again count once, with what the latter wrote.
    """
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = model / "tensorboard"
    if not folder.exists():
        return {}
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})  # 0: all of them, not a sample
    events.Reload()
    return {name: _table([(e.step, e.value) for e in events.Scalars(name)]) for name in events.Tags()["scalars"]}


def _table(points: list[tuple[int, float]]) -> pl.DataFrame:
    table = pl.DataFrame(points, schema={"update": pl.Int64, "value": pl.Float64}, orient="row")
    return table.unique("update", keep="last").sort("update")
