"""Figures of results.json in a page, each with the key that it stands under: so that a test can hold all of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import cycle
from typing import Any

from markupsafe import Markup

from nst_asr.cost import describe_rate, duration
from nst_asr.results.bins import points
from nst_asr.results_table import NONE, percent
from nst_asr.terms import Terms

_STEP = re.compile(r"[^.\[\]]+|\[\d+\]")
_BEFORE_UNIT = re.compile(r"(?<=\d) (?=%|points\b)")

Form = Callable[[Any], str]


def forms(terms: Terms) -> dict[str, Form]:
    """The ways to write a figure, by name; in the words of a task where it is an amount."""
    return {
        "percent": percent,
        "percent1": lambda number: percent(number, 1),
        "percent0": lambda number: percent(number, 0),
        "bound": lambda number: f"{100 * number:.1f}",  # of an interval, beside a percentage
        "points": lambda number: f"{points(number)} points",
        "signed": points,  # a bound of these
        "amount": lambda number: f"{terms.count(number)} {terms.amount}",
        "number": lambda number: terms.count(number),  # an amount without its unit, for the cells of a table
        "count": lambda number: f"{number:,.0f}",
        "seconds": lambda number: f"{number:,.0f} s",
        "seconds2": lambda number: f"{number:.2f} s",
        "memory": lambda number: f"{number:,.0f} MiB",
        "nats": lambda number: f"{number:.4f} nats",
        "digits2": "{:.2f}".format,
        "digits3": "{:.3f}".format,
        "digits4": "{:.4f}".format,
        "times": "{:.2f} times".format,
        "general": "{:g}".format,
        "rounded": "{:.3g}".format,
        "change": lambda number: f"{100 * number:+.1f} %",
        "duration": _duration,
        "pace": lambda rate: f"{rate / terms.unit:.3g}",  # of sizes in a second, in the task's amounts
        "throughput": lambda rate: _throughput(rate, terms),
        "text": held_together,
    }


def held_together(text: str) -> str:
    """A text whose percentages and points do not part from their numbers at the end of a line."""
    return _BEFORE_UNIT.sub("\u00a0", text)


def with_code(text: str) -> Markup:
    """A text in which what stands between backticks is set as code."""
    styles = cycle((Markup("{}"), Markup("<code>{}</code>")))
    return Markup("").join(style.format(part) for style, part in zip(styles, text.split("`"), strict=False))


def _duration(seconds: float) -> str:
    """Such as 4.2 s, 79 s, 12 min or 3.4 h."""
    return duration(seconds) if seconds >= 120 else f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"


def _throughput(rate: float, terms: Terms) -> str:
    """Sizes in a second as the task counts amounts; of audio also how many times faster than real time that is."""
    told = describe_rate(rate, terms)
    return told if terms.unit == 1 else f"{rate / terms.unit:.3g} {terms.amount} a second ({told})"


class Figures:
    """Writes the figure that results.json has under a key, such as `generations[1].dev.rate`, into a page."""

    def __init__(self, results: Mapping[str, Any], terms: Terms) -> None:
        self.results, self.forms = results, forms(terms)

    def __call__(self, key: str, form: str = "general") -> Markup:
        """A `<data>` element with key and exact value (of a text: the text); a dash where the value is null.

        Raises KeyError for a key that results.json does not have.
        """
        value = find(self.results, key)
        if value is None:
            return Markup('<data data-key="{}" value="">{}</data>').format(key, NONE)
        exact = value if isinstance(value, str) else repr(value)
        return Markup('<data data-key="{}" data-form="{}" value="{}">{}</data>').format(
            key, form, exact, self.forms[form](value)
        )

    def text(self, key: str) -> Markup:
        """A text of results.json, which may have numbers in it."""
        return self(key, "text")


def find(results: Mapping[str, Any], key: str) -> Any:
    """What stands under a key of dots and places in brackets. Raises KeyError naming the key."""
    found: Any = results
    for step in _STEP.findall(key):
        try:
            found = found[int(step[1:-1])] if step.startswith("[") else found[step]
        except (KeyError, IndexError, TypeError):
            raise KeyError(f"results.json has no {key} (looking for {step})") from None
    return found
