"""What dev teaches about a labeler's scores: how much of one is due to length alone, and how far to trust it.

The gauge is three things: the normalisation of scores, which needs no truth; the calibration of the measures against
dev's truth (`calibration.py`); and, for every measure, what each cut-off keeps of dev (`risk.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import polars as pl

from nst_asr import risk
from nst_asr.calibration import Calibration, fit_calibration
from nst_asr.key import Key
from nst_asr.measures import DERIVED
from nst_asr.risk import RiskCurve
from nst_asr.score import ERRORS, score

_FEWEST_ROWS = 3  # two parameters are fitted; fewer rows leave nothing to measure a spread with
_KEY = Key(0)["gauge"]  # of folds: the same dev labels always give the same gauge


class GaugeError(ValueError):
    """Dev labels that teach nothing about the scores; the message counts them and says the way out."""


@dataclass(frozen=True)
class Gauge:
    """What one labeler's scores mean.

    mu: nats a token; beta: nats; sigma: nats a square root of a token; rows: dev labels these were fitted on; left_out:
    dev labels that were empty or had a score that is not finite. calibration: None where dev's truth was not given (and
    in files of older versions); curves: for each measure, what its cut-offs keep of dev, error rates with it.
    """

    mu: float
    beta: float
    sigma: float
    rows: int
    left_out: int = 0
    calibration: Calibration | None = None
    curves: Mapping[str, RiskCurve] = field(default_factory=dict)

    def normalised(self) -> pl.Expr:
        """The normalised score of each row of a label table: about standard normal on data like dev.

            s = (S - mu l - beta) / (sigma sqrt(l))

        S is the score of the search, or logprob where there is none (no language model); l is the number of tokens.
        Null where the label is empty or S is not finite, or dev taught nothing (rows = 0).
        Source: Park et al. 2020, filtering by normalised score: S alone rejects long labels, S / l rejects short ones.
        """
        if not self.rows:
            return pl.lit(None, pl.Float64)
        tokens = _token_count()
        distance = _score() - self.mu * tokens - self.beta
        return pl.when(tokens > 0, _score().is_finite()).then(distance / (self.sigma * tokens.sqrt()))

    @property
    def calibrated(self) -> bool:
        """Whether dev could teach an expected error rate."""
        return self.calibration is not None and self.calibration.error is not None

    def judged(self, table: pl.DataFrame) -> pl.DataFrame:
        """A label table with normalised_score, probability and expected_error (f32), and expected_words (f64).

        The last three are those of `Calibration.predict`, null where dev could not calibrate them.
        """
        found = table.with_columns(self.normalised().cast(pl.Float32).alias("normalised_score"))
        return found.hstack((self.calibration or _NOT_CALIBRATED).predict(found))

    def probability(self, table: pl.DataFrame) -> pl.Series:
        """The calibrated probability that each whole label of a label table is right."""
        return self.judged(table)["probability"]

    def expected_error(self, table: pl.DataFrame) -> pl.Series:
        """The calibrated expected error rate of each label of a label table."""
        return self.judged(table)["expected_error"]

    def needed(self) -> list[pl.Expr]:
        """The measures that `judged` looks at."""
        return self.calibration.columns if self.calibration else []

    def to_json(self) -> dict[str, Any]:
        """The gauge as plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Gauge:
        """The gauge that `to_json` wrote, perhaps that of a version without calibration."""
        calibration, curves = content.get("calibration"), content.get("curves", {})
        return cls(
            **{name: content[name] for name in ("mu", "beta", "sigma", "rows", "left_out")},
            calibration=Calibration.from_json(calibration) if calibration else None,
            curves={name: RiskCurve.from_json(curve) for name, curve in curves.items()},
        )


_NOT_CALIBRATED = Calibration(0, None, None)


