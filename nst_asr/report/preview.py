"""What a reader sees and hears of an example: a picture and perhaps a sound, small enough to stand in a page."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from nst_asr.store import read_json


class PreviewError(ValueError):
    """Sounds or pictures that cannot be had for any example; the message says why."""


@dataclass(frozen=True)
class Media:
    """Bytes of a media type that browsers know, such as image/webp."""

    type: str
    content: bytes

    @property
    def uri(self) -> str:
        """The bytes as a `data:` address."""
        return f"data:{self.type};base64,{base64.b64encode(self.content).decode()}"

    @property
    def size(self) -> int:
        """Characters of the address."""
        return len(f"data:{self.type};base64,") + -(-len(self.content) // 3) * 4


@dataclass(frozen=True)
class Preview:
    """A picture of `width` x `height` pixels that says `alt` to those who cannot see it, and perhaps a sound.

    seconds: that picture and sound last; None of what has no duration. whole: whether that is all of the example.
    """

    picture: Media
    width: int
    height: int
    alt: str
    sound: Media | None = None
    seconds: float | None = None
    whole: bool = True

    @property
    def size(self) -> int:
        """Characters that it adds to a page."""
        return self.picture.size + (self.sound.size if self.sound else 0)


# of a run's folder and the examples' sizes by id: for each id in order its preview, or why it has none. Nothing is read
# before it is asked for. Raises PreviewError where none can be had at all.
Previews = Callable[[Path, Mapping[str, float]], Iterator[Preview | str]]


def pool_manifest(run: Path) -> Path:
    """The manifest of the pool that a run labels, as its command named it. Raises PreviewError where nothing says."""
    path = run / "given.json"
    found = read_json(path)["manifests"].get("unlabeled") if path.exists() else None
    if found is None:
        raise PreviewError(f"{path} does not say where the manifest of the pool is: another version began this run")
    return Path(found)
