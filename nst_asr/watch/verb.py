"""The verb `nst-asr watch`: its options, and what it does. Imports nothing heavy before a call."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nst_asr.watch.state import State

_EVERY_SCREEN, _EVERY_LINES = 1.0, 10.0  # seconds between two looks
_PATIENCE = 300.0


def add_watch(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `watch` to the verbs of a parser."""
    add = verbs.add_parser(
        "watch", help="how a run goes, live; reads its folder only (docs/watch.md)", allow_abbrev=False
    )
    add.add_argument("exp", type=Path, help="experiment folder")
    add.add_argument("--every", type=_seconds, metavar="SECONDS", help="between two looks (1; without a terminal 10)")
    add.add_argument("--once", action="store_true", help="print how it stands, and end")
    add.add_argument("--plain", action="store_true", help="plain lines also on a terminal")
    add.add_argument(
        "--patience",
        type=_seconds,
        default=_PATIENCE,
        metavar="SECONDS",
        help="end where no process is seen at work and nothing has changed for so long (300)",
    )
    add.set_defaults(verb=_watch)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}: give a number of seconds above 0")
    return value


def _watch(options: argparse.Namespace) -> int:
    """The exit status: 0 the run has finished (or was looked at once), 1 it has stopped before that."""
    from nst_asr.watch.watcher import Watcher

    watcher = Watcher(options.exp)
    on_screen = sys.stdout.isatty() and not options.plain and not options.once
    every = options.every or (_EVERY_SCREEN if on_screen else _EVERY_LINES)
    try:
        if on_screen:
            return _show(watcher.look, str(options.exp), every, options.patience)
        return _tell(watcher.look, every, options.patience, once=options.once)
    except KeyboardInterrupt:
        return 130  # the usual way to stop watching


def _over(state: State, patience: float) -> bool:
    return state.finished or (not state.working and state.quiet > patience)


def _tell(look: Callable[[], State], every: float, patience: float, *, once: bool) -> int:
    """Print lines until the run has ended."""
    from nst_asr.watch.plain import Lines
    from nst_asr.watch.words import ending, presence

    lines = Lines()
    while True:
        state = look()
        for line in lines.new(state):
            print(line, flush=True)
        if once:
            print(presence(state))
            return 0
        if _over(state, patience):
            print(ending(state), flush=True)
            return 0 if state.finished else 1
        time.sleep(every)


def _show(look: Callable[[], State], title: str, every: float, patience: float) -> int:
    """Draw the screen until the run has ended."""
    from rich.console import Console
    from rich.live import Live

    from nst_asr.watch.screen import screen
    from nst_asr.watch.words import ending

    console = Console()
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        while True:
            state = look()
            live.update(screen(state, title), refresh=True)
            if _over(state, patience):
                break
            time.sleep(every)
    if not state.finished:
        console.print(ending(state), markup=False, highlight=False)
    return 0 if state.finished else 1
