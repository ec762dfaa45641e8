"""Where a run's plan came from: its file, the changes given on the command line, and what is default in either."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nst_asr import config
from nst_asr.config import Record

_REPOSITORY = Path(__file__).parents[1]
_SHARED = "generation"  # in a plan file: what all of `generations` have
_BASES = {"student": ("teacher",), "label": ("label",)}  # what a generation's keys are laid over


@dataclass(frozen=True)
class PlanFrom:
    """A plan file and the `key=value` settings that were laid over it."""

    path: Path
    settings: tuple[str, ...] = ()

    def to_json(self, plan: Record) -> dict[str, Any]:
        """What run.json keeps, since the file may change: its path, in the repository where it lies there, and digest;
        the settings in `given`; and what else the file has that would be otherwise without it in `chosen`.

        plan: the record that they made. Each entry has key, value and, where there is one, default: what the file has
        for all generations, or for the teacher, or else the package's own. One that was given also has what the file
        says, if anything.
        """
        content = config.read(self.path)
        inside = self.path.resolve().is_relative_to(_REPOSITORY)
        written = dict(_leaves(content))
        given = _given(self.settings)
        return {
            "path": str(self.path.resolve().relative_to(_REPOSITORY)) if inside else str(self.path),
            "in_repository": inside,
            "sha256": hashlib.sha256(self.path.read_bytes()).hexdigest(),
            "given": [_entry(type(plan), content, key, value) | _file(content, key) for key, value in given.items()],
            "chosen": [
                entry
                for key, value in written.items()
                if not any(key[: len(changed)] == changed for changed in given)
                and not _is_default(entry := _entry(type(plan), content, key, value))
            ],
        }


def _given(settings: Sequence[str]) -> dict[tuple[str, ...], Any]:
    """The settings by their keys, without those that a later one has replaced, alone or with all around it."""
    found: dict[tuple[str, ...], Any] = {}
    for key, value in map(_setting, settings):
        found = {earlier: old for earlier, old in found.items() if earlier[: len(key)] != key} | {key: value}
    return found


def _setting(setting: str) -> tuple[tuple[str, ...], Any]:
    """The key of `a.b=value`, name by name, and its value."""
    name = setting.partition("=")[0].split(".")
    found: Any = config.override({}, [setting])
    for part in name:
        found = found[part]
    return tuple(name), found


def _leaves(content: Any, at: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value of a plan file with its key; lists of plain values are values."""
    if isinstance(content, Mapping):
        for name, inner in content.items():
            yield from _leaves(inner, (*at, str(name)))
    elif isinstance(content, list) and any(isinstance(inner, Mapping) for inner in content):
        for place, inner in enumerate(content):
            yield from _leaves(inner, (*at, str(place)))
    else:
        yield at, content


def _entry(kind: type[Record], content: Mapping[str, Any], key: Sequence[str], value: Any) -> dict[str, Any]:
    return {"key": ".".join(key), "value": value} | (_inherited(content, key) or _default(kind, key))


def _inherited(content: Mapping[str, Any], key: Sequence[str]) -> dict[str, Any]:
    """What a generation would have without this key: what the file has for all, or for the teacher; perhaps nothing."""
    found: list[dict[str, Any]] = []
    if key[0] == "generations" and len(key) > 2:
        key = (_SHARED, *key[2:])
        found.append(_written(content, key))
    if key[0] == _SHARED and len(key) > 2 and key[1] in _BASES:
        found.append(_written(content, (*_BASES[key[1]], *key[2:])))
    return next(({"default": each["value"]} for each in found if each), {})


def _default(kind: type[Record], key: Sequence[str]) -> dict[str, Any]:
    names = ["generations" if place == 0 and name == _SHARED else name for place, name in enumerate(key)]
    known, default = config.default_of(kind, names)
    return {"default": _plain(default)} if known else {}


def _is_default(entry: Mapping[str, Any]) -> bool:
    return "default" in entry and bool(entry["default"] == entry["value"])


def _file(content: Any, key: Sequence[str]) -> dict[str, Any]:
    return {"file": each["value"]} if (each := _written(content, key)) else {}


def _written(content: Any, key: Sequence[str]) -> dict[str, Any]:
    """The `value` that a file has under a key; nothing where it has none."""
    for name in key:
        if isinstance(content, list) and name.isdigit() and int(name) < len(content):
            content = content[int(name)]
        elif isinstance(content, Mapping) and name in content:
            content = content[name]
        else:
            return {}
    return {"value": content}


def _plain(value: Any) -> Any:
    """A default as YAML would hold it."""
    if isinstance(value, Record):
        return value.model_dump(mode="json")
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, Path) else value
