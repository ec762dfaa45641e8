"""What a test asks of a page: its figures, its sections, the cells of its tables."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser

_FIGURE = re.compile(r'<data data-key="([^"]*)"(?: data-form="([^"]*)")? value="([^"]*)">(.*?)</data>', re.S)
_CELL = re.compile(r"<td([^>]*)>(.*?)</td>", re.S)
_VOID = ("meta", "img", "link", "br", "input", "source")


@dataclass(frozen=True)
class Shown:
    """A figure as it stands in a page; form is empty where there is no value."""

    key: str
    form: str
    value: str
    text: str


def figures_of(page: str) -> list[Shown]:
    """All figures of a page, in order."""
    return [Shown(*map(html.unescape, found)) for found in _FIGURE.findall(page)]


def section_of(page: str, name: str) -> str:
    """The HTML of one section."""
    start = page.index(f'<section id="{name}"')
    return page[start : page.index("</section>", start)]


def cells_without_figures(section: str) -> Iterator[str]:
    """The text of the cells of tables, but for those that are words, with the figures taken out."""
    for attributes, content in _CELL.findall(section):
        if "text" not in attributes:
            yield re.sub(r"<[^>]*>", "", _FIGURE.sub("", content))


class Balanced(HTMLParser):
    """Fails where a tag is closed that is not the one open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
