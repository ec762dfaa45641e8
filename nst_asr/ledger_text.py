"""The ledger of one example as text to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nst_asr.results_table import percent
from nst_asr.terms import Terms
from nst_asr.verdicts import KEPT

Found = Mapping[str, Any]

_SIGNS = {"match": "", "substitution": "S", "deletion": "D", "insertion": "I"}
_MISSING = "*"  # fills the place of a word that one side does not have, as in sclite


def describe(found: Found, terms: Terms | None = None) -> str:
    """What `ledger.why` found, as lines in the words of a task."""
    terms = terms or Terms()
    size = "" if terms.unit == 1 else f", {found['size']:.2f} s"
    lines = [f"{terms.example} {found['id']} ({found['set']}{size})"]
    if found["truth"] is not None:
        lines.append(f"truth: {found['truth']}")
    if "truth_note" in found:
        lines.append(found["truth_note"])
    for entry in found["generations"]:
        lines += ["", *_entry(entry, found["set"] == "unlabeled", terms)]
    return "\n".join(lines)


def _entry(entry: Found, of_pool: bool, terms: Terms) -> list[str]:
    teacher = entry["teacher"]
    named = f" (model {teacher['hash']})" if teacher["hash"] else ""
    lines = [f"generation {entry['generation']}, labeled by generation {teacher['generation']}{named}"]
    if not entry["labeled"]:
        return [*lines, "  not labeled yet"]
    lines.append(f"  label: {entry['label']}")
    if entry.get("label_without_lm") is not None:
        lines.append(f"  without the language model: {entry['label_without_lm']}")
    lines += [f"  teacher {place}: {other}" for place, other in enumerate(entry.get("alternatives") or (), 1)]
    if entry["errors"]:
        lines += _errors(entry["errors"], terms)
    lines.append("  " + ", ".join(f"{name} {_number(value)}" for name, value in entry["scores"].items()))
    return lines + (_judged(entry) if of_pool else [])


def _errors(errors: Found, terms: Terms) -> list[str]:
    kinds = ", ".join(f"{errors[kind + 's']} {_SIGNS[kind]}" for kind in ("substitution", "deletion", "insertion"))
    lines = [f"  {terms.error}: {percent(errors['rate'])} ({kinds} of {errors['words']} {terms.token}s)"]
    columns = [_column(step) for step in errors["alignment"]]
    for name, row in zip(("truth", "label", ""), zip(*columns, strict=True), strict=False):
        lines.append(f"    {name:<6}" + " ".join(row).rstrip())
    return [line for line in lines if line.strip()]


def _column(step: Found) -> Sequence[str]:
    """Reference over hypothesis over the sign of the error, as wide as the widest of them."""
    words = [step["reference"], step["hypothesis"], _SIGNS[step["operation"]]]
    width = max(len(word or "") for word in words)
    return [(_MISSING * width if word is None else word).ljust(width) for word in words]


def _judged(entry: Found) -> list[str]:
    if entry["verdict"] is None:
        return ["  not judged yet"]
    if entry["verdict"] != KEPT:
        return [f"  rejected by {describe_reason(entry['reason'])}"]
    if entry["copies"] is None:
        return ["  kept"]
    return [f"  kept; copies: {entry['copies']}, weight: {_number(entry['weight'])}"]


def describe_reason(reason: Found) -> str:
    """What `reasons.reason` found, on one line."""
    parts = [_failure(failed) for failed in reason["failed"]] + ([reason["note"]] if reason["note"] else [])
    return str(reason["rule"]) + (": " + "; ".join(parts) if parts else "")


def _failure(failed: Found) -> str:
    value, cutoff = _apart(failed["value"], failed["cutoff"])
    found = f"{failed['measure']} {value}" if failed["value"] is not None else f"it has no {failed['measure']}"
    # the plan has a rate, and the cut-off is one of the measure by which it was sought
    at = f"the cut-off {cutoff} for target_error" if failed["key"] == "target_error" else f"{failed['key']} = {cutoff}"
    return f"{found}, where {at} asks for {failed['asks_for']}"


def _apart(value: Any, cutoff: Any) -> tuple[str, str]:
    """Both as text, with so many digits that they differ."""
    short = _number(value), _number(cutoff)
    return short if short[0] != short[1] or value == cutoff else (f"{value:.9g}", f"{cutoff:.9g}")


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
