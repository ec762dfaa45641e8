"""How each model of a run was trained: the curves that fit() wrote, thinned, and what they come to."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import count, takewhile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from nst_asr.curves import Curves, curves
from nst_asr.results.plan_of import plan_of
from nst_asr.results.planned_share import planned_share
from nst_asr.store import part_of

POINTS = 200  # of a curve, at most
_SHOWN = ("loss", "learning_rate", "gradient_norm", "pseudo_share", "size_per_second")
_SMOOTHED = 0.05  # of a curve's points on which a smoothed one rests; the learning rate is as it was set
_SURE = 3.0  # standard errors beyond which a change of the loss is none of chance
_FEWEST = 3  # points in a tenth of the updates for a change to be told


def training(run: Path, generations: Sequence[Mapping[str, Any]], corpus: Mapping[str, Any]) -> dict[str, Any]:
    """The trainings by the folder of their generation, `gen0`, `gen1`, ..., `oracle`, also one that is not over yet.

    A second training of a model stands under `gen1/NAME`. Of older versions the share of pseudo-labels is worked out,
    and the throughput unknown. Docs/results.md has the keys.
    """
    plan = plan_of(run)
    found = {}
    for part, folder in _models(run):
        finished = folder.exists()
        folder = folder if finished else part_of(folder)
        for at in (folder, *sorted(path.parent for path in folder.glob("*/tensorboard"))):
            if written := curves(at):
                key, second = (part, None) if at == folder else (f"{part}/{at.name}", at.name)
                planned = _planned(plan, part, generations, corpus, second)
                found[key] = {"title": _title(part, second), "finished": finished, **trained(written, planned)}
    return found


def _models(run: Path) -> Iterator[tuple[str, Path]]:
    """The folder of each generation, and where its model is or is to be."""
    yield "gen0", run / "gen0/student"
    for folder in takewhile(Path.exists, (run / f"gen{number}" for number in count(1))):
        yield folder.name, folder / "4-student"
    yield "oracle", run / "oracle/student"


def _title(part: str, second: str | None) -> str:
    title = {"gen0": "teacher", "oracle": "oracle"}.get(part) or f"generation {part.removeprefix('gen')}"
    return f"{title}, {second}" if second else title


def trained(written: Curves, planned: Mapping[str, Any]) -> dict[str, Any]:
    """One training: what was `planned`, its last update, how its loss went, and the curves that fit() has `written`."""
    if "pseudo_share" not in written:
        written = {**written, **_share_of_older(written)}
    loss, norms = written.get("loss"), written.get("gradient_norm")
    clip = planned["clip"]
    return {
        **planned,
        "updates": max(int(points["update"][-1]) for points in written.values()),
        "clipped": float((norms["value"] > clip).mean()) if clip and norms is not None else None,
        "trend": trend(loss["value"].to_numpy()) if loss is not None else None,
        "curves": {name: thinned(written[name], smooth=name != "learning_rate") for name in _SHOWN if name in written},
    }


def thinned(points: pl.DataFrame, *, smooth: bool = True) -> dict[str, Any]:
    """A curve of at most POINTS points, with what it comes to.

    `update`, `value`: stretches of equally many points of those written, at their last update; their mean, smoothed by
    a moving average over a twentieth of the stretches. `low`, `high`: least and greatest in a stretch, without which a
    spike would be lost. `points`: that were written; `first`, `last`, `mean`: means over the first tenth of them, the
    last, and all; `lowest`, `highest` of all, and `lowest_at`, `highest_at`, their updates.
    """
    updates, values = points["update"].to_numpy(), points["value"].to_numpy()
    cuts = np.linspace(0, len(values), min(len(values), POINTS) + 1).astype(int)
    begins, sizes = cuts[:-1], np.diff(cuts)
    sums = np.add.reduceat(values, begins)
    means = _smoothed(sums, sizes) if smooth else sums / sizes
    tenth = max(len(values) // 10, 1)
    lowest, highest = int(values.argmin()), int(values.argmax())
    return {
        "update": updates[cuts[1:] - 1].tolist(),
        "value": _digits(means),
        "low": _digits(np.minimum.reduceat(values, begins)),
        "high": _digits(np.maximum.reduceat(values, begins)),
        "points": len(values),
        "first": float(values[:tenth].mean()),
        "last": float(values[-tenth:].mean()),
        "mean": float(values.mean()),
        **{"lowest": float(values[lowest]), "lowest_at": int(updates[lowest])},
        **{"highest": float(values[highest]), "highest_at": int(updates[highest])},
    }


def _smoothed(sums: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """The mean of the points in the stretches around each stretch; at the ends there are fewer on one side."""
    reach = round(len(sums) * _SMOOTHED / 2)
    places = np.arange(len(sums))
    low, high = np.maximum(places - reach, 0), np.minimum(places + reach + 1, len(sums))
    totals, numbers = (np.concatenate([[0], np.cumsum(each)]) for each in (sums, sizes))
    return np.asarray((totals[high] - totals[low]) / (numbers[high] - numbers[low]))


def trend(losses: np.ndarray) -> dict[str, Any] | None:
    """How the loss changed from the tenth of the points before the last one to the last; None of too few points.

    `change` is relative; `state` is falling or rising where it is more than three standard errors of the difference
    of the two means, as if points were independent of one another, else level.
    """
    tenth = len(losses) // 10
    if tenth < _FEWEST:
        return None
    before, last = losses[-2 * tenth : -tenth], losses[-tenth:]
    difference = float(last.mean() - before.mean())
    error = math.sqrt((before.var(ddof=1) + last.var(ddof=1)) / tenth)
    state = "level" if abs(difference) <= _SURE * error else "falling" if difference < 0 else "rising"
    mean = float(before.mean())
    return {
        "before": mean,
        "last": float(last.mean()),
        "change": difference / abs(mean) if mean else 0.0,
        "state": state,
    }


def _planned(
    plan: Mapping[str, Any],
    part: str,
    generations: Sequence[Mapping[str, Any]],
    corpus: Mapping[str, Any],
    second: str | None,
) -> dict[str, Any]:
    """What the plan has for a training: updates, largest gradient norm, share of pseudo-labels; None where unknown.

    The updates of an oracle that started warm are those of several generations, and not told.
    """
    turns, number = plan.get("generations") or [], _number(part, generations)
    turn = turns[number - 1] if 0 < number <= len(turns) else {}
    train = (plan.get("teacher") if part == "gen0" else turn.get("student")) or {}
    fit = (train if second is None else train.get("fine_tune") or {}).get("fit") or {}
    warm = part == "oracle" and turn.get("init") == "teacher"
    pseudo, labeled = _pseudo_hours(part, number, generations, corpus), float(corpus["labeled"]["hours"])
    share = 0.0 if part == "gen0" or second else planned_share(turn, pseudo, labeled)
    return {
        "planned_updates": None if warm else fit.get("updates"),
        "clip": fit.get("clip"),
        "planned_pseudo_share": share,
    }


def _number(part: str, generations: Sequence[Mapping[str, Any]]) -> int:
    """Of the generation whose plan a training followed: the oracle's is that of the last student."""
    return len(generations) - 1 if part == "oracle" else int(part.removeprefix("gen"))


