"""The plots of a report, as PNG bytes."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from nst_asr.curves import Curves
from nst_asr.reliability import Reliability
from nst_asr.risk import RiskCurve
from nst_asr.terms import Terms

_DEV, _TEST, _ORACLE, _REJECTED = "#1f5fa8", "#c2571a", "#3b7d3b", "#b8b8b8"


def rates_over_generations(results: Mapping[str, Any]) -> bytes:
    """The error rate of each generation on dev and test with its interval, and the oracle's as a line."""
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.add_subplot()
    for shift, (on, color) in zip((-0.04, 0.04), (("dev", _DEV), ("test", _TEST)), strict=True):
        points = [(entry["generation"] + shift, entry[on]) for entry in results["generations"] if entry[on]]
        if points:
            places, rates = [place for place, _ in points], np.array([score["rate"] for _, score in points])
            # the percentile interval can leave the rate outside where there are few utterances
            below = np.maximum(0, rates - [score["low"] for _, score in points])
            above = np.maximum(0, [score["high"] for _, score in points] - rates)
            axes.errorbar(places, rates, yerr=[below, above], fmt="o-", color=color, capsize=4, label=on)
        if results["oracle"] and results["oracle"][on]:
            rate = results["oracle"][on]["rate"]
            axes.axhline(rate, color=color, linestyle=":", linewidth=1.2, label=f"oracle on {on}")
    axes.set(xlabel="generation", ylabel="error rate", ylim=(0, None))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    return _png(figure)


def scores_kept_and_rejected(kept: np.ndarray, rejected: np.ndarray, cutoff: float | None, title: str) -> bytes:
    """How the normalised scores of kept and of rejected labels are spread, with the cut-off where there is one.

    Scores beyond the middle 99 % are counted in the outermost bins, so that one odd label does not flatten the rest.
    """
    figure = Figure(figsize=(7, 3), layout="constrained")
    axes = figure.add_subplot()
    together = np.concatenate((kept, rejected))
    if len(together):
        low, high = np.percentile(together, [0.5, 99.5])
        edges = np.linspace(low - 1e-6, high + 1e-6, 41)
        clipped = [np.clip(scores, edges[0], edges[-1]) for scores in (kept, rejected)]
        names = [f"kept ({len(kept)})", f"rejected ({len(rejected)})"]
        axes.hist(clipped, bins=list(edges), stacked=True, color=[_ORACLE, _REJECTED], label=names)
    if cutoff is not None and np.isfinite(cutoff):
        axes.axvline(cutoff, color=_TEST, linestyle="--", label=f"cut-off {cutoff:g}")
    axes.set(xlabel="normalised score", ylabel="labels", title=title)
    return _png(figure)


def fusion_surface(found: Mapping[str, Any]) -> bytes:
    """The error rate over the weights of language models, through the best point; a panel for each two that vary."""
    surface, best = found["surface"], found["best"]
    names = ("weight", "neural_weight", "bonus")
    rates = np.array(surface["rate"])
    tried = [name for name in names if len(surface[name]) > 1]
    panels: list[tuple[str, ...]] = [*combinations(tried, 2)] or [(name,) for name in tried] or [("weight",)]
    figure = Figure(figsize=(4.5 * len(panels), 3.6), layout="constrained")
    for place, panel in enumerate(panels, 1):
        axes = figure.add_subplot(1, len(panels), place)
        here = tuple(slice(None) if name in panel else surface[name].index(best[name]) for name in names)
        labels = [name.replace("_", " ") for name in panel]
        if len(panel) == 1:
            axes.plot(surface[panel[0]], rates[here], "o-", color=_DEV)
            axes.yaxis.set_major_formatter(PercentFormatter(1))
            axes.set(xlabel=labels[0], ylabel="error rate on dev")
            continue
        across, up = panel
        image = axes.pcolormesh(surface[across], surface[up], rates[here].T, shading="nearest", cmap="viridis_r")
        axes.plot(best[across], best[up], "o", color=_TEST, markeredgecolor="white")
        axes.set(xlabel=labels[0], ylabel=labels[1], title="error rate on dev")
        figure.colorbar(image, ax=axes, format=PercentFormatter(1))
    return _png(figure)


def learning_curves(models: Mapping[str, Curves]) -> bytes:
    """Loss and gradient norm over the updates of each model, smoothed over a twentieth of its training."""
    figure = Figure(figsize=(7, 3.2), layout="constrained")
    for place, (name, title) in enumerate((("loss", "training loss"), ("gradient_norm", "gradient norm")), 1):
        axes = figure.add_subplot(1, 2, place)
        for model, curves in models.items():
            if name in curves:
                table = curves[name]
                smooth = table["value"].rolling_mean(max(1, len(table) // 20), min_samples=1)
                axes.plot(table["update"], smooth, linewidth=1.2, label=model)
        axes.set(xlabel="update", title=title)
        axes.title.set_fontsize("small")
        axes.set_yscale("log")
    return _png(figure)


def risk_and_reliability(
    curves: Mapping[str, RiskCurve], before: Reliability | None, after: Reliability | None, terms: Terms
) -> bytes:
    """How much is kept against the error of what is kept, for several measures; and probabilities against outcomes,
    where there are some.
    """
    drawn = [
        (found, name, color)
        for found, name, color in ((before, "own confidence", _TEST), (after, "calibrated, out of fold", _DEV))
        if found
    ]
    figure = Figure(figsize=(9 if drawn else 5, 3.6), layout="constrained")
    axes = figure.add_subplot(1, 1 + bool(drawn), 1)
    for name, curve in curves.items():
        axes.plot(curve.coverage, curve.rates, linewidth=1.2, label=name)
    axes.set(xlabel=f"share of dev's {terms.amount} kept", ylabel=f"{terms.error} of what is kept", ylim=(0, None))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1))
    if drawn:
        _draw_reliability(figure.add_subplot(1, 2, 2), drawn, terms)
    return _png(figure)


def _draw_reliability(axes: Axes, drawn: Sequence[tuple[Reliability, str, str]], terms: Terms) -> None:
    axes.plot([0, 1], [0, 1], color=_REJECTED, linestyle=":")
    for found, name, color in drawn:
        shares = np.array([each.right for each in found.bins])
        around = [shares - [each.low for each in found.bins], [each.high for each in found.bins] - shares]
        places = [each.probability for each in found.bins]
        axes.errorbar(places, shares, yerr=np.maximum(around, 0), fmt="o-", markersize=3, color=color, label=name)
    axes.set(xlabel="probability", ylabel=f"share of {terms.example}s right", xlim=(0, 1), ylim=(0, 1))


def _png(figure: Figure) -> bytes:
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
        if axes.get_legend_handles_labels()[1]:
            axes.legend(frameon=False, fontsize="small")
    buffer = io.BytesIO()
    FigureCanvasAgg(figure)  # draws without a display, and without pyplot's global state
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
