"""The watch as a screen that is drawn again and again, for terminals."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from nst_asr.results_table import NONE, percent
from nst_asr.watch.state import Labeling, State, Training
from nst_asr.watch.words import facts, presence, rate_of

_COLUMNS = ("dev", "test", "dev with LM", "test with LM")


def screen(state: State, title: str) -> RenderableType:
    """The whole state: the models so far, alarms, the step that is being made and how far it is."""
    parts: list[RenderableType] = [_models(state)]
    parts += [Text(f"! {row.name}: {alarm}", style="yellow") for row in state.rows for alarm in row.alarms]
    if state.step:
        parts += ["", *_work(state)]
    tone = "green" if state.finished or state.working else "yellow" if state.working is None else "red"
    parts += ["", Text(presence(state), style=tone)]
    if state.log:
        parts.append(Text(state.log, style="dim", overflow="ellipsis", no_wrap=True))
    head = f"{title}   {state.recipe}, seed {state.seed}"
    return Panel(Group(*parts), title=Text(head), title_align="left", padding=(0, 1))


def _models(state: State) -> RenderableType:
    terms = state.terms
    shown = [name for name in _COLUMNS if any(name in row.scores for row in state.rows)] or ["dev"]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("", f"{terms.amount} labeled", "kept", "", *(f"{name} {terms.error}" for name in shown)):
        table.add_column(Text(title), justify="left" if not title and not table.columns else "right", overflow="fold")
    for row in state.rows:
        found = row.amounts
        cells = [NONE, NONE, ""]
        if found:
            share = "" if found.kept_share is None else percent(found.kept_share, 1)
            cells = [terms.count(found.hours), terms.count(found.kept_hours), share]
        rates = [rate_of(row.scores.get(name)) or NONE for name in shown]
        table.add_row(row.name, *map(Text, cells), *map(Text, rates))
    return table


def _work(state: State) -> list[RenderableType]:
    found: list[RenderableType] = [Text(state.step or "", style="bold")]
    if isinstance(state.work, Training | Labeling) and state.work.total:
        # the bar ends no line of its own
        found.append(Padding(ProgressBar(total=state.work.total, completed=state.work.done, width=60), 0))
    return [*found, Text(", ".join(facts(state)))]