def _pseudo_hours(
    part: str, number: int, generations: Sequence[Mapping[str, Any]], corpus: Mapping[str, Any]
) -> float | None:
    """Hours with copies that a training draws pseudo-labels from; of the oracle, all of the pool."""
    if part == "oracle":
        return float(corpus["unlabeled"]["hours"])
    return float(generations[number]["copied_hours"]) if number < len(generations) else None


def _share_of_older(written: Curves) -> dict[str, pl.DataFrame]:
    """The share of pseudo-labels by the sizes of both sources, which alone older versions wrote."""
    labeled, pseudo = (
        next((points for name, points in written.items() if name.endswith(f"_{source}")), None)
        for source in ("labeled", "pseudo")
    )
    if labeled is None and pseudo is None:
        return {}
    sizes = [
        points.rename({"value": name})
        for points, name in ((labeled, "labeled"), (pseudo, "pseudo"))
        if points is not None
    ]
    table = sizes[0] if len(sizes) == 1 else sizes[0].join(sizes[1], on="update", how="inner")
    own = pl.col("pseudo") if pseudo is not None else pl.lit(0.0)
    total = pl.sum_horizontal(name for name in ("labeled", "pseudo") if name in table.columns)
    return {"pseudo_share": table.filter(total > 0).select("update", value=own / total).sort("update")}


def _digits(values: np.ndarray) -> list[float]:
    """Six digits: more than a plot shows."""
    return [float(f"{value:.6g}") for value in values]
