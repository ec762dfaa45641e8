"""What differs between plain values: one entry for each dotted key that is not the same in all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final


class _Absent:
    """The place of a key that is not there, which null is not."""

    def __repr__(self) -> str:
        return "(absent)"


ABSENT: Final = _Absent()


def differences(values: Sequence[Any], prefix: str = "") -> Iterator[tuple[str, list[Any]]]:
    """Dotted key and its value in each, in the order of the first that has it; `ABSENT` where one lacks the key.

    Mappings are gone through key by key and lists of mappings place by place. Where one of the values lacks a whole
    mapping (a generation, a language model) that is one entry, whose values are the mappings as they stand.
    """
    if all(value == values[0] for value in values):
        return
    if all(isinstance(value, Mapping) for value in values):
        names = list(dict.fromkeys(name for value in values for name in value))
        for name in names:
            yield from differences([value.get(name, ABSENT) for value in values], f"{prefix}{name}.")
    elif all(_is_list_of_mappings(value) for value in values):
        for place in range(max(map(len, values))):
            found = [value[place] if place < len(value) else ABSENT for value in values]
            yield from differences(found, f"{prefix}{place}.")
    else:
        yield prefix.removesuffix("."), list(values)


def to_json(key: str, values: Sequence[Any]) -> dict[str, Any]:
    """An entry as plain values: null where the key is absent, and `there` tells that from a null in the plan."""
    return {
        "key": key,
        "values": [None if value is ABSENT else value for value in values],
        "there": [value is not ABSENT for value in values],
    }


def over_generations(found: Sequence[Mapping[str, Any]], counts: Sequence[int]) -> list[dict[str, Any]]:
    """The entries for people: what differs in the same way in every generation once, as `generations.*.key`.

    counts: how many generations each plan has.
    """
    common = min(counts, default=0)
    places: dict[str, list[Mapping[str, Any]]] = {}
    for entry in found:
        first, _, rest = entry["key"].partition(".")
        place, _, key = rest.partition(".")
        if first == "generations" and place.isdigit() and int(place) < common and key:
            places.setdefault(key, []).append(entry)
    merged: list[dict[str, Any]] = []
    same = {
        key: entries
        for key, entries in places.items()
        if len(entries) == common > 1 and all(entry["values"] == entries[0]["values"] for entry in entries)
    }
    for entry in found:
        key = entry["key"].partition(".")[2].partition(".")[2]
        if entry in same.get(key, ()):
            if entry is same[key][0]:
                merged.append({**entry, "key": f"generations.*.{key}"})
        else:
            merged.append(dict(entry))
    return merged


def _is_list_of_mappings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, Mapping) for each in value)
