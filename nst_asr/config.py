"""Strict YAML into frozen records: an unknown key is an error that names it and the nearest known one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pydantic
import yaml


class ConfigError(ValueError):
    """A configuration that cannot be used; the message names the key, the value and the way out."""


class Record(pydantic.BaseModel):
    """A frozen configuration record: unknown keys and wrong types are refused, values are never coerced from text."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @pydantic.field_validator("*", mode="before")
    @classmethod
    def _list_is_tuple(cls, value: Any, info: pydantic.ValidationInfo) -> Any:
        """YAML knows lists only; a field that is a tuple takes one. Whole numbers stand for fractions."""
        return tuple(value) if isinstance(value, list) else value


R = TypeVar("R", bound=Record)


class _Loader(yaml.SafeLoader):
    """YAML 1.1 takes 1e-3 for text, since it has no dot; here it is the number that everybody means."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d[\d_]*)(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def load_yaml(text: str) -> Any:
    """The content of YAML text."""
    return yaml.load(text, _Loader)


def read(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such configuration file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not a text file that can be read ({error})") from None
    try:
        content = load_yaml(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected `key: value` lines at the top level, found {type(content).__name__}")
    return content


def override(content: Mapping[str, Any], settings: Iterable[str]) -> dict[str, Any]:
    """`content` with each `a.b.c=value` of `settings` put in place; values are read as YAML, list places by number."""
    result: Any = _copy(content)
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name:
            raise ConfigError(f"{setting!r}: expected key=value, such as seed=1")
        _put(result, name.split("."), _value(text, setting), setting)
    return dict(result)


def _value(text: str, setting: str) -> Any:
    try:
        return load_yaml(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{setting!r}: the value is not valid YAML: {error}") from None


def merge(base: Any, change: Any) -> Any:
    """`base` with the keys of `change` laid over it, mapping by mapping; anything else is replaced whole."""
    if not (isinstance(base, Mapping) and isinstance(change, Mapping)):
        return _copy(change)
    result = {key: _copy(value) for key, value in base.items()}
    for key, value in change.items():
        result[key] = merge(result[key], value) if key in result else _copy(value)
    return result


def parse(kind: type[R], content: Mapping[str, Any], source: str = "configuration") -> R:
    """`content` as a record of `kind`. Raises ConfigError naming every offending key, its value and the way out."""
    try:
        return kind.model_validate(content)
    except pydantic.ValidationError as error:
        lines = [_explain(kind, problem) for problem in error.errors()]
        raise ConfigError("\n".join(f"{source}: {line}" for line in lines)) from None


def write(record: Record) -> str:
    """The record as YAML text: every value, defaults included."""
    return yaml.safe_dump(record.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def default_of(kind: type[Record], names: Sequence[str]) -> tuple[bool, Any]:
    """Whether the key `names` of a record of `kind` has a default, and which; places in lists are passed over.

    A record that is itself a default has the values of that one: `rules: Rules = Rules(least=2)` makes rules.least 2.
    """
    found: Any = None  # the record that is the default so far, where there is one
    known, value = False, None
    for name in (name for name in names if not name.isdigit()):
        if not (isinstance(kind, type) and issubclass(kind, Record)) or name not in kind.model_fields:
            return False, None
        field = kind.model_fields[name]
        if found is not None:
            known, value = True, getattr(found, name)
        else:
            known, value = not field.is_required(), field.get_default(call_default_factory=True)
        found = value if isinstance(value, Record) else None
        kind = type(found) if found is not None else _record_in(field.annotation)
    return (True, value) if known else (False, None)


def differences(old: Any, new: Any, prefix: str = "") -> list[str]:
    """One line for each key whose value differs: `key: old -> new`."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        keys = [*old, *(key for key in new if key not in old)]
        return [
            line
            for key in keys
            for line in differences(old.get(key, "(absent)"), new.get(key, "(absent)"), f"{prefix}{key}.")
        ]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = enumerate(zip(old, new, strict=True))
        return [line for place, (a, b) in pairs for line in differences(a, b, f"{prefix}{place}.")]
    return [] if old == new else [f"{prefix[:-1]}: {old!r} -> {new!r}"]


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copy(inner) for key, inner in value.items()}
    return [_copy(inner) for inner in value] if isinstance(value, list) else value


def _put(target: Any, names: list[str], value: Any, setting: str) -> None:
    for place, name in enumerate(names):
        last = place == len(names) - 1
        if isinstance(target, list):
            if not name.isdigit() or int(name) >= len(target):
                raise ConfigError(f"{setting!r}: {name!r} is no place in a list of {len(target)}")
            key: Any = int(name)
        elif isinstance(target, dict):
            key = name
        else:
            raise ConfigError(f"{setting!r}: {'.'.join(names[:place])} is a single value, it has no {name!r}")
        if last:
            target[key] = value
        elif isinstance(target, dict):
            if target.get(key) is None:
                target[key] = {}
            target = target[key]
        else:
            target = target[key]


def _explain(kind: type[Record], problem: Any) -> str:
    location = problem["loc"]
    name = ".".join(str(part) for part in location)
    if problem["type"] == "extra_forbidden":
        known = _fields_at(kind, location[:-1])
        near = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.0)
        return f"unknown key {name}; did you mean {near[0] if near else '?'}? (known: {', '.join(known)})"
    if problem["type"] == "missing":
        return f"{name} is missing; add it"
    return f"{name} = {problem['input']!r}: {problem['msg']}"


def _fields_at(kind: Any, location: tuple[int | str, ...]) -> list[str]:
    """The field names of the record that `location` points to."""
    for part in location:
        if isinstance(part, int) or not hasattr(kind, "model_fields") or part not in kind.model_fields:
            continue
        kind = _record_in(kind.model_fields[part].annotation) or kind
    return list(kind.model_fields)


def _record_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, Record):
        return annotation
    inner = getattr(annotation, "__args__", ())
    return next((found for found in map(_record_in, inner) if found), None)
