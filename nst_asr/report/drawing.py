"""A matplotlib figure as SVG that stands in a page: its text can be selected, and its colours follow the page's."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import matplotlib
from cycler import cycler
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

# Drawn in these colours, which the page's style replaces: it knows whether the reader wants light or dark.
INK = "#101010"  # axes and text
FAINT = "#b8b8b8"  # grids, what is rejected
SERIES = ("#1f5fa8", "#c2571a", "#3b7d3b", "#7a4fa3", "#a8324a", "#6b6b10")  # dev, test, oracle or kept, others

_VARIABLES = {INK: "--ink", FAINT: "--faint"} | {color: f"--series-{n}" for n, color in enumerate(SERIES)}
_STYLE: Any = {  # matplotlib types its settings by name, which no dict built of parts can follow
    **{"svg.fonttype": "none", "font.family": "sans-serif", "font.size": 10, "text.parse_math": False},
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK),
    **{"axes.prop_cycle": cycler(color=SERIES), "axes.axisbelow": True, "grid.color": FAINT, "grid.linewidth": 0.5},
    **{"figure.facecolor": "none", "axes.facecolor": "none"},  # the page shows through
}
_NAME = re.compile(r"[a-z][a-z0-9-]*")
_MARGIN, _MARK, _LETTER = 35.0, 40.0, 5.4  # points: left of a legend; of a mark in it with its gaps; of a letter
_NO_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")  # what a file of XML may not have
_TAG = re.compile(r"<[^>]*>")
_PLOT = re.compile(r'<svg [^>]*data-plot="([^"]+)".*?</svg>', re.S)
_SPACES = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '


def style() -> Any:
    """The settings to draw under, for `matplotlib.rc_context`."""
    return dict(_STYLE)


def plot(name: str, alt: str, draw: Callable[[Figure], None], size: tuple[float, float] = (5.6, 3.0)) -> Markup:
    """What `draw` puts into a new figure of this size in inches, as `svg` gives it."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure)
        return svg(figure, name, alt)


def svg(figure: Figure, name: str, alt: str) -> Markup:
    """The figure as an inline `<svg>` that says `alt` to those who cannot see it.

    name: of the figure, unique in the page, in small letters, digits and hyphens: its parts are called after it, the
    same in every report of a run, and so is the file beside the report. Raises ValueError for another name.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r}: a plot's name has small letters, digits and hyphens, and begins with a letter")
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
        _name_above(axes, width=72 * figure.get_size_inches()[0])
    buffer = io.StringIO()
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": name}), warnings.catch_warnings():
        # the page's own fonts show what matplotlib's lack
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        # not by savefig, which would lay the figure out twice
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None, "Creator": None})  # type: ignore[no-untyped-call]
    return Markup(_in_page(_NO_XML.sub("\ufffd", buffer.getvalue()), name, alt))


def _name_above(axes: Axes, width: float) -> None:
    """Put the names of what was drawn above it, where they hide nothing; width: of the figure, in points."""
    names = axes.get_legend_handles_labels()[1]
    if names:
        room = int((width - _MARGIN) / (_MARK + _LETTER * max(map(len, names))))
        look: Any = {"frameon": False, "columnspacing": 1.2}
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=max(1, min(len(names), room)), **look)


def plots_in(page: str) -> Iterator[tuple[str, str]]:
    """The name of each plot in a page, and the plot as a file that stands by itself, in the colours for light paper."""
    for found in _PLOT.finditer(page):
        alone = found.group().replace("<svg ", f"<svg {_SPACES}", 1)
        alone = _TAG.sub(lambda tag: _tag_on_paper(tag.group()), alone)
        yield found.group(1), f'<?xml version="1.0" encoding="utf-8"?>\n{alone}\n'


def _in_page(drawn: str, name: str, alt: str) -> str:
    """Without the file's head, sized by the page, with names of its own and the page's colours."""
    drawn = drawn[drawn.index("<svg") :]
    drawn = re.sub(r"<metadata>.*?</metadata>", "", drawn, flags=re.S)
    drawn = _TAG.sub(lambda tag: _tag_in_page(tag.group(), name), drawn)  # and not what is written in the plot
    label = str(Markup.escape(alt))
    return drawn.strip().replace("<svg ", f'<svg role="img" data-plot="{name}" aria-label="{label}" ', 1)


def _tag_on_paper(tag: str) -> str:
    for color, variable in _VARIABLES.items():
        tag = tag.replace(f"var({variable})", color)
    return tag


def _tag_in_page(tag: str, name: str) -> str:
    tag = re.sub(r' xmlns(:xlink)?="[^"]*"', "", tag).replace("xlink:href", "href")
    tag = re.sub(r'\b(id="|href="#|url\(#)', rf"\g<1>{name}-", tag)
    for color, variable in _VARIABLES.items():
        tag = tag.replace(color, f"var({variable})")
    return tag
