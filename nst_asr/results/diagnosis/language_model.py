"""A language model that has read what it is tested on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nst_asr.results.diagnosis.case import Case, Entry, Finding, Limits
from nst_asr.results_table import percent
from nst_asr.terms import Terms


def leaked_text(case: Case) -> Iterator[Finding]:
    """The guard has found transcripts in its text, or it helps far more on one held-out set than on the other."""
    found = case.results.get("text_overlap") or ()
    over = [entry for entry in found if entry["share"] is not None and entry["share"] > entry["limit"]]
    gains = _gains(case)
    if not over and not (gains and gains.uneven(case.limits)):
        return
    yield Finding(
        "language model text leaks",
        "cause",
        " ".join([*(_overlap(case, entry) for entry in over), *([gains.describe(case.terms)] if gains else [])]),
        "Train the language model on text without these transcripts and make the run again: neither its labels nor its "
        "error rates with the language model can be trusted",
        "generations",
        figures={f"shared_{entry['name']}": entry["share"] for entry in over} | (gains.figures if gains else {}),
    )


def _overlap(case: Case, entry: Entry) -> str:
    compared = entry["utterances"] - entry["too_short"]
    return (
        f"The text of {entry['lm']} holds transcripts of {entry['name']}: {entry['shared']:,} of the {compared:,} "
        f"{case.terms.example}s that can be compared ({percent(entry['share'], 1)}) share eight words in a row with "
        f"it, where {percent(entry['limit'], 1)} may."
    )


@dataclass(frozen=True)
class _Gains:
    """Error rates of one generation without and with the language model, on dev and on test."""

    generation: int
    dev: tuple[float, float]
    test: tuple[float, float]

    def uneven(self, limits: Limits) -> bool:
        """Whether it helps far more on one held-out set than on the other."""
        less, more = sorted((_gain(*self.dev), _gain(*self.test)))
        return more - less >= limits.leak_gain and less < limits.leak_ratio * more

    def describe(self, terms: Terms) -> str:
        """What it does to either set."""
        changes = (
            f"on {name} from {percent(before)} to {percent(after)}"
            for name, (before, after) in (("dev", self.dev), ("test", self.test))
        )
        return f"The language model takes the {terms.error} of generation {self.generation} {', and '.join(changes)}."

    @property
    def figures(self) -> dict[str, float | int | None]:
        """The relative gains."""
        return {"gain_dev": _gain(*self.dev), "gain_test": _gain(*self.test)}


def _gains(case: Case) -> _Gains | None:
    """Of the last generation that was scored with and without a language model on both sets."""
    for entry in reversed(case.generations):
        fused = entry["with_lm"] or {}
        if fused.get("dev") and fused.get("test") and entry["test"]:
            dev, test = ((entry[on]["rate"], fused[on]["rate"]) for on in ("dev", "test"))
            return _Gains(entry["generation"], dev, test)
    return None


def _gain(without: float, with_lm: float) -> float:
    """The share of the errors that the language model takes away; negative where it adds some."""
    return 1 - with_lm / without if without else 0.0
