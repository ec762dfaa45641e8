"""Errors and flips of models on robustness sets as Markdown tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np


def markdown(found: Mapping[str, Mapping[str, Any]]) -> str:
    """A table for each set, a column for each model; percent throughout."""
    return "\n".join(_table(name, models) for name, models in found.items())


def _table(name: str, models: Mapping[str, Any]) -> str:
    names = [Path(model).name for model in models]
    titles = names if len(set(names)) == len(names) else list(models)
    lines = [f"## {name}", "", f"| % | {' | '.join(titles)} |", f"| --- |{' ---: |' * len(titles)}"]
    for title, values in _rows(list(models.values())):
        if any(value is not None for value in values):
            lines.append(f"| {title} | {' | '.join('' if value is None else f'{value:.1f}' for value in values)} |")
    return "\n".join(lines) + "\n"


def _rows(scored: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, list[float | None]]]:
    """Titles and percentages, one a model; None where a model's numbers do not have it."""
    for key, title in {"errors": "error", "flips": "flips"}.items():
        for name in dict.fromkeys(name for one in scored for name in one.get(key, ())):
            found = [one.get(key, {}).get(name) for one in scored]
            yield f"{name}, {title}", [None if value is None else 100 * float(np.mean(value)) for value in found]
    for key, title in {"flip": "flips, mean", "clean_error": "clean error", "top1": "top-1", "top5": "top-5"}.items():
        yield title, [100 * one[key] if key in one else None for one in scored]
    for key, title in {"mce": "**mCE**", "mfr": "**mFR**"}.items():
        yield title, [one.get(key) for one in scored]
