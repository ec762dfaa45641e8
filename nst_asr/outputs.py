"""The files that a verb's options ask for: none may take the place of what is read."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path


class OutputError(ValueError):
    """A file that is not to be written; the message names the option, the file and the reason."""


def refuse_outputs(options: argparse.Namespace, names: Sequence[str], read: Iterable[Path | None]) -> None:
    """Raise OutputError where one of these options names a folder, a file that is read, or what another one writes."""
    taken = {path.resolve() for path in read if path}
    for name in names:
        path: Path | None = getattr(options, name)
        if path is None:
            continue
        if path.is_dir():
            raise OutputError(f"--{name} {path}: a folder; name a file")
        if path.resolve() in taken:
            raise OutputError(f"--{name} {path}: would be written over a file that is read, or written too")
        taken.add(path.resolve())
