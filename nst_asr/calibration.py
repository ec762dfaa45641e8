"""From measures to the probability that a label is right and to its expected error rate, learnt on dev.

Both maps are monotone in every measure: a logistic regression with coefficients that are not negative makes one number
of all measures, and centred isotonic regression makes a rate of that. What dev cannot teach is None, with the reason.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from nst_asr.folds import folds
from nst_asr.isotonic import Curve, rising_blocks
from nst_asr.key import Key
from nst_asr.logistic import fit_logistic
from nst_asr.measures import MEASURES, words

FEWEST_ROWS = 50  # dev labels; of fewer, no curve is worth its name
FEWEST_OF_A_KIND = 5  # right ones, and wrong ones
FOLDS = 10
# measures that say something of their own; the others are near relatives of one of these
COMBINED = (
    *("logprob", "logprob_per_token", "normalised_score", "confidence", "min_confidence", "tsallis_mean"),
    *("margin", "lm_agreement", "agreement", "spoken"),
)
_SHARES = ("confidence", "min_confidence", "tsallis_mean")  # probabilities, which are combined by their odds
_LOGPROBS = ("logprob", "logprob_per_token")
_RIDGE = 1.0  # of each coefficient squared, halved; beside a sum over utterances
_TINY = 1e-6
_FARTHEST = 4.0  # standard deviations from the middle; what lies beyond counts as that
_PREDICTED = ("probability", "expected_error", "expected_words")


@dataclass(frozen=True)
class Sureness:
    """One number out of several measures: sum of b (t(m) - centre) / scale, b >= 0.

    t takes the logarithm of the odds of probabilities, and of 1 + margin; a term is cut off at 4 scales.
    """

    measures: tuple[str, ...]
    centres: tuple[float, ...]
    scales: tuple[float, ...]
    coefficients: tuple[float, ...]

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """The number of each row of transformed measures, (N, K) in the order of `measures`."""
        return np.asarray(_standard(features, self.centres, self.scales) @ np.array(self.coefficients))

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Sureness:
        """The record whose fields these are."""
        return cls(**{name: tuple(values) for name, values in content.items()})


@dataclass(frozen=True)
class Chance:
    """How probable it is that a whole label is right, by its sureness."""

    sureness: Sureness
    curve: Curve

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Probabilities, (N,)."""
        return self.curve(self.sureness(features))


