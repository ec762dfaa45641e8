"""Labels for a person to look at: a few of each kind, with all that is known of them (docs/results.md: Examples)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from nst_asr.align import align_counts, aligned
from nst_asr.corpus import Truth
from nst_asr.ledger_text import describe_reason
from nst_asr.reasons import reason, whole
from nst_asr.results.chosen import KINDS, measures_there, most_changed, surest_and_least_sure, wide
from nst_asr.results.earlier import earlier
from nst_asr.side_by_side import readable
from nst_asr.store import StoreError, read_json
from nst_asr.verdicts import KEPT

_LONGEST = 2_000  # characters of a text that are kept: what the pool was cut into is rarely longer
_MOST_WORDS = 400  # of a text that is aligned word by word: beyond, nobody reads it

Pairs = list[list[str | None]]


def examples(run: Path, number: int, teacher: int, truth: Truth | None = None) -> dict[str, Any]:
    """The surest and the least sure kept and rejected labels of a generation, and those most changed since the last.

    teacher: the generation whose model labeled. With the `truth` of a simulated pool each has its true label and
    errors; without, what an earlier results.json in the folder knows of it. The label table is read in pieces: memory
    does not grow with the pool. Raises StoreError for a damaged table.
    """
    folder, before = run / f"gen{number}", run / f"gen{number - 1}"
    by = measures_there(folder)
    chosen = surest_and_least_sure(folder, by)
    note = None
    if number > 1:
        try:
            chosen["most_changed"] = most_changed(before, folder, by)
        except StoreError as error:
            note = str(error)
    places = {kind: found["row"].to_list() for kind, found in chosen.items()}
    rows = wide(folder, sorted({row for each in places.values() for row in each}))
    units = _units(run / ("gen0/student" if teacher == 0 else f"gen{teacher}/4-student"))
    entries = _entries(run, number, rows, _known(run, truth, rows["id"]), units)
    found = dict(zip(rows["row"].to_list(), entries, strict=True))
    listed: dict[str, Any] = {kind: [dict(found[row]) for row in places.get(kind, ())] for kind in KINDS}
    changed = chosen.get("most_changed")
    return {
        "by": by,
        **listed,
        "most_changed": None if changed is None else _changed(before, number - 1, changed, found),
        "note": note,
    }


def _entries(
    run: Path, number: int, rows: pl.DataFrame, known: Mapping[str, str], units: Sequence[str]
) -> list[dict[str, Any]]:
    """What is told of each of these rows (`chosen.wide`)."""
    labels, names = rows["label"].fill_null("").to_list(), rows["id"].to_list()
    errors = _errors([known.get(name) for name in names], labels)
    return [
        {
            "id": row["id"],
            "size": row["size"],
            "label": _short(label),
            "truth": _short(known.get(row["id"])),
            "verdict": row["verdict"],
            "reason": _reason(run, number, rows[place]) if row["verdict"] != KEPT else None,
            "copies": row["copies"],
            **{name: _finite(row[name]) for name in ("normalised_score", "confidence")},
            **{name: _finite(row[name]) for name in ("probability", "expected_error")},
            "errors": errors[place],
            "difference": difference(known.get(row["id"]), label),
            "pieces": pieces_of(units, row["tokens"], row["token_confidence"], label),
        }
        for place, (row, label) in enumerate(zip(rows.iter_rows(named=True), labels, strict=True))
    ]


def _changed(
    before: Path, number: int, changed: pl.DataFrame, found: Mapping[int, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The entries of the labels that changed, each with what it was in generation `number`."""
    verdicts = dict(wide(before, changed["row"].sort().to_list()).select("row", "verdict").iter_rows())
    entries = []
    for row, _, apart, old in changed.iter_rows():
        steps = difference(old, found[row]["label"])
        was = {"generation": number, "label": _short(old), "verdict": verdicts[row], "edits": apart}
        entries.append({**found[row], "before": was | {"difference": steps}})
    return entries


def difference(before: str | None, after: str) -> Pairs | None:
    """The words of two texts side by side, as `align.aligned` has them: null in the place of one that is not there.

    None where the two are the same, there is nothing to compare with, or so much that nobody reads it.
    """
    if before is None or before == after or max(len(before), len(after)) > _LONGEST:
        return None
    if max(len(before.split()), len(after.split())) > _MOST_WORDS:
        return None
    return [[step.reference, step.hypothesis] for step in aligned(before, after)]


def pieces_of(
    units: Sequence[str], tokens: Sequence[int] | None, sure: Sequence[float] | None, label: str
) -> list[dict[str, Any]] | None:
    """The label cut into its tokens, each `text` with its `confidence`; joined, the texts are the label.

    None where there are no confidences, or the units do not spell the label: those of another teacher, or of images.
    """
    if not tokens or not sure or len(tokens) != len(sure) or max(tokens) >= len(units) or len(label) > _LONGEST:
        return None
    names = [units[token] for token in tokens]
    for texts in ([name.replace("\u2581", " ") for name in names], [f" {name}" for name in names]):
        if "".join(texts).strip() == label:
            return [{"text": text, "confidence": round(one, 4)} for text, one in zip(texts, sure, strict=True)]
    return None


def _units(model: Path) -> list[str]:
    """The names of a model's units; none where it has no tokenizer."""
    path = model / "tokenizer.json"
    return list(read_json(path)["names"]) if path.exists() else []


def _errors(truths: Sequence[str | None], labels: Sequence[str]) -> list[dict[str, Any] | None]:
    """Errors, words and rate of each label whose truth is known."""
    counts = align_counts([true or "" for true in truths], labels).tolist()
    return [
        None if true is None else {"errors": sum(each[:3]), "words": each[3], "rate": sum(each[:3]) / max(each[3], 1)}
        for true, each in zip(truths, counts, strict=True)
    ]


def _known(run: Path, truth: Truth | None, names: pl.Series) -> dict[str, str]:
    """The true labels of these examples: given, or, as they never change, those in an earlier results.json."""
    if truth is not None:
        found = truth.rows.filter(pl.col("id").is_in(names.implode()))
        return dict(found.select("id", "label").iter_rows())
    entries = [
        each
        for generation in earlier(run)
        for kind in (*KINDS, "most_changed")
        for each in (generation.get("examples") or {}).get(kind) or ()
    ]
    # one that was cut short is no truth to count errors by
    return {each["id"]: each["truth"] for each in entries if each["truth"] and len(each["truth"]) <= _LONGEST}


def _reason(run: Path, number: int, row: pl.DataFrame) -> str:
    """The rule that rejected a label, with what it looked at, in words."""
    with readable(run):
        return describe_reason(reason(run, number, row["verdict"].item(), whole(row)))


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None


def _short(text: str | None) -> str | None:
    """The text, or its beginning where it is very long."""
    return text if text is None or len(text) <= _LONGEST else text[:_LONGEST] + " ..."