@dataclass(frozen=True)
class Fitted:
    """A gauge and what it was fitted on.

    dev: the judged label table with `group`, and `errors` and `words` of each label; out_of_fold: probability,
    expected_error and expected_words of each, from calibrations that did not see its group.
    """

    gauge: Gauge
    dev: pl.DataFrame
    out_of_fold: pl.DataFrame


def fit_gauge(heard: pl.DataFrame, truth: pl.DataFrame | None = None) -> Gauge:
    """The gauge of the labeler that gave the label table `heard`, which is dev decoded exactly as the pool is.

    truth: dev's own rows, with id, label and group; without it there is the normalisation alone.

    Least squares of S on l over the labels that are not empty and have a finite score; sigma is the standard
    deviation of (S - mu l - beta) / sqrt(l). Raises GaugeError for fewer than 3 such labels.

    Two cases that the paper does not have. Where all labels have one length (an image class is one token) the slope
    is not determined: beta = 0 and mu is the mean of S / l, which gives the same s. Where the scores lie on the line
    exactly there is no spread to divide by: sigma = 1, and s is the distance to the line in nats a sqrt(token).
    """
    return fit(heard, truth).gauge if truth is not None else _normalisation(heard)


def fit(heard: pl.DataFrame, truth: pl.DataFrame) -> Fitted:
    """The gauge, and what shows how good it is (`examine.py`). Raises GaugeError as `fit_gauge`."""
    plain = _normalisation(heard)
    dev = _with_errors(heard, truth).with_columns(plain.normalised().cast(pl.Float32).alias("normalised_score"))
    fitted = fit_calibration(dev, _KEY["folds"])
    predicted = fitted.calibration.predict(dev)
    measures = risk.measured(dev) | risk.measured(fitted.out_of_fold, DERIVED)
    curves = risk.curves(measures, dev, {name: risk.values_of(predicted, name) for name in DERIVED})
    gauge = Gauge(**(vars(plain) | {"calibration": fitted.calibration, "curves": curves}))
    return Fitted(gauge, dev.hstack(predicted), fitted.out_of_fold)


def _normalisation(heard: pl.DataFrame) -> Gauge:
    usable = heard.select(tokens=_token_count(), score=_score()).filter(
        pl.col("tokens") > 0, pl.col("score").is_finite()
    )
    if len(usable) < _FEWEST_ROWS:
        raise GaugeError(
            f"only {len(usable)} of {len(heard)} dev labels are neither empty nor without a finite score, and the "
            f"normalised score needs {_FEWEST_ROWS}; give a larger dev set, or a teacher that was trained for longer"
        )
    length, scores = usable["tokens"].to_numpy(), usable["score"].to_numpy()
    mu, beta = _line(length, scores)
    residual = (scores - mu * length - beta) / np.sqrt(length)
    sigma = float(residual.std())
    # below this the residuals are rounding of the table's 32-bit scores, not a spread
    exact = sigma <= float(np.finfo(np.float32).eps) * max(1.0, float(np.abs(scores).max()))
    return Gauge(mu, beta, 1.0 if exact else sigma, len(usable), len(heard) - len(usable))


def _with_errors(heard: pl.DataFrame, truth: pl.DataFrame) -> pl.DataFrame:
    """Dev's label table with the group, the errors and the true words of each label."""
    found = score(
        truth.select("id", "group", "label"), heard.select("id", label=pl.col("label").fill_null(""))
    ).utterances
    counted = found.select("id", "group", "words", errors=ERRORS)
    return heard.join(counted, on="id", how="left", maintain_order="left")


def _line(length: np.ndarray, score: np.ndarray) -> tuple[float, float]:
    """Slope and intercept of the least-squares line."""
    away = length - length.mean()
    if not away.any():
        return float((score / length).mean()), 0.0
    mu = float(away @ (score - score.mean()) / (away @ away))
    return mu, float(score.mean() - mu * length.mean())


def _score() -> pl.Expr:
    return pl.coalesce("score", "logprob").cast(pl.Float64)


def _token_count() -> pl.Expr:
    return pl.col("tokens").list.len().cast(pl.Float64)
