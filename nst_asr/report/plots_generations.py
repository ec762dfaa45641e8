"""The plot of error rates over the generations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from nst_asr.report.drawing import SERIES, plot
from nst_asr.terms import Terms

_COLORS = {"dev": SERIES[0], "test": SERIES[1]}


def rates(results: Mapping[str, Any], terms: Terms) -> Markup:
    """The error rate of each generation on dev and test, each with its interval; the oracle's as a line.

    Those with a language model are dashed.
    """

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for place, on in enumerate(_COLORS):
            alone = {entry["generation"]: entry[on] for entry in results["generations"]}
            fused = {entry["generation"]: (entry["with_lm"] or {}).get(on) for entry in results["generations"]}
            _line(axes, alone, on, 0.03 * (2 * place - 1), "-", f"{on}")
            _line(axes, fused, on, 0.03 * (2 * place - 1), "--", f"{on}, with LM")
            oracle = results["oracle"] or {}
            if oracle.get(on):
                label = f"oracle on {on}"
                axes.axhline(oracle[on]["rate"], color=_COLORS[on], linestyle=":", linewidth=1.4, label=label)
        axes.set(xlabel="generation", ylabel=terms.error, ylim=(0, None))
        axes.set_xlim(-0.5, len(results["generations"]) - 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.grid(axis="y")

    return plot("rates", f"{terms.error} of each generation on dev and test, with 95 % intervals", draw, (6.4, 3.4))


def _line(axes: Axes, scores: Mapping[int, Any], on: str, shift: float, dashes: str, label: str) -> None:
    """A point for each generation that has a score, a little aside so that intervals do not cover each other."""
    there = {number: score for number, score in scores.items() if score}
    if not there:
        return
    rates = np.array([score["rate"] for score in there.values()])
    # the percentile interval can leave the rate outside where there are few utterances
    below = np.maximum(0, rates - [score["low"] for score in there.values()])
    above = np.maximum(0, [score["high"] for score in there.values()] - rates)
    places = np.array(list(there)) + shift
    color = _COLORS[on]
    axes.errorbar(places, rates, yerr=[below, above], fmt="o", linestyle=dashes, color=color, capsize=3, label=label)
