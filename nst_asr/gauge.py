"""What dev teaches about a labeler's scores: how much of a score is due to the label's length alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

_FEWEST_ROWS = 3  # two parameters are fitted; fewer rows leave nothing to measure a spread with


class GaugeError(ValueError):
    """Dev labels that teach nothing about the scores; the message counts them and says the way out."""


@dataclass(frozen=True)
class Gauge:
    """The normalisation of one labeler's scores.

    mu: nats a token; beta: nats; sigma: nats a square root of a token; rows: dev labels it was fitted on; left_out:
    dev labels that were empty or had a score that is not finite.
    """

    mu: float
    beta: float
    sigma: float
    rows: int
    left_out: int = 0

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

    def to_json(self) -> dict[str, float | int]:
        """The gauge as plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Gauge:
        """The gauge that `to_json` wrote."""
        return cls(**content)


def fit_gauge(heard: pl.DataFrame) -> Gauge:
    """The gauge of the labeler that gave the label table `heard`, which is dev decoded exactly as the pool is.

    Least squares of S on l over the labels that are not empty and have a finite score; sigma is the standard
    deviation of (S - mu l - beta) / sqrt(l). Raises GaugeError for fewer than 3 such labels.

    Two cases that the paper does not have. Where all labels have one length (an image class is one token) the slope
    is not determined: beta = 0 and mu is the mean of S / l, which gives the same s. Where the scores lie on the line
    exactly there is no spread to divide by: sigma = 1, and s is the distance to the line in nats a sqrt(token).
    """
    usable = heard.select(tokens=_token_count(), score=_score()).filter(
        pl.col("tokens") > 0, pl.col("score").is_finite()
    )
    if len(usable) < _FEWEST_ROWS:
        raise GaugeError(
            f"only {len(usable)} of {len(heard)} dev labels are neither empty nor without a finite score, and the "
            f"normalised score needs {_FEWEST_ROWS}; give a larger dev set, or a teacher that was trained for longer"
        )
    length, score = usable["tokens"].to_numpy(), usable["score"].to_numpy()
    mu, beta = _line(length, score)
    residual = (score - mu * length - beta) / np.sqrt(length)
    sigma = float(residual.std())
    # below this the residuals are rounding of the table's 32-bit scores, not a spread
    exact = sigma <= float(np.finfo(np.float32).eps) * max(1.0, float(np.abs(score).max()))
    return Gauge(mu, beta, 1.0 if exact else sigma, len(usable), len(heard) - len(usable))


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
