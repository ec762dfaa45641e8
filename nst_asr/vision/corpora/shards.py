"""Images of WebDataset shards: uncompressed tars in which members of one name make one example.

`key.jpg` and its class, `key.cls`, `key.json` or `key.txt`, stand one after the other. Only headers and classes are
read, as a stream; images stay in their tar, as addresses. Layout: https://github.com/webdataset/webdataset.
"""

from __future__ import annotations

import glob
import json
import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from nst_asr.lines import ManifestError, numbered_lines
from nst_asr.vision.corpora.folder import is_image
from nst_asr.vision.corpora.picture import Defect, Picture, Reading
from nst_asr.vision.corpora.tars import Member, members

CLASS_KINDS = ("cls", "json", "txt")  # the first of them that there is counts
JSON_KEYS = ("label", "cls", "class", "class_name")  # where the class is in an object
_LARGEST_CLASS = 1 << 20  # bytes
_BRACE = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")


def shards(source: Path, *, labeled: bool) -> Reading:
    """The images of shards in their order: ids are SHARD/KEY, without suffixes.

    source: a .tar, a folder of them, a pattern (`train-*.tar`) or a brace list (`train-{0000..0146}.tar`). A class is a
    name; where `classes.txt` beside the shards names classes, line by line, a number stands for the name on that line,
    counted from 0. Raises ManifestError for shards that are missing, compressed or cut off.
    """
    for shard in shard_paths(source):
        names = _class_names(shard.parent / "classes.txt") if labeled else []
        for key, parts in groupby(members(shard), key=_key):
            found = _example(f"{shard.stem}/{key}", list(parts), names, labeled)
            if found is not None:
                yield found


def shard_paths(source: Path) -> list[Path]:
    """The shards that a source names, in the order of names; of a brace list, in its order. Raises ManifestError."""
    if source.is_dir():
        return _some(source, sorted(source.glob("*.tar")), sorted(source.glob("*.tar.*")))
    if source.exists():
        return [source]
    found = [path for name in _expanded(str(source)) for path in _matching(name)]
    return _some(source, found, [])


def _some(source: Path, found: list[Path], packed: list[Path]) -> list[Path]:
    if found:
        return found
    if packed:
        raise ManifestError(f"{source}: its shards are compressed, such as {packed[0].name}; unpack them (gunzip)")
    raise ManifestError(f"{source}: no .tar there")


def _matching(name: str) -> list[Path]:
    if not glob.has_magic(name):
        if not Path(name).is_file():
            raise ManifestError(f"{name}: no such shard")
        return [Path(name)]
    return [Path(path) for path in sorted(glob.glob(name))]


def _expanded(text: str) -> Iterator[str]:
    """The names of a brace list: {000..146} counts, with as many digits as its first number; {a,b} lists."""
    brace = _BRACE.search(text)
    if brace is None:
        yield text
        return
    counted = _RANGE.fullmatch(brace[1])
    if counted:
        first, last = counted[1], counted[2]
        inner: Sequence[str] = [f"{number:0{len(first)}d}" for number in range(int(first), int(last) + 1)]
    else:
        inner = brace[1].split(",")
    for word in inner:
        yield from _expanded(text[: brace.start()] + word + text[brace.end() :])


def _key(member: Member) -> str:
    """The name up to the first dot of its last part."""
    folder, slash, file = member.name.rpartition("/")
    return folder + slash + file.partition(".")[0]


def _kind(member: Member) -> str:
    """What follows that dot, in lower case."""
    return member.name.rpartition("/")[2].partition(".")[2].lower()


def _example(name: str, parts: list[Member], names: list[str], labeled: bool) -> Picture | Defect | None:
    """The image that members of one key make; None where there is none among them."""
    images = [part for part in parts if "." not in _kind(part) and is_image(part.name)]
    if not images:
        return None
    if len(images) > 1:
        return Defect(name, f"two images of one key: {images[0].name} and {images[1].name} in {images[0].archive}")
    if not labeled:
        return Picture(name, images[0].path, None)
    kinds = {_kind(part): part for part in parts}
    said = next((kinds[kind] for kind in CLASS_KINDS if kind in kinds), None)
    if said is None:
        lacking = f"no class: there is no .cls, .json or .txt beside {images[0].name} in {images[0].archive}"
        return Picture(name, images[0].path, None, lacking)
    try:
        return Picture(name, images[0].path, _class(said, names))
    except ValueError as error:
        return Picture(name, images[0].path, None, f"no class: {said.name} in {said.archive}: {error}")


def _class(member: Member, names: list[str]) -> str:
    """The class that a member says. Raises ValueError."""
    if member.length > _LARGEST_CLASS:
        raise ValueError(f"{member.length} bytes are too many")
    text = member.content().decode("utf-8").strip()
    if _kind(member) == "json":
        text = _of_json(json.loads(text))
    if not text:
        raise ValueError("it is empty")
    if not text.isdecimal():
        return text
    number = int(text)
    if names and number >= len(names):
        raise ValueError(f"class {number}, but classes.txt names {len(names)} (0 to {len(names) - 1})")
    return names[number] if names else str(number)


def _of_json(content: object) -> str:
    """The class in what a .json says: a word or number, or an object with one under a key of `JSON_KEYS`."""
    if isinstance(content, dict):
        content = next((content[key] for key in JSON_KEYS if key in content), None)
        if content is None:
            raise ValueError(f"no key {' or '.join(JSON_KEYS)}")
    if isinstance(content, bool) or not isinstance(content, str | int):
        raise ValueError(f"{content!r} is no class")
    return str(content).strip()


def _class_names(path: Path) -> list[str]:
    return [text.strip() for _, text in numbered_lines(path)] if path.is_file() else []
