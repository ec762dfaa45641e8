"""The plots of a generation's filter: waterfall, scores, risk and coverage, reliability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from nst_asr.plots import draw_surface, panels
from nst_asr.report.drawing import FAINT, INK, SERIES, plot
from nst_asr.terms import Terms

_OWN, _CALIBRATED, _KEPT, _CUT = SERIES[1], SERIES[0], SERIES[2], SERIES[4]

Values = Mapping[str, Any]


def waterfall(filtered: Values, terms: Terms, number: int) -> Markup:
    """What each rule left, and what it took away, in the order of the rules."""
    steps = filtered["waterfall"]
    unit = 3600 / terms.unit

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        names = ["all", *(step["rule"] for step in steps)]
        left = [unit * hours for hours in ((filtered["hours"] or 0.0), *(step["left_hours"] for step in steps))]
        gone = [0.0, *(unit * step["hours"] for step in steps)]
        axes.barh(names, left, color=_KEPT, height=0.6, label="left")
        axes.barh(names, gone, left=left, color=FAINT, height=0.6, label="rejected by the rule")
        axes.set(xlabel=terms.amount)
        axes.invert_yaxis()

    alt = f"{terms.amount} of labels left after each rule of the filter of generation {number}"
    return plot(f"waterfall-gen{number}", alt, draw, (5.6, 1.2 + 0.3 * len(steps)))


def scores(histogram: Values, cutoffs: Sequence[Values], number: int) -> Markup:
    """How a measure of the kept and of the rejected labels is spread, with the cut-offs of that measure."""
    measure = histogram["measure"]
    title = measure.replace("_", " ")

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        edges, kept, rejected = (np.array(histogram[name]) for name in ("edges", "kept", "rejected"))
        axes.stairs(kept, edges, fill=True, color=_KEPT, label="kept")
        axes.stairs(kept + rejected, edges, baseline=kept, fill=True, color=FAINT, label="rejected")
        for each in cutoffs:
            if each["measure"] == measure and edges[0] <= each["value"] <= edges[-1]:
                axes.axvline(each["value"], color=_CUT, linestyle="--", label=f"cut-off ({each['key']})")
        axes.set(xlabel=title, ylabel="labels")

    alt = f"{title} of kept and rejected labels of generation {number}"
    return plot(f"scores-{measure.replace('_', '-')}-gen{number}", alt, draw)


def risk(gauge: Values, terms: Terms, number: int) -> Markup:
    """How much of dev is kept against the error of what is kept, for several measures, with the chosen cut-offs."""

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        marked = {mark["measure"] for mark in gauge["marks"]}
        for name, curve in gauge["curves"].items():
            width = 2.0 if name in marked else 1.1
            axes.plot(curve["coverage"], curve["rate"], linewidth=width, label=name.replace("_", " "))
        for mark in gauge["marks"]:
            if mark["rate"] is not None:
                axes.plot(mark["coverage"], mark["rate"], "o", color=INK, zorder=5)
                text = (mark["coverage"], mark["rate"])
                axes.annotate("cut-off", text, xytext=(0, 8), textcoords="offset points", ha="center")
        axes.set(xlabel=f"share of dev's {terms.amount} kept", ylabel=f"{terms.error} of what is kept", ylim=(0, None))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(PercentFormatter(1))
        axes.grid()

    return plot(f"risk-gen{number}", f"risk against coverage on dev, generation {number}", draw, (5.6, 3.8))


def reliability(gauge: Values, terms: Terms, number: int) -> Markup | None:
    """Probabilities against the share of labels that is right; None where dev could not calibrate."""
    drawn = [
        (gauge[name], label, color)
        for name, label, color in (("before", "the labels' own", _OWN), ("after", "calibrated", _CALIBRATED))
        if gauge[name]
    ]
    if not drawn:
        return None

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color=FAINT, linestyle=":", label="perfect")
        for found, label, color in drawn:
            _bins(axes, found["bins"], label, color)
        axes.set(xlabel="confidence", ylabel=f"share of {terms.example}s right", xlim=(0, 1), ylim=(0, 1.02))
        axes.grid()

    return plot(f"reliability-gen{number}", f"confidence against what is right, generation {number}", draw, (5.6, 3.4))


def _bins(axes: Axes, bins: Sequence[Values], label: str, color: str) -> None:
    places, shares, low, high = (
        np.array([each[key] for each in bins]) for key in ("probability", "right", "low", "high")
    )
    around = np.maximum([shares - low, high - shares], 0)
    axes.errorbar(places, shares, yerr=around, fmt="o-", markersize=3, color=color, label=label)


def fusion(found: Values, number: int) -> Markup | None:
    """The error rate on dev over the weights of the language model; None where the task told no surface."""
    if not found["surface"]:
        return None
    size = 4.5 * len(panels(found)), 3.4
    alt = f"error rate on dev over the weights of the language model, generation {number}"
    return plot(f"fusion-gen{number}", alt, lambda figure: draw_surface(figure, found), size)
