"""What speaks for a label: one number each, larger is surer; filter, risk and calibration take them from here.

A measure is an expression over the label table and the columns that a gauge adds to it (`ADDED`). It is null where the
labeler did not give what it needs, and may be infinite for a label of no tokens.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import polars as pl
import pydantic

from nst_asr import flat_text

ADDED = ("normalised_score", "probability", "expected_error")  # what a gauge adds to a label table
CALIBRATED = "calibrated"


@dataclass(frozen=True)
class Measure:
    """A number for each label, f64, larger is surer; doc: what it is, with its source."""

    name: str
    value: pl.Expr
    doc: str

    @property
    def columns(self) -> list[str]:
        """The columns that it is made of."""
        return sorted(set(self.value.meta.root_names()))


def tokens() -> pl.Expr:
    """The number of tokens of each label, f64; 0 for a label that is null."""
    return pl.col("tokens").list.len().fill_null(0).cast(pl.Float64)


def words() -> pl.Expr:
    """The number of words of each label, f64; single blanks part them, as labelers write them."""
    return pl.col("label").map_batches(flat_text.words, return_dtype=pl.Float64, is_elementwise=True)


def words_per_second() -> pl.Expr:
    """How fast each label would have been spoken: words a second, f64. Implausible at both ends, so no measure."""
    return words() / pl.col("size").cast(pl.Float64)


def _column(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Float64)


def _tsallis() -> pl.Expr:
    return pl.col("token_tsallis_confidence")


def _products(lists: pl.Series) -> pl.Series:
    """The product of each list, f64, null for an empty one. As a Polars expression it takes a hundred times as long."""
    length = lists.list.len().fill_null(0).to_numpy()
    flat = lists.filter(pl.Series(length > 0)).explode().cast(pl.Float64).to_numpy()
    ends = np.cumsum(length[length > 0], dtype=np.int64)
    found = np.full(len(lists), np.nan)
    if len(flat):
        found[length > 0] = np.multiply.reduceat(flat, np.concatenate(([0], ends[:-1])))
    return pl.Series(lists.name, found).fill_nan(None)


_ALL = (
    Measure(
        "normalised_score",
        _column("normalised_score"),
        "the score beyond what a label of that length has on dev, in standard deviations (Park et al. 2020)",
    ),
    Measure("logprob", _column("logprob"), "log P(label given input), nats; favours short labels"),
    Measure(
        "logprob_per_token",
        _column("logprob") / tokens(),
        "the same divided by the number of tokens; favours long labels (Kahn et al. 2020)",
    ),
    Measure(
        "score_per_token",
        _column("score") / tokens(),
        "what the search maximised (acoustic part, language model and bonus) a token, nats",
    ),
    Measure("confidence", _column("confidence"), "mean probability of the tokens, or the probability of a class"),
    Measure(
        "min_confidence",
        pl.col("token_confidence").list.min().cast(pl.Float64),
        "probability of the least probable token",
    ),
    Measure(
        "entropy_confidence",
        _column("entropy_confidence"),
        "mean over tokens of 1 - H / log V, Gibbs entropy (Laptev and Ginsburg 2022)",
    ),
    Measure(
        "tsallis_mean",
        _tsallis().list.mean().cast(pl.Float64),
        "mean over tokens of the confidence by Tsallis entropy, alpha 1/3 (Laptev and Ginsburg 2022)",
    ),
    Measure("tsallis_min", _tsallis().list.min().cast(pl.Float64), "the smallest of these (the same)"),
    Measure(
        "tsallis_product",
        _tsallis().map_batches(_products, return_dtype=pl.Float64, is_elementwise=True),
        "the product of these (the same); favours short labels",
    ),
    Measure("margin", _column("margin"), "nats between the label and the next best one"),
    Measure("margin_per_token", _column("margin") / tokens(), "the same divided by the number of tokens"),
    Measure(
        "lm_agreement",
        -_column("lm_distance"),
        "minus the CER between the labels with and without a language model (Chen et al. 2022, WeNet)",
    ),
    Measure("agreement", _column("agreement"), "1 - mean pairwise CER of the teachers' own labels"),
    Measure("spoken", -_column("unspoken"), "minus the longest voiced stretch without a token, seconds"),
    Measure("probability", _column("probability"), "calibrated probability that the whole label is right"),
    Measure(CALIBRATED, -_column("expected_error"), "minus the label's calibrated expected error rate"),
)
MEASURES: dict[str, Measure] = {measure.name: measure for measure in _ALL}
DERIVED = ("probability", CALIBRATED)  # what calibration gives; the others it may learn from
RAW = tuple(name for name in MEASURES if name not in DERIVED)


def _known(name: str) -> str:
    if name not in MEASURES:
        raise ValueError(f"no such measure; give one of {', '.join(MEASURES)}")
    return name


MeasureName = Annotated[str, pydantic.AfterValidator(_known)]


def columns_of(expressions: Iterable[pl.Expr]) -> list[str]:
    """The columns of the label table that these expressions need, those of a gauge left out."""
    names = {name for each in expressions for name in each.meta.root_names()}
    return sorted(names - set(ADDED))
