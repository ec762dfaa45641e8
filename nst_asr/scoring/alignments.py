"""Aligned utterances to read on a terminal: reference over hypothesis, errors in colour and marked below."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import polars as pl
from rich.cells import cell_len
from rich.text import Text

from nst_asr.align import Costs, Step, aligned
from nst_asr.score import ERRORS
from nst_asr.scoring.system import System
from nst_asr.scoring.texts import counted

SIGNS = {"match": "", "substitution": "S", "deletion": "D", "insertion": "I"}
_STYLES = {"substitution": "bold yellow", "deletion": "bold red", "insertion": "bold green"}
_NAMES = ("REF:", "HYP:", "")
_INDENT = 6


def chosen(system: System, *, worst: bool, most: int | None) -> pl.DataFrame:
    """The utterances to show: id, label, heard, errors, words.

    worst: those with errors, most of them first, then the highest rate, then the first in the file; else all of them,
    in its order. most: how many, None for all.
    """
    table = system.pairs.with_columns(system.score.utterances.select("words", errors=ERRORS))
    if worst:
        share = pl.col("errors") / pl.col("words").clip(1)
        table = table.filter(pl.col("errors") > 0).sort("errors", share, descending=True, maintain_order=True)
    return table if most is None else table.head(most)


def texts(rows: pl.DataFrame, costs: Costs, width: int) -> Iterator[Text]:
    """Each utterance as lines at most `width` columns wide, words longer than that aside."""
    for row in rows.iter_rows(named=True):
        share = f", {row['errors'] / row['words']:.1%}" if row["words"] else ""
        yield Text(
            f"{row['id']}  {counted(row['errors'], 'error')} in {counted(row['words'], 'word')}{share}", style="bold"
        )
        steps = aligned(row["label"], row["heard"], costs=costs)
        for line in _lines(steps, width - _INDENT):
            yield from (each for each in _rows(line) if each.plain.strip())
        yield Text()


def _lines(steps: Sequence[Step], width: int) -> Iterable[list[Step]]:
    """The steps in runs that fit into this many columns."""
    line: list[Step] = []
    used = 0
    for step in steps:
        needed = _width(step) + 1
        if line and used + needed > width:
            yield line
            line, used = [], 0
        line.append(step)
        used += needed
    if line:
        yield line


def _rows(steps: Sequence[Step]) -> list[Text]:
    """Reference, hypothesis, and the signs of errors."""
    rows = [Text(name.ljust(_INDENT)) for name in _NAMES]
    for step in steps:
        width, style = _width(step), _STYLES.get(step.operation, "")
        for row, word in zip(rows, (step.reference, step.hypothesis, SIGNS[step.operation]), strict=True):
            shown = "*" * width if word is None else word
            row.append(shown + " " * (width - cell_len(shown) + 1), style="dim" if word is None else style)
    for row in rows:
        row.rstrip()
    return rows


def _width(step: Step) -> int:
    """Columns of a terminal that the wider word takes: two for a letter of Chinese."""
    return max(cell_len(word) for word in (step.reference, step.hypothesis) if word is not None)
