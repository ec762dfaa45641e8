"""The plot of the weights of language models, as steps and reports draw it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

_LINE, _BEST = "#1f5fa8", "#c2571a"
_NAMES = ("weight", "neural_weight", "bonus")


def fusion_surface(found: Mapping[str, Any]) -> bytes:
    """What `draw_surface` draws, as PNG."""
    figure = Figure(figsize=(4.5 * len(panels(found)), 3.6), layout="constrained")
    draw_surface(figure, found)
    buffer = io.BytesIO()
    FigureCanvasAgg(figure)  # draws without a display, and without pyplot's global state
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def panels(found: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The weights that were varied, two by two; one alone where no other was, and the first where none was."""
    tried = [name for name in _NAMES if len(found["surface"][name]) > 1]
    return [*combinations(tried, 2)] or [(name,) for name in tried] or [("weight",)]


def draw_surface(figure: Figure, found: Mapping[str, Any]) -> None:
    """The error rate over the weights of language models, through the best point; a panel for each two that vary."""
    surface, best = found["surface"], found["best"]
    rates, shown = np.array(surface["rate"]), panels(found)
    for place, panel in enumerate(shown, 1):
        axes = figure.add_subplot(1, len(shown), place)
        here = tuple(slice(None) if name in panel else surface[name].index(best[name]) for name in _NAMES)
        labels = [name.replace("_", " ") for name in panel]
        axes.spines[["top", "right"]].set_visible(False)
        if len(panel) == 1:
            axes.plot(surface[panel[0]], rates[here], "o-", color=_LINE)
            axes.yaxis.set_major_formatter(PercentFormatter(1))
            axes.set(xlabel=labels[0], ylabel="error rate on dev")
            continue
        across, up = panel
        image = axes.pcolormesh(surface[across], surface[up], rates[here].T, shading="nearest", cmap="viridis_r")
        axes.plot(best[across], best[up], "o", color=_BEST, markeredgecolor="white")
        axes.set(xlabel=labels[0], ylabel=labels[1], title="error rate on dev")
        figure.colorbar(image, ax=axes, format=PercentFormatter(1))
