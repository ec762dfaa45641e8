"""The changes between two generations' labels as text to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nst_asr.results_table import percent
from nst_asr.terms import Terms

Found = Mapping[str, Any]

_NOTHING = "-"  # in the place of the word that is not there, at an insertion or a deletion


def describe(found: Found, terms: Terms | None = None) -> str:
    """What `Changes.to_json` holds, as lines in the words of a task."""
    terms = terms or Terms()
    old, new = found["from"], found["to"]
    lines = [
        f"generation {old['generation']} -> {new['generation']} (labeled by generation {old['teacher']} -> "
        f"{new['teacher']}): {_amount(found, terms)}",
        f"kept: {_amount(old['kept'], terms)} -> {_amount(new['kept'], terms)}; "
        f"in both: {_amount(found['kept_in_both'], terms)}",
        f"changed labels: {percent(found['changed']['share'])} of all, "
        f"{percent(found['changed_of_kept_in_both']['share'])} of those kept in both",
        f"distance, labels of {new['generation']} from those of {old['generation']}: "
        f"{_distance(found['distance'], terms)}; kept in both: {_distance(found['distance_of_kept_in_both'], terms)}",
        f"kept -> rejected: {_moved(found['kept_to_rejected'], 'by', terms)}",
        f"rejected -> kept: {_moved(found['rejected_to_kept'], 'before, by', terms)}",
        *_errors(found, terms),
        *_words(found, terms),
    ]
    return "\n".join(lines)


def _amount(amount: Found, terms: Terms) -> str:
    rows = f"{amount['rows']:,} {terms.example}s"
    return rows if terms.unit == 1 else f"{rows}, {terms.count(amount['hours'])} {terms.amount}"


def _distance(distance: Found, terms: Terms) -> str:
    characters = f", CER {percent(distance['characters']['rate'])}" if terms.unit != 1 else ""
    return f"{terms.error} {percent(distance['rate'])}{characters}"


def _moved(moved: Found, by: str, terms: Terms) -> str:
    rules = ", ".join(f"{rule['rule']} {rule['rows']:,}" for rule in moved["rules"])
    return _amount(moved, terms) + (f" ({by} {rules})" if rules else "")


def _errors(found: Found, terms: Terms) -> list[str]:
    errors = found["label_error"]
    if not errors:
        return []
    columns = [f"generation {found[side]['generation']}" for side in ("from", "to")]
    lines = ["", f"{terms.error} of the labels against the truth, known of {errors['known']:,} {terms.example}s:"]
    lines.append(f"  {'':<18}{columns[0]:>14}{columns[1]:>14}")
    for name, rates in errors.items():
        if name != "known":
            cells = [percent(rates[side]["rate"] if rates[side]["words"] else None) for side in ("from", "to")]
            lines.append(f"  {name.replace('_to_', ' -> '):<18}{cells[0]:>14}{cells[1]:>14}")
    return lines


def _words(found: Found, terms: Terms) -> list[str]:
    lines = []
    if found["changed_words"]:
        lines += ["", f"most changed {terms.token}s ({_NOTHING}: none there):"]
        lines += [f"  {_pair(change)}  {change['count']:,}" for change in found["changed_words"]]
    old, new = found["from"]["generation"], found["to"]["generation"]
    lines.append("")
    for name, where, absent in (("vanished", old, new), ("appeared", new, old)):
        gone = found[name]
        shown = _list([f"{word['word']} {word['count']:,}" for word in gone["words"]], gone["kinds"])
        lines.append(f"{terms.token}s that {name} (in labels of {where}, not of {absent}): {gone['kinds']:,}{shown}")
    return lines


def _pair(change: Found) -> str:
    return f"{change['before'] or _NOTHING} -> {change['after'] or _NOTHING}"


def _list(shown: Sequence[str], kinds: int) -> str:
    if not shown:
        return ""
    return "; " + ", ".join(shown) + (", ..." if kinds > len(shown) else "")
