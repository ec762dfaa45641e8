"""What preparing a corpus of images gave, for people and for programs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

_SHOWN = 10


@dataclass(frozen=True)
class SetSize:
    """What a manifest has."""

    path: str
    images: int
    classes: int | None  # None: it has no labels


@dataclass(frozen=True)
class Summary:
    """What was written, and what was left out."""

    sets: dict[str, SetSize]
    classes: dict[str, int]  # images of each, all sets together, the most frequent first; empty without labels
    truth: int | None  # images of the pool whose class is known; None: no truth was written
    copies: int  # images left out of the training data since a held-out one has their pixels
    bad: int
    reasons: tuple[tuple[str, str], ...]  # id and reason of the first bad ones
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The fields."""
        return asdict(self)

    def describe(self) -> str:
        """A few lines for a terminal."""
        lines = [_set_line(name, size) for name, size in self.sets.items()]
        if self.truth is not None:
            lines.append(f"truth of the pool: {self.truth} images")
        if self.classes:
            names = [f"{name} {count}" for name, count in self.classes.items()]
            shown = names if len(names) <= _SHOWN else [*names[: _SHOWN - 1], "...", names[-1]]
            lines.append(f"{len(names)} classes: {', '.join(shown)}")
        if self.copies:
            lines.append(f"left out of the training data, as held-out images have their pixels: {self.copies}")
        if self.bad:
            lines.append(f"left out, as they cannot be used: {self.bad}, such as")
            lines += [f"  {name}: {reason}" for name, reason in self.reasons]
        return "\n".join([*lines, *(f"WARNING: {text}" for text in self.warnings)])


def _set_line(name: str, size: SetSize) -> str:
    classes = "" if size.classes is None else f" of {size.classes} classes"
    return f"{name}: {size.images} images{classes} in {size.path}"
