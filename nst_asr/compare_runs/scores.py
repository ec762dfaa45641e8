"""The scores of the runs side by side, and how surely one is better than the first where both scored the same set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nst_asr.compare_runs.data_and_code import same_set
from nst_asr.compare_runs.over_seeds import summary
from nst_asr.compare_runs.variants import Known, Variant, matched
from nst_asr.key import Key
from nst_asr.mcnemar import McNemar, mcnemar
from nst_asr.score import ERRORS, Score, ScoreError, compare, read_score

_KEY = Key(0)["compare_runs"]
LAST = "last model"
ORACLE = "oracle"


@dataclass(frozen=True)
class _Place:
    """What was scored: a generation by its number, the last of a run or the oracle; on which set, and how decoded."""

    of: int | str
    on: str
    with_lm: bool

    @property
    def name(self) -> str:
        return self.of if isinstance(self.of, str) else f"generation {self.of}"

    def path(self, run: Known) -> Path | None:
        """The score in a run's folder; None where there is none."""
        number = len(run.generations) - 1 if self.of == LAST else self.of
        folder = run.folder / (ORACLE if self.of == ORACLE else f"gen{number}")
        dev = "5-score" if isinstance(number, int) and number > 0 else "score"
        path = folder / f"{dev if self.on == 'dev' else 'test'}{'-lm' if self.with_lm else ''}.json"
        return path if path.exists() and run.generations else None


def score_differences(columns: Sequence[Variant]) -> list[dict[str, Any]]:
    """One entry for each model and set that some run has scored: the rates, and each column against the first."""
    return [_entry(place, columns) for place in _places(columns)]


def _places(columns: Sequence[Variant]) -> Iterator[_Place]:
    runs = [run for column in columns for run in column.runs]
    lengths = {len(run.generations) for run in runs if run.generations}
    models: list[int | str] = [*range(max(lengths, default=0)), *([LAST] if len(lengths) > 1 else []), ORACLE]
    for of in models:
        for on in ("dev", "test"):
            for with_lm in (False, True):
                place = _Place(of, on, with_lm)
                if any(place.path(run) for run in runs):
                    yield place


def _entry(place: _Place, columns: Sequence[Variant]) -> dict[str, Any]:
    first, *others = columns
    return {
        "of": place.name,
        "on": place.on,
        "with_lm": place.with_lm,
        "rates": [_rates(place, column) for column in columns],
        "against_first": [_against(place, first, other) for other in others],
    }


def _rates(place: _Place, column: Variant) -> dict[str, Any] | None:
    """Over the runs of a column; of a single run with its bootstrap interval."""
    found = [read_score(path) for run in column.runs if (path := place.path(run))]
    rates = summary([score.rate for score in found])
    if rates is None:
        return None
    low, high = found[0].interval if len(found) == 1 else (None, None)
    return {**rates, "low": low, "high": high}


def _against(place: _Place, first: Variant, other: Variant) -> dict[str, Any]:
    """The rates of `other` minus those of `first`, run by run of the same seed."""
    compared, reasons = [], []
    pairs = [(old, new) for old, new in matched(first, other) if place.path(old) and place.path(new)]
    for old, new in pairs:
        found, reason = _compared(place, old, new)
        compared += [found] if found else []
        reasons += [reason] if reason else []
    if not pairs:
        reasons.append("not scored in both, or not by runs of one seed")
    differences = summary([each["difference"] for each in compared])
    unpaired = sorted({str(seed) for seed in first.seeds} ^ {str(seed) for seed in other.seeds})
    alone = len(first.runs) == len(other.runs) == 1
    return {
        "column": other.name,
        "difference": differences,
        "better": sum(each["difference"] < 0 for each in compared),
        "significantly_better": sum(each["significantly_better"] for each in compared),
        "significantly_worse": sum(each["significantly_worse"] for each in compared),
        "by_run": compared,
        "seeds_left_out": [] if alone else unpaired,
        "reasons": list(dict.fromkeys(reasons)),
    }


def _compared(place: _Place, old: Known, new: Known) -> tuple[dict[str, Any] | None, str | None]:
    """One run against another, or the reason why they cannot be compared."""
    if same_set(old, new, place.on) is False:
        return None, f"scored on other {place.on} sets"
    paths = place.path(old), place.path(new)
    assert paths[0] is not None
    assert paths[1] is not None
    scores = read_score(paths[0]), read_score(paths[1])
    try:
        found = compare(*scores, _KEY)
    except ScoreError as error:
        return None, f"not the same {place.on} set: {error}"
    rates = [score.rate for score in scores]
    return {
        "seeds": [old.seed, new.seed],
        "rates": rates,
        **found.to_json(),
        "sentences": _sentences(*scores).to_json(),
    }, None


def _sentences(old: Score, new: Score) -> McNemar:
    """McNemar's test of which has more utterances without an error; `compare` has held that they are the same ones."""
    sides = [score.utterances.select("id", right=ERRORS == 0) for score in (old, new)]
    both = sides[0].join(sides[1], on="id", maintain_order="left")
    return mcnemar(both["right"].to_numpy(), both["right_right"].to_numpy())
