"""An image as a corpus names it, before anybody has opened it; and what of a corpus cannot be used."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

_NO_TEXT = re.compile("[\ud800-\udfff]")  # what Python makes of the bytes of a file name that is not UTF-8


@dataclass(frozen=True, slots=True)
class Picture:
    """An image of a corpus."""

    id: str
    path: str  # of a file, or of bytes in another as `stored.address` writes it
    label: str | None  # class name; None where it is not known, or was not asked for
    lacking: str = ""  # why there is no class, where one was asked for
    held: str = ""  # the set that the corpus itself puts it in, such as "test"; "": the training set


@dataclass(frozen=True, slots=True)
class Defect:
    """What a corpus names and cannot be used, and why."""

    id: str
    reason: str


Reading = Iterator[Picture | Defect]


def fit_to_write(found: Iterable[Picture | Defect], *, labeled: bool) -> Reading:
    """The pictures, their classes as one word each; those whose names are not UTF-8, or lack a class, as Defects.

    Blanks in a class name become underscores, `great_white_shark`: the core takes a label for words, and a class
    for one of them.
    """
    for each in found:
        if isinstance(each, Defect):
            yield Defect(_escaped(each.id), _escaped(each.reason))
        elif _NO_TEXT.search(each.id + each.path + (each.label or "")):
            yield Defect(_escaped(each.id), f"a name that is not UTF-8: {_escaped(each.path)}; rename it (convmv)")
        elif labeled and not (each.label or "").strip():
            yield Defect(each.id, each.lacking or f"no class: {each.path}")
        else:
            yield each if each.label is None else replace(each, label="_".join(each.label.split()))


def _escaped(text: str) -> str:
    """The text with the bytes that are not UTF-8 written as backslash, x and two digits."""
    return _NO_TEXT.sub(lambda found: f"\\x{ord(found.group()) & 0xFF:02x}", text)
