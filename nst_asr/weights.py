"""How much each pseudo-labeled utterance counts in the loss: the surer its label, the more."""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl

Weigh = Literal["off", "linear", "calibrated"]

_SMALLEST = 1e-3  # a batch of weights of 0 alone would have no loss to speak of
_MEASURE = {
    "linear": pl.col("confidence").cast(pl.Float64),
    "calibrated": 1 - pl.col("expected_error").cast(pl.Float64),
}


class WeighError(ValueError):
    """Labels that cannot be weighed; the message names one of them and the way out."""


def weights(labels: pl.DataFrame, copies: pl.Series, weigh: Weigh) -> pl.Series:
    """The weight of each row in the loss, f32: 1 on average over all copies, 0.001 or more before that.

    labels: id, and `confidence` for `linear` (the weight is the confidence) or the verdicts' `expected_error` for
    `calibrated` (the weight is 1 - expected error: the expected share of right words); copies: how often each row is
    used. Rows that are not used weigh 1, as all do where `weigh` is `off`.

    Of a batch the loss is  sum w loss / sum w n  (n: its tokens, or 1 for an image), labeled rows having w = 1. As the
    mean weight is 1, pseudo-labeled data as a whole counts as much as without weights. Raises WeighError where a row
    that is used has no such number, or all have 0.
    """
    if weigh == "off":
        return pl.Series("weight", np.ones(len(labels), np.float32))
    used = copies.cast(pl.Int64).to_numpy()
    sure = labels.select(_MEASURE[weigh].fill_nan(None)).to_series()
    lacking = np.flatnonzero((used > 0) & sure.is_null().to_numpy())
    if len(lacking):
        column = _MEASURE[weigh].meta.root_names()[0]
        raise WeighError(
            f"weigh: {weigh}: the kept label {labels['id'][int(lacking[0])]} has no {column} ({len(lacking)} such "
            "labels); reject these with the filter, or say weigh: off"
        )
    found = np.maximum(sure.fill_null(1.0).to_numpy(), 0.0)
    if not (found * used).any():
        raise WeighError(f"weigh: {weigh}: every kept label has weight 0; say weigh: off, or train the teacher longer")
    found = np.where(used > 0, np.maximum(found, _SMALLEST), 1.0)
    mean = (found * used).sum() / used.sum()
    return pl.Series("weight", np.where(used > 0, found / mean, 1.0).astype(np.float32))