@dataclass(frozen=True)
class ErrorRate:
    """Expected errors a word of the truth, by minus the sureness, and words of the truth a word of the label."""

    sureness: Sureness
    curve: Curve
    words: Curve

    def __call__(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Expected error rates, and words of the truth a word of the label, (N,) each."""
        doubt = -self.sureness(features)
        return self.curve(doubt), self.words(doubt)


@dataclass(frozen=True)
class Calibration:
    """What dev teaches about being right. reasons: why there is no `right` or no `error`."""

    rows: int
    right: Chance | None
    error: ErrorRate | None
    reasons: tuple[str, ...] = ()

    @property
    def columns(self) -> list[pl.Expr]:
        """The measures it needs, as expressions over a label table with `normalised_score`."""
        heads = [head.sureness.measures for head in (self.right, self.error) if head]
        return [MEASURES[name].value.alias(name) for name in sorted({name for names in heads for name in names})]

    def predict(self, table: pl.DataFrame) -> pl.DataFrame:
        """probability, expected_error (f32) and expected_words (f64: of the truth) for each row of a label table.

        All null where there are no tokens, the score is not finite or a measure is missing; each null where dev could
        not calibrate it. The table has a column `normalised_score`. Sums weighted by the expected words give the error
        rate of a set of labels:  sum(expected_error expected_words) / sum(expected_words).
        """
        healthy = table.select(_healthy()).to_series().to_numpy()
        found = {name: np.full(len(table), np.nan) for name in _PREDICTED}
        features = np.zeros((len(table), 0))
        if self.right:
            features = _features(table, self.right.sureness.measures)
            found["probability"] = _where(healthy, features, self.right(features))
        if self.error:
            if not (self.right and self.right.sureness.measures == self.error.sureness.measures):
                features = _features(table, self.error.sureness.measures)
            rate, ratio = self.error(features)
            found["expected_error"] = _where(healthy, features, rate)
            found["expected_words"] = _where(healthy, features, ratio) * table.select(words()).to_series().to_numpy()
        return _columns(found)

    def to_json(self) -> dict[str, Any]:
        """The fields as plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Calibration:
        """The calibration that `to_json` wrote."""
        right, error = content["right"], content["error"]
        return cls(
            content["rows"],
            right and Chance(Sureness.from_json(right["sureness"]), Curve.from_json(right["curve"])),
            error
            and ErrorRate(
                Sureness.from_json(error["sureness"]), Curve.from_json(error["curve"]), Curve.from_json(error["words"])
            ),
            tuple(content["reasons"]),
        )


@dataclass(frozen=True)
class Fitted:
    """A calibration, and what those fitted without a row's fold say of it (`predict`), in the order of the rows."""

    calibration: Calibration
    out_of_fold: pl.DataFrame


def fit_calibration(dev: pl.DataFrame, key: Key) -> Fitted:
    """The calibration that dev teaches.

    dev: a label table with `normalised_score`, `group`, and `errors` and `words` of each label against the truth. For
    the probability at least 50 labels with tokens and finite measures are needed, of them 5 right and 5 wrong; for the
    error rate 50, of them 5 wrong. Folds hold whole groups (`folds.folds`); each calibration that judges a row out of
    fold has seen no row of its group. The order of the rows does not matter.
    """
    ordered = dev.with_row_index("place").sort("id")
    healthy = ordered.select(_healthy()).to_series()
    known = _Known.of(ordered.filter(healthy))
    whole = _fit(known)
    fold = folds(ordered, FOLDS, key)[healthy.to_numpy()]
    found = {name: np.full(len(dev), np.nan) for name in _PREDICTED}
    place = ordered["place"].filter(healthy).to_numpy()
    for number in np.unique(fold).tolist():
        out = fold == number
        for name, values in _predicted(known.only(~out), known.only(out), whole).items():
            found[name][place[out]] = values
    return Fitted(whole, _columns(found))


@dataclass(frozen=True)
class _Known:
    """Labels of dev that say something: transformed measures (N, K), errors, words of the truth and of the label."""

    names: tuple[str, ...]
    features: np.ndarray
    errors: np.ndarray
    true: np.ndarray
    spoken: np.ndarray

    @classmethod
    def of(cls, table: pl.DataFrame) -> _Known:
        """With the combined measures that every label has and that are not all equal."""
        features = _features(table, COMBINED)
        low, high = features.min(0, initial=np.inf), features.max(0, initial=-np.inf)
        there = np.isfinite(features).all(0) & (low < high)
        names = tuple(name for name, present in zip(COMBINED, there, strict=True) if present)
        errors, true = (table[name].cast(pl.Float64).to_numpy() for name in ("errors", "words"))
        return cls(names, features[:, there], errors, true, table.select(words()).to_series().to_numpy())

    def only(self, mask: np.ndarray) -> _Known:
        """Some of the labels."""
        parts = (self.features, self.errors, self.true, self.spoken)
        return _Known(self.names, *(part[mask] for part in parts))

    def __len__(self) -> int:
        return len(self.errors)


def _predicted(others: _Known, rows: _Known, whole: Calibration) -> dict[str, np.ndarray]:
    """What calibrations of the others say of these rows, of what the calibration of all rows has."""
    found = {}
    if whole.right and len(others):
        found["probability"] = _chance(others)(rows.features)
    if whole.error and others.true.any():
        found["expected_error"], ratio = _error_rate(others)(rows.features)
        found["expected_words"] = ratio * rows.spoken
    return found


def _fit(known: _Known) -> Calibration:
    wrong = int((known.errors > 0).sum())
    right = len(known) - wrong
    small = len(known) < FEWEST_ROWS or not known.names
    reasons = []
    if few := small or wrong < FEWEST_OF_A_KIND or right < FEWEST_OF_A_KIND:
        reasons.append(
            f"dev is too small to calibrate the probability of a right label: {len(known)} labels with tokens, of "
            f"which {right} are right and {wrong} wrong; it takes {FEWEST_ROWS}, with {FEWEST_OF_A_KIND} of either kind"
        )
    if too_few := small or wrong < FEWEST_OF_A_KIND or not known.true.any():
        reasons.append(
            f"dev is too small to calibrate the expected error: {len(known)} labels with tokens, of which {wrong} are "
            f"wrong; it takes {FEWEST_ROWS}, of which {FEWEST_OF_A_KIND} are wrong"
        )
    return Calibration(
        len(known), None if few else _chance(known), None if too_few else _error_rate(known), tuple(reasons)
    )


def _chance(known: _Known) -> Chance:
    right, ones = (known.errors == 0).astype(np.float64), np.ones(len(known))
    sureness = _sureness(known, right, ones)
    blocks = rising_blocks(sureness(known.features), right, ones, _fewest(len(known)))
    return Chance(sureness, blocks.curve(highest=1.0))


def _error_rate(known: _Known) -> ErrorRate:
    weights = known.true / known.true.mean()
    sureness = _sureness(known, 1 - np.minimum(known.errors / np.maximum(known.true, 1), 1), weights)
    blocks = rising_blocks(-sureness(known.features), known.errors, known.true, _fewest(len(known)))
    true, spoken = (np.bincount(blocks.of_row, part) for part in (known.true, known.spoken))
    ratio = Curve(tuple(blocks.x.tolist()), tuple((true / np.maximum(spoken, 1)).tolist()))
    return ErrorRate(sureness, blocks.curve(), ratio)


def _fewest(rows: int) -> int:
    """Rows of a bin, before bins are pooled."""
    return max(20, math.ceil(rows / 100))


def _sureness(known: _Known, outcome: np.ndarray, weights: np.ndarray) -> Sureness:
    """The combination of the measures that tells the outcome best."""
    low, middle, high = np.percentile(known.features, [15.87, 50, 84.13], axis=0)
    scales = (high - low) / 2
    scales = np.where(scales > 0, scales, known.features.std(0))
    scales = np.where(scales > 0, scales, 1.0)  # all equal, in the labels outside one fold
    found = fit_logistic(_standard(known.features, middle, scales), outcome, weights, _RIDGE)
    return Sureness(known.names, *(tuple(part.tolist()) for part in (middle, scales, found[1:])))


def _standard(features: np.ndarray, centres: Any, scales: Any) -> np.ndarray:
    return np.asarray(np.clip((features - np.asarray(centres)) / np.asarray(scales), -_FARTHEST, _FARTHEST))


def _healthy() -> pl.Expr:
    """Labels that say something, with a finite score."""
    spoken = (pl.col("tokens").list.len().fill_null(0) > 0) & (pl.col("label").str.strip_chars().fill_null("") != "")
    finite = pl.col("logprob").is_finite().fill_null(False) & pl.col("score").is_finite().fill_null(True)
    return (spoken & finite).alias("healthy")


def _features(table: pl.DataFrame, names: tuple[str, ...]) -> np.ndarray:
    """The transformed measures, (N, K) f64; nan where one is missing."""
    raw = table.select(MEASURES[name].value.fill_null(math.nan).alias(name) for name in names)
    columns = [_transformed(name, raw[name].to_numpy()) for name in names]
    return np.column_stack(columns) if columns else np.zeros((len(table), 0))


def _transformed(name: str, values: np.ndarray) -> np.ndarray:
    if name in _LOGPROBS:
        values = np.minimum(values, -_TINY)
        return np.asarray(values - np.log(-np.expm1(values)))
    if name in _SHARES:
        values = np.clip(values, _TINY, 1 - _TINY)
        return np.asarray(np.log(values) - np.log1p(-values))
    return np.log1p(np.maximum(values, 0)) if name == "margin" else values


def _where(healthy: np.ndarray, features: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.asarray(np.where(healthy & np.isfinite(features).all(1), values, np.nan))


def _columns(found: Mapping[str, np.ndarray]) -> pl.DataFrame:
    types = dict(zip(_PREDICTED, (pl.Float32, pl.Float32, pl.Float64), strict=True))
    return pl.DataFrame(dict(found)).fill_nan(None).cast(types)  # type: ignore[arg-type]
