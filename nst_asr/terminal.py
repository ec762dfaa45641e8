"""What verbs without a run folder say: their log, a summary, or one line a file."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def log_on_terminal() -> Iterator[None]:
    """Show the log of a verb that has no run folder to keep it in."""
    log, handler = logging.getLogger("nst_asr"), logging.StreamHandler(sys.stderr)
    level = log.level
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


def print_summary(prepared: Callable[[], str]) -> int:
    """The status of a preparation, whose summary is printed."""
    try:
        with log_on_terminal():
            summary = prepared()
    except KeyboardInterrupt:
        print("nst-asr: interrupted; the manifest was not written, the same command starts anew", file=sys.stderr)
        return 130
    code = sys.stdout.encoding or "utf-8"  # a terminal of another one is to lose a letter, not the summary
    print(summary.encode(code, "backslashreplace").decode(code))
    return 0


def print_each(found: Iterable[Any], as_json: bool, text: Callable[[Any], str]) -> int:
    """One line a file; errors on the other stream, and in the status."""
    bad = 0
    for each in found:
        if each.error:
            bad += 1
            print(f"nst-asr: {each.error}", file=sys.stderr)
        elif as_json:
            print(json.dumps(each.to_json(), ensure_ascii=False))
        else:
            print(f"{each.path}\t{each.confidence:.2f}\t{text(each)}")
    return 1 if bad else 0
