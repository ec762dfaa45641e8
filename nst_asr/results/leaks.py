"""What the leak guards found when the run began, and what else its log warns of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nst_asr.store import read_json

_STAMP = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ")
_WARNING = "WARNING: "
_ALARM = re.compile(r"generation \d+: alarm ")  # these stand among the alarms
_MOST = 50  # warnings that are kept
_LONGEST = 500  # characters of one


def leaks(run: Path) -> dict[str, Any]:
    """`overlap_allowed` (whether the command accepted leaks; null: not noted), and the `warnings` of the run's log.

    warnings: the first line of each once, in the order in which they came, without their time and without the alarms
    on labels, which results.json has by themselves.
    """
    given = run / "given.json"
    return {
        "overlap_allowed": read_json(given).get("allow_overlap") if given.exists() else None,
        "warnings": _warnings(run / "run.log"),
    }


def _warnings(log: Path) -> list[str]:
    if not log.exists():
        return []
    found = dict.fromkeys(
        message.removeprefix(_WARNING)[:_LONGEST]
        for message in _messages(log.read_text(encoding="utf-8", errors="replace"))
        if message.startswith(_WARNING) and not _ALARM.match(message.removeprefix(_WARNING))
    )
    return list(found)[:_MOST]


def _messages(text: str) -> Iterator[str]:
    """The log's messages, and the lines of those that have several, without their time."""
    for line in text.splitlines():
        yield _STAMP.sub("", line)
