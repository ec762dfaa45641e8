"""The cells of a comparison's tables: numbers over several runs as text, and the table itself."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nst_asr.results_table import NONE
from nst_asr.terms import Terms

Found = Mapping[str, Any]


def p_value(p: float, least: float = 0.001) -> str:
    """A p-value; `least`: below this it cannot be told, by so many resamples, or need not be."""
    return f"{p:.3f}" if p >= least else f"< {least:.3f}"


def percents(found: Found | None, digits: int = 2) -> str:
    """Rates as percent."""
    return NONE if found is None else spread(found, 100, f".{digits}f", " %")


def amount(found: Found | None, terms: Terms) -> str:
    """Hours, or numbers of images."""
    if found is None:
        return NONE
    ends = [terms.count(found[name]) for name in ("mean", "least", "greatest")]
    return ends[0] if ends[1] == ends[2] else f"{ends[0]} ({ends[1]} to {ends[2]})"


def numbers(found: Found | None, form: str) -> str:
    """Numbers as they are."""
    return NONE if found is None else spread(found, 1, form)


def spread(found: Found, scale: float, form: str, unit: str = "") -> str:
    """Mean (least to greatest)."""
    mean, least, greatest = (format(scale * found[name], form) for name in ("mean", "least", "greatest"))
    return f"{mean}{unit}" + ("" if least == greatest else f" ({least} to {greatest})")


def grid(head: Sequence[str], rows: Iterable[Sequence[str]], width: int) -> list[str]:
    """A table as lines of at most `width` characters; long cells go on in the next line."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1))
    for title in head:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console = Console(file=io.StringIO(), width=width, color_system=None, markup=False, highlight=False, emoji=False)
    with console.capture() as capture:
        console.print(table)
    return [line.rstrip() for line in capture.get().rstrip().splitlines()]


def wrapped(line: str, width: int) -> str:
    """The line, or several where it is longer than that."""
    if len(line) <= width:
        return line
    return textwrap.fill(line, width, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
