"""Look and listen: labels with the sound or the picture that they are of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np

from nst_asr.report.material import Material
from nst_asr.report.preview import Preview, PreviewError

NAME, TITLE = "look", "Look and listen"

KINDS = {
    "surest_kept": "The surest that were kept",
    "least_sure_kept": "The least sure that were kept",
    "surest_rejected": "The surest that were rejected",
    "least_sure_rejected": "The least sure that were rejected",
    "most_changed": "The most changed",
}
MEASURES = {
    "calibrated": "the calibrated expected error",
    "normalised_score": "the normalised score",
    "confidence": "the confidence",
}
_LEFT_OUT = "left out to keep this page small (nst-asr report --media-mb)"
_MOST_TICKS = 8
_LAST_TICK = 0.9  # of the width of an axis: what is written there would reach beyond
_SURE = 0.9  # confidence from which on a piece of a label is not marked

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Shown:
    """What stands beside a label: a `preview` that is called `anchor`, or `why` there is none.

    Neither where it stands elsewhere in the page: `below`, in a later generation, or above.
    """

    anchor: str
    preview: Preview | None = None
    why: str | None = None
    below: bool = False


def ticks(seconds: float, longest: float) -> list[tuple[str, float]]:
    """The marks of a time axis: what is written there, in seconds, and where, in percent of its width.

    longest: seconds of the longest axis in the page, since all are to the same scale.
    """
    step = next(step for step in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0) if longest / step <= _MOST_TICKS)
    places = np.round(np.arange(0, _LAST_TICK * seconds, step), 1)
    return [(f"{place:g}", 100 * float(place) / seconds) for place in places]


def context(material: Material) -> dict[str, Any] | None:
    """The labels of every generation by kind, each with the key it has in results.json and what stands beside it."""
    places = [place for place in material.students() if material.results["generations"][place].get("examples")]
    if not places:
        return None
    found, note = _found(material, places)
    anchors = {name: f"example-{number}" for number, name in enumerate(_in_rank_order(material, places))}
    homes = _homes(material, places)
    generations = [
        (place, [(kind, title, _cards(material, place, kind, found, anchors, homes)) for kind, title in KINDS.items()])
        for place in places
    ]
    longest = max((each.seconds or 0 for each in found.values() if isinstance(each, Preview)), default=0)
    words = {"measures": MEASURES, "ticks": ticks, "sure": _SURE}
    return {"generations": generations, "note": note, "longest": longest, **words}


def _cards(
    material: Material,
    place: int,
    kind: str,
    found: Mapping[str, Preview | str],
    anchors: Mapping[str, str],
    homes: Mapping[str, tuple[int, str]],
) -> list[tuple[str, Entry, Shown]]:
    """Key, entry and what stands beside it, of each label of a kind."""
    cards = []
    for rank, entry in enumerate(_listed(material, place, kind)):
        name, key = entry["id"], f"generations[{place}].examples.{kind}[{rank}]"
        one, home = found.get(name), homes[name]
        if isinstance(one, Preview):
            shown = Shown(anchors[name], one if home == (place, kind) else None, below=home[0] > place)
        else:
            shown = Shown(anchors[name], why=one)
        cards.append((key, entry, shown))
    return cards


def _homes(material: Material, places: list[int]) -> dict[str, tuple[int, str]]:
    """Where the sound or picture of each example stands, once in the page: in the last generation, which is open."""
    homes: dict[str, tuple[int, str]] = {}
    for place in reversed(places):
        for kind in KINDS:
            for entry in _listed(material, place, kind):
                homes.setdefault(entry["id"], (place, kind))
    return homes


def _found(material: Material, places: list[int]) -> tuple[dict[str, Preview | str], str | None]:
    """The preview of each example by id, or why it has none, and what is to be said of all of them.

    They are asked for in the order of ranks, so that where the page is full every kind of every generation has as many.
    """
    sizes = _in_rank_order(material, places)
    if material.previews is None or not material.media_mb:
        return {}, "Without sound and pictures: none were asked for, or the page has no room for any."
    found: dict[str, Preview | str] = {}
    left = material.media_mb * 1e6
    made = material.previews(material.run, sizes)
    try:
        for name, one in zip(sizes, made, strict=False):
            left -= one.size if isinstance(one, Preview) else 0
            if left < 0:
                break
            found[name] = one
    except PreviewError as error:
        return {}, f"Without sound and pictures: {error}."
    return found | {name: _LEFT_OUT for name in sizes if name not in found}, None


def _in_rank_order(material: Material, places: list[int]) -> dict[str, float]:
    """The sizes of all examples by id: the first of every kind and generation, then the second, and so on."""
    lists = [_listed(material, place, kind) for place in places for kind in KINDS]
    ranks: Iterator[tuple[Entry | None, ...]] = zip_longest(*lists)
    return {entry["id"]: entry["size"] for rank in ranks for entry in rank if entry is not None}


def _listed(material: Material, place: int, kind: str) -> list[Entry]:
    return material.results["generations"][place]["examples"][kind] or []
