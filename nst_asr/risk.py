"""Risk and coverage: how many hours of labels are kept against the error rate of what is kept, for every measure.

A curve goes through the labels from the surest to the least sure. Its area is the mean error rate over all shares of
hours that could be kept: 0 would be right labels only. Labels of equal measure come together; those without the measure
come last. Source: El-Yaniv and Wiener 2010 (risk and coverage); Geifman and El-Yaniv 2017 (area); that coverage is
counted in hours, and risk in words, is ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from nst_asr.bootstrap import FEWEST_BLOCKS, percentiles, rate, resampled_weights
from nst_asr.key import Key
from nst_asr.measures import MEASURES, RAW
from nst_asr.terms import Terms

REFERENCE = "logprob_per_token"  # what the other measures are compared with
FEWEST_ROWS = 20  # that stand behind a cut-off: what fewer say of an error rate is chance
_POINTS = 100  # of a curve that is written
_RESAMPLES = 200


@dataclass(frozen=True)
class RiskCurve:
    """What each cut-off of a measure keeps on dev, from the strictest to the loosest.

    least: the cut-off, which is kept; None: labels without the measure are kept too. hours, errors and words (of the
    truth) of what is kept.
    """

    least: tuple[float | None, ...]
    hours: tuple[float, ...]
    errors: tuple[int, ...]
    words: tuple[int, ...]

    @property
    def rates(self) -> np.ndarray:
        """The error rate of what each cut-off keeps."""
        return rate(np.array(self.errors, np.float64), np.array(self.words, np.float64))

    @property
    def coverage(self) -> np.ndarray:
        """The share of hours that each cut-off keeps."""
        return np.array(self.hours) / max(self.hours[-1], 1e-300)

    @classmethod
    def from_json(cls, content: Mapping[str, Sequence[Any]]) -> RiskCurve:
        """The curve whose fields these are."""
        return cls(**{name: tuple(values) for name, values in content.items()})


@dataclass(frozen=True)
class Risk:
    """How well one measure tells right labels from wrong ones.

    area: see the module, a rate; low, high: its middle 95 % over resamples; excess: (area - oracle's) / (random's -
    oracle's), so that 0 is the best possible order and 1 is none, None where the two are equal; half: the error rate of
    the surest half of the hours; difference: of the area to that of `REFERENCE`, with its interval over the same
    resamples, None where that measure is missing. rows: labels that have the measure.
    """

    measure: str
    rows: int
    area: float
    low: float
    high: float
    excess: float | None
    half: float
    difference: tuple[float, float, float] | None


@dataclass(frozen=True)
class Ranking:
    """The measures, the best first. oracle, random: areas of the best possible order and of none."""

    risks: tuple[Risk, ...]
    oracle: float
    random: float
    rows: int
    hours: float
    over: str  # what the resamples draw: group or example

    def to_json(self) -> dict[str, Any]:
        """The fields as plain values."""
        return asdict(self)

    def describe(self, terms: Terms | None = None) -> str:
        """A table to read, in the words of a task."""
        terms = terms or Terms()
        drawn = terms.group if self.over == "group" else terms.example
        lines = [
            f"area under the curve of {terms.amount} kept against {terms.error} of what is kept, on {self.rows} "
            f"{terms.example}s of dev (oracle {self.oracle:.2%}, random {self.random:.2%}; 95 % over {drawn}s):",
            f"{'measure':<20}{'area':>8}{'95 %':>20}{'excess':>9}{'surest half':>13}   difference to {REFERENCE}",
        ]
        return "\n".join([*lines, *map(_line, self.risks)])


def _line(risk: Risk) -> str:
    interval = f"[{risk.low:.2%}, {risk.high:.2%}]"
    excess = "-" if risk.excess is None else f"{risk.excess:.3f}"
    away = "-" if risk.difference is None else "{:+.2%} [{:+.2%}, {:+.2%}]".format(*risk.difference)
    return f"{risk.measure:<20}{risk.area:>8.2%}{interval:>20}{excess:>9}{risk.half:>13.2%}   {away}"


def measured(table: pl.DataFrame, names: Sequence[str] = RAW) -> dict[str, np.ndarray]:
    """Of the measures named, those that the table has and that not all labels agree in; nan where one is missing."""
    found = {name: values_of(table, name) for name in names}
    return {name: values for name, values in found.items() if _differ(values)}


def values_of(table: pl.DataFrame, name: str) -> np.ndarray:
    """A measure of each label of a table; nan where it is missing or not finite."""
    found = table.select(MEASURES[name].value.alias(name))[name].fill_null(np.nan).to_numpy()
    return np.where(np.isfinite(found), found, np.nan)


def _differ(values: np.ndarray) -> bool:
    there = values[~np.isnan(values)]
    return len(there) > 0 and bool(there.min() < there.max())


def ranking(measures: Mapping[str, np.ndarray], dev: pl.DataFrame, key: Key) -> Ranking:
    """How the measures compare on dev: `size`, `errors`, `words` and `group` of each label.

    The spread is over groups where all are known and there are at least 5, else over labels.
    """
    amounts = _amounts(dev)
    hours, errors, words = amounts
    of_rows = rate(errors, words)
    oracle, random = (float(_areas(_ends(order), amounts)) for order in (-of_rows, np.zeros(len(dev))))
    orders = {name: _ends(values) for name, values in measures.items()}
    areas = {name: float(_areas(ends, amounts)) for name, ends in orders.items()}
    over, units = _units(dev)
    spread = _resampled(orders, amounts, units, key)
    risks = [
        Risk(
            name,
            int((~np.isnan(measures[name])).sum()),
            area,
            *percentiles(spread[name]),
            (area - oracle) / (random - oracle) if random > oracle else None,
            _half(risk_curve(measures[name], dev)),
            _difference(name, areas, spread),
        )
        for name, area in areas.items()
    ]
    ranked = sorted(risks, key=lambda risk: (risk.area, risk.measure))
    return Ranking(tuple(ranked), oracle, random, len(dev), float(hours.sum()), over)


def risk_curve(values: np.ndarray, dev: pl.DataFrame, least: np.ndarray | None = None) -> RiskCurve:
    """The curve of a measure (nan where missing) over dev (`size`, `errors`, `words`): one point for each value.

    least: another measure, in whose terms the cut-offs are given: for each of its values the point of the curve at
    the same share of hours. For measures whose values out of fold are those of several fits.
    """
    order, ends = _ends(values)
    cumulated = [np.cumsum(column[order])[ends] for column in _amounts(dev)]
    cutoffs = values[order[ends]]
    if least is not None:
        order, ends = _ends(least)
        hours = np.cumsum(_amounts(dev)[0][order])[ends]
        cumulated = [hours, *(np.interp(hours, [0, *cumulated[0]], [0, *column]) for column in cumulated[1:])]
        cutoffs = least[order[ends]]
    hours, errors, words = cumulated
    return RiskCurve(
        tuple(None if np.isnan(value) else value for value in cutoffs.tolist()),
        tuple(hours.tolist()),
        tuple(np.rint(errors).astype(int).tolist()),
        tuple(np.rint(words).astype(int).tolist()),
    )


def thinned(curve: RiskCurve, rows_behind: np.ndarray) -> RiskCurve:
    """About 100 points of a curve, evenly over its hours, the last among them; none that keeps fewer than 20 labels."""
    usable = np.flatnonzero(np.asarray(rows_behind) >= FEWEST_ROWS)
    if not len(usable):  # what all labels have is known, but no cut-off
        return RiskCurve((None,), curve.hours[-1:], curve.errors[-1:], curve.words[-1:])
    wanted = np.linspace(0, curve.hours[-1], _POINTS + 1)
    places = np.searchsorted(np.array(curve.hours)[usable], wanted)
    chosen = np.unique(np.append(usable[np.minimum(places, len(usable) - 1)], len(curve.least) - 1))
    parts = (curve.least, curve.hours, curve.errors, curve.words)
    return RiskCurve(*(tuple(part[place] for place in chosen) for part in parts))


def _amounts(dev: pl.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hours, errors and words of each label."""
    hours, errors, words = (dev[name].cast(pl.Float64).to_numpy() for name in ("size", "errors", "words"))
    return hours / 3600, errors, words


def _ends(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The order from the surest label to the least sure, and where in it the labels of one value end."""
    falling = np.where(np.isnan(values), -np.inf, values)
    order = np.argsort(-falling, kind="stable")
    ranked = falling[order]
    return order, np.flatnonzero(np.append(ranked[1:] < ranked[:-1], True))


def _areas(
    ends: tuple[np.ndarray, np.ndarray], amounts: tuple[np.ndarray, ...], weights: np.ndarray | None = None
) -> np.ndarray:
    """The area of a curve, or one for each row of weights (R, N), by the trapezoid rule over the share of hours.

    Labels of one value come in any order, so each has their mean errors, words and hours. Before its first label a
    curve is level.
    """
    order, last = ends
    draws = np.ones((1, len(order))) if weights is None else weights[:, order]
    hours, errors, words = (_evenly(np.cumsum(draws * column[order], axis=1)[:, last], last) for column in amounts)
    rates = rate(errors, words)
    first = rates[np.arange(len(rates)), (hours > 0).argmax(axis=1)][:, None]
    rates = np.concatenate([first, np.where(hours > 0, rates, first)], axis=1)
    coverage = np.concatenate([np.zeros((len(hours), 1)), hours / np.maximum(hours[:, -1:], 1e-300)], axis=1)
    areas = np.asarray(np.trapezoid(rates, coverage, axis=1))
    return np.asarray(areas[0]) if weights is None else areas


def _evenly(totals: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Cumulated totals (R, G) up to the last label of each value, spread evenly over the labels: (R, N)."""
    sizes = np.diff(last, prepend=-1)
    if (sizes == 1).all():
        return totals
    group = np.repeat(np.arange(len(last)), sizes)
    share = (np.arange(len(group)) - np.repeat(last - sizes, sizes)) / sizes[group]
    before = np.concatenate([np.zeros((len(totals), 1)), totals[:, :-1]], axis=1)
    return np.asarray(before[:, group] + (totals - before)[:, group] * share)


def _units(dev: pl.DataFrame) -> tuple[str, np.ndarray]:
    """What a resample draws, and the number of the unit of each label."""
    groups = dev["group"]
    if groups.null_count() == 0 and groups.n_unique() >= FEWEST_BLOCKS:
        return "group", groups.rank("dense").to_numpy().astype(np.int64) - 1
    return "example", dev["id"].rank("dense").to_numpy().astype(np.int64) - 1


def _resampled(
    orders: Mapping[str, tuple[np.ndarray, np.ndarray]],
    amounts: tuple[np.ndarray, ...],
    units: np.ndarray,
    key: Key,
) -> dict[str, np.ndarray]:
    """The areas over the same resamples for all measures."""
    pieces: dict[str, list[np.ndarray]] = {name: [] for name in orders}
    for weights in resampled_weights(units, key, _RESAMPLES):
        for name, ends in orders.items():
            pieces[name].append(_areas(ends, amounts, weights))
    return {name: np.concatenate(parts) for name, parts in pieces.items()}


def _difference(
    name: str, areas: Mapping[str, float], spread: Mapping[str, np.ndarray]
) -> tuple[float, float, float] | None:
    if REFERENCE not in areas or name == REFERENCE:
        return None
    return areas[name] - areas[REFERENCE], *percentiles(spread[name] - spread[REFERENCE])


def _half(curve: RiskCurve) -> float:
    """The error rate of the surest half of the hours."""
    return float(np.interp(0.5, curve.coverage, curve.rates))


def curves(
    measures: Mapping[str, np.ndarray], dev: pl.DataFrame, whole: Mapping[str, np.ndarray]
) -> dict[str, RiskCurve]:
    """The curve of each measure, thinned; those of `whole` (see `risk_curve`) in the terms given there."""
    found = {}
    for name, values in measures.items():
        _, ends = _ends(whole.get(name, values))
        found[name] = thinned(risk_curve(values, dev, whole.get(name)), ends + 1)
    return found
