"""The sections of a RESULTS.md that a tool has written, between two comments; all else is the recipe's prose.

<!-- written by tools/write_results.py: Three seeds -->
## Three seeds
...
<!-- end -->
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nst_asr.store import write_text

_BEGIN = "<!-- written by {tool}: {title} -->"
_BEGINS = re.compile(r"<!-- written by (?P<tool>\S+): (?P<title>.+) -->")
_END = "<!-- end -->"
_FENCE = re.compile(r"\s*(```|~~~)")


class WrittenError(ValueError):
    """A RESULTS.md whose comments do not fit together, or a title that cannot stand in one; the message says where."""


@dataclass(frozen=True)
class Written:
    """A section that a tool has written: by its title, and from which line to which, comments included (from 0)."""

    title: str
    tool: str
    start: int
    stop: int


def written(text: str) -> list[Written]:
    """The sections of a text, in order; comments inside of code blocks are text.

    Raises WrittenError for a section that begins inside of another or does not end, an end without a beginning, and a
    title that occurs twice.
    """
    found: list[Written] = []
    open_one: tuple[int, re.Match[str]] | None = None
    for number, line in _outside_of_code(text):
        if begins := _BEGINS.fullmatch(line.strip()):
            if open_one:
                raise WrittenError(f"line {number + 1}: a section begins before the last one has its {_END}; add that")
            open_one = number, begins
        elif line.strip() == _END:
            if open_one is None:
                raise WrittenError(f"line {number + 1}: {_END} where no section has begun; remove it")
            start, begins = open_one
            found.append(Written(begins["title"], begins["tool"], start, number + 1))
            open_one = None
    if open_one:
        raise WrittenError(f"line {open_one[0] + 1}: this section has no {_END}; add that")
    doubled = [each.title for place, each in enumerate(found) if each.title in {one.title for one in found[:place]}]
    if doubled:
        raise WrittenError(f"the section {doubled[0]!r} is there twice; remove one")
    return found


def put(text: str, title: str, section: str, tool: str) -> str:
    """The text with the section of this title replaced, or added at its end; the rest stays as it is.

    Raises WrittenError as `written`, where the title cannot stand in a comment, and where code would hide the section.
    """
    if "\n" in title or "-->" in title or not title.strip():
        raise WrittenError(f"the title {title!r} cannot stand in a comment; take one line without -->")
    block = [_BEGIN.format(tool=tool, title=title), *section.strip("\n").split("\n"), _END]
    lines = text.split("\n")
    for each in written(text):
        if each.title == title:
            return "\n".join([*lines[: each.start], *block, *lines[each.stop :]])
    before = text.rstrip("\n")
    after = (f"{before}\n\n" if before else "") + "\n".join(block) + "\n"
    if title not in (each.title for each in written(after)):
        raise WrittenError("a block of code in it has no end and would hide what is added; close that")
    return after


def put_into(path: Path, title: str, section: str, tool: str) -> bool:
    """Write the section into a RESULTS.md, which is made where there is none; False where it was there already.

    Raises WrittenError, naming the file, as `put`.
    """
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    try:
        after = put(before, title, section, tool)
    except WrittenError as error:
        raise WrittenError(f"{path}: {error}") from None
    if after == before:
        return False
    write_text(path, after)
    return True


def _outside_of_code(text: str) -> Iterator[tuple[int, str]]:
    """The lines with their numbers that stand in no fenced block."""
    fence = ""
    for number, line in enumerate(text.split("\n")):
        mark = _FENCE.match(line)
        if mark and not fence:
            fence = mark[1]
        elif mark and mark[1] == fence:
            fence = ""
        elif not fence:
            yield number, line
