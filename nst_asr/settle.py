"""Which keys of a plan the results in a run folder depend on: these may not change under it, the others may."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nst_asr.config import differences
from nst_asr.store import StoreError

_NEVER = (
    "workers",
    "loaders",
    "cache_mb",
    "checkpoint_every",
    "log_every",
    "alarms",
    "max_text_overlap",
)  # change how fast a run goes, or what it warns of, never what it gives
# what each key of a generation first decides
_FIRST_USE = {
    "label": ("0-fusion.json", "0-heard", "1-labels"),
    "filter": ("2-verdicts.parquet",),
    "balance": ("3-copies.parquet",),
    "weigh": ("3-copies.parquet",),
    "mix": ("4-student", "4-student.part"),
    "student": ("4-student", "4-student.part"),
    "init": ("4-student", "4-student.part"),
}


def refuse_other_plan(folder: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Raise StoreError, naming keys and results, where something in the folder was made with another value."""
    lines = [
        f"{line}   (used by {made})"
        for name, made in _used(folder, old)
        for line in differences(_deciding(_at(old, name)), _deciding(_at(new, name)), f"{name}.")
    ]
    if lines:
        shown = "\n  ".join(dict.fromkeys(lines))
        raise StoreError(
            f"{folder}: made with another plan; these keys differ (folder -> now):\n  {shown}\n"
            "Use another experiment folder, take these settings back, or move away the results named and all that "
            "were made after them."
        )


def _used(folder: Path, plan: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The keys that results depend on, each with the first result that does."""
    teacher = _first(folder, "gen0/student", "gen0/student.part")
    checked = ("corpus/labeled.parquet", "corpus/unlabeled.parquet")
    first = {"max_bad_share": checked, "check": checked, "tokenizer": ("tokenizer",)}
    for name in plan:
        made = _first(folder, *first[name]) if name in first else teacher
        if made and name not in ("generations", *_NEVER):
            yield name, made
    for place in range(len(plan["generations"])):
        for key, results in _FIRST_USE.items():
            if made := _first(folder, *(f"gen{place + 1}/{result}" for result in results)):
                yield f"generations.{place}.{key}", made
    if oracle := _first(folder, "oracle/student", "oracle/student.part"):
        # it is trained as the last student and for as long as all together: another number of them counts too
        yield "generations", oracle


def _first(folder: Path, *names: str) -> str | None:
    return next((name for name in names if (folder / name).exists()), None)


def _deciding(content: Any) -> Any:
    """A part of a plan without the keys that decide nothing."""
    if isinstance(content, Mapping):
        # what stands under per_class are names of classes, whatever they are called
        return {
            name: value if name == "per_class" else _deciding(value)
            for name, value in content.items()
            if name not in _NEVER
        }
    return [_deciding(value) for value in content] if isinstance(content, list) else content


def _at(content: Any, name: str) -> Any:
    for part in name.split("."):
        if isinstance(content, list):
            content = content[int(part)] if int(part) < len(content) else "(absent)"
        elif isinstance(content, Mapping):
            content = content.get(part, "(absent)")
    return content
