"""Training: its curves, and whether more of it would have helped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, PercentFormatter

from nst_asr.report.drawing import FAINT, INK, SERIES, plot
from nst_asr.report.material import Material
from nst_asr.terms import Terms

NAME, TITLE = "training", "Training"

_STYLES = ("-", "--", ":", "-.")  # one for each time that the colours are used up

Trainings = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class _Kind:
    """A scalar's name in results.json and in the page, its axis, and whether it spans orders of magnitude."""

    scalar: str
    title: str
    label: str
    logarithmic: bool = False


def context(material: Material) -> dict[str, Any] | None:
    """The trainings, the last student's key among them, and a plot of each scalar that any of them has."""
    trainings: Trainings = material.results.get("training") or {}
    if not trainings:
        return None
    drawn = {kind.scalar: (kind.title, _drawn(kind, trainings, material.terms)) for kind in _kinds(material.terms)}
    return {
        "keys": list(trainings),
        "main": _main(list(trainings)),
        "plots": {scalar: found for scalar, found in drawn.items() if found[1] is not None},
    }


def _main(keys: Sequence[str]) -> str:
    """The training that the sentences are about: that of the last student, or the teacher's where there is none."""
    first = [key for key in keys if "/" not in key and key != "oracle"]
    return (first or list(keys))[-1]


def _kinds(terms: Terms) -> tuple[_Kind, ...]:
    return (
        _Kind("loss", "Loss", "loss, nats", logarithmic=True),
        _Kind("learning_rate", "Learning rate", "learning rate"),
        _Kind("gradient_norm", "Gradient norm", "norm before clipping", logarithmic=True),
        _Kind("pseudo_share", "Share of pseudo-labeled data", f"share of a batch's {_measured(terms)}"),
        _Kind("size_per_second", "Throughput", f"{terms.amount} a second"),
    )


def _measured(terms: Terms) -> str:
    return terms.amount if terms.unit == 1 else "audio"


def _drawn(kind: _Kind, trainings: Trainings, terms: Terms) -> Markup | None:
    """The curves of all trainings, with the range of what each point stands for; None where there are none."""
    having = [each for each in trainings.values() if kind.scalar in each["curves"]]
    if not having or (kind.scalar == "pseudo_share" and not any(_highest(each, kind.scalar) for each in having)):
        return None  # of teachers alone there is no pseudo-labeled data to show
    unit = terms.unit if kind.scalar == "size_per_second" else 1.0

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for place, (key, each) in enumerate(trainings.items()):
            if kind.scalar in each["curves"]:
                _draw_curve(axes, each, kind.scalar, _look(place, key), lambda values: np.asarray(values) / unit)
        _finish(axes, kind, having)

    names = ", ".join(each["title"] for each in having)
    return plot(f"training-{kind.scalar.replace('_', '-')}", f"{kind.title} by update: {names}", draw, (6.4, 3.1))


def _highest(training: Mapping[str, Any], scalar: str) -> float:
    return float(training["curves"][scalar]["highest"])


def _look(place: int, key: str) -> dict[str, Any]:
    """Colour and line of a training, the same in every plot."""
    if key == "oracle":
        return {"color": INK, "linestyle": "--"}
    laps, color = divmod(place, len(SERIES))
    return {"color": SERIES[color], "linestyle": _STYLES[laps % len(_STYLES)]}


def _draw_curve(
    axes: Axes,
    training: Mapping[str, Any],
    scalar: str,
    look: Mapping[str, Any],
    scaled: Callable[[Sequence[float]], np.ndarray],
) -> None:
    curve = training["curves"][scalar]
    updates = curve["update"]
    if scalar != "learning_rate":
        low, high = scaled(curve["low"]), scaled(curve["high"])
        axes.fill_between(updates, low, high, color=look["color"], alpha=0.15, linewidth=0.8)
    axes.plot(updates, scaled(curve["value"]), label=training["title"], linewidth=1.6, **look)
    if scalar == "gradient_norm" and training["clip"]:
        axes.axhline(training["clip"], color=FAINT, linewidth=1, linestyle=":")
    planned = training["planned_pseudo_share"]
    if scalar == "pseudo_share" and planned is not None:
        axes.axhline(planned, color=look["color"], linewidth=0.8, linestyle=":")


def _finish(axes: Axes, kind: _Kind, trainings: Sequence[Mapping[str, Any]]) -> None:
    lowest = min(each["curves"][kind.scalar]["lowest"] for each in trainings)
    if kind.logarithmic and lowest > 0:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    elif kind.scalar == "pseudo_share":
        axes.set_ylim(-0.03, 1.03)
        axes.yaxis.set_major_formatter(PercentFormatter(1))
    elif lowest >= 0:
        axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.set(xlabel="update", ylabel=kind.label)
