"""The plots of what is in the kept labels: tokens, words a second, durations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from nst_asr.report.drawing import FAINT, INK, SERIES, plot

_LONGEST = 24  # characters of a token that are written at its place
_SIDES = (("labeled", "labeled set", INK), ("kept", "kept labels", SERIES[1]), ("copies", "after balancing", SERIES[2]))

Values = Mapping[str, Any]


def frequent(tokens: Values, number: int) -> Markup:
    """The shares of the labeled set's most frequent tokens: in it, in the kept labels, after balancing."""
    rows = tokens["frequent"]
    balanced = any(row["kept"] != row["copies"] for row in rows)

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        places = np.arange(len(rows))
        for key, label, color in _SIDES if balanced else _SIDES[:2]:
            marker = "|" if key == "labeled" else "o"
            size = 12 if key == "labeled" else 5
            axes.plot([row[key] for row in rows], places, marker, markersize=size, color=color, label=label)
        axes.set_yticks(places, [row["token"][:_LONGEST] for row in rows])
        axes.set(xlabel="share of all tokens", xlim=(0, None))
        axes.xaxis.set_major_formatter(PercentFormatter(1))
        axes.grid(axis="y")
        axes.invert_yaxis()

    alt = f"shares of the most frequent tokens in the labeled set and in the kept labels of generation {number}"
    return plot(f"tokens-gen{number}", alt, draw, (5.6, 1.3 + 0.21 * len(rows)))


def spread(histogram: Values, name: str, unit: str, number: int) -> Markup:
    """How the kept labels are spread beside all labels and the labeled set, each as shares of its own number."""

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        edges = histogram["edges"]
        drawn = (("all", "all labels", FAINT, True), ("kept", "kept", SERIES[2], False))
        for key, label, color, fill in (*drawn, ("labeled", "labeled set", SERIES[0], False)):
            if key in histogram:
                counts = np.array(histogram[key], np.float64)
                shares = counts / max(counts.sum(), 1)
                axes.stairs(shares, edges, fill=fill, color=color, linewidth=1.4, label=label)
        axes.set(xlabel=unit, ylabel="share of labels")
        axes.yaxis.set_major_formatter(PercentFormatter(1))

    return plot(f"{name}-gen{number}", f"{unit} of kept and of all labels, generation {number}", draw)
