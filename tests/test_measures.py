"""The measures: each by hand, larger is surer."""

import math
from typing import Any

import numpy as np
import polars as pl
import pytest
from simulated_labels import simulate

from nst_asr.gauge import Gauge, fit
from nst_asr.labels import SCHEMA
from nst_asr.measures import ADDED, MEASURES, columns_of, words, words_per_second

ROW: dict[str, Any] = {
    **{"id": "u", "size": 2.0, "label": "one two three", "tokens": [4, 5, 6], "logprob": -1.5, "score": -3.0},
    **{"confidence": 0.75, "token_confidence": [0.5, 0.75, 1.0], "entropy_confidence": 0.875},
    **{"token_tsallis_confidence": [0.5, 0.5, 1.0], "margin": 6.0, "lm_distance": 0.25, "agreement": 0.5},
    **{"unspoken": 1.5, "normalised_score": 0.5, "probability": 0.125, "expected_error": 0.0625},
}
BY_HAND = {
    **{"normalised_score": 0.5, "logprob": -1.5, "logprob_per_token": -0.5, "score_per_token": -1.0},
    **{"confidence": 0.75, "min_confidence": 0.5, "entropy_confidence": 0.875, "tsallis_mean": 2 / 3},
    **{"tsallis_min": 0.5, "tsallis_product": 0.25, "margin": 6.0, "margin_per_token": 2.0, "lm_agreement": -0.25},
    **{"agreement": 0.5, "spoken": -1.5, "probability": 0.125, "calibrated": -0.0625},
}


def table(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema={**SCHEMA, **dict.fromkeys(ADDED, pl.Float32)})


@pytest.mark.parametrize("name", list(MEASURES))
def test_every_measure_is_the_one_worked_by_hand(name: str) -> None:
    assert table(ROW).select(MEASURES[name].value).item() == pytest.approx(BY_HAND[name])


@pytest.mark.parametrize("name", list(MEASURES))
def test_a_measure_whose_columns_are_null_is_null(name: str) -> None:
    blank = {"id": "u", "size": 1.0, "label": "one", "tokens": [1]}
    assert table(blank).select(MEASURES[name].value).item() is None


def test_a_label_of_no_tokens_has_no_smallest_mean_or_product() -> None:
    empty = ROW | {"tokens": [], "token_confidence": [], "token_tsallis_confidence": []}
    names = ("min_confidence", "tsallis_min", "tsallis_mean", "tsallis_product")
    found = table(empty, ROW).select(MEASURES[name].value.alias(name) for name in names)
    assert found.row(0) == (None,) * 4
    assert found.row(1) == pytest.approx((0.5, 0.5, 2 / 3, 0.25))
    assert table(empty).head(0).select(MEASURES["tsallis_product"].value).is_empty()


def test_every_measure_is_documented_and_knows_its_columns() -> None:
    assert all(len(measure.doc) > 20 for measure in MEASURES.values())
    assert MEASURES["logprob_per_token"].columns == ["logprob", "tokens"]
    assert columns_of([MEASURES["calibrated"].value, MEASURES["margin"].value]) == ["margin"]


def test_words_are_counted_between_blanks() -> None:
    labels = pl.DataFrame({"label": ["one two", "one", "", None], "size": [4.0, 1.0, 1.0, 1.0]})
    assert labels.select(words()).to_series().to_list() == [2, 1, 0, 0]
    assert labels.select(words_per_second()).to_series().to_list() == [0.5, 1, 0, 0]


def test_every_measure_is_larger_for_right_labels_than_for_wrong_ones() -> None:
    fitted = fit(*simulate(600))
    right = (fitted.dev["errors"] == 0).to_numpy()
    for name, measure in MEASURES.items():
        values = fitted.dev.select(measure.value).to_series().fill_null(math.nan).to_numpy()
        if np.isfinite(values).any():
            finite = np.isfinite(values)
            assert values[right & finite].mean() > values[~right & finite].mean(), name


def test_a_measure_is_no_less_for_a_gauge_without_calibration() -> None:
    found = Gauge(mu=-1, beta=0, sigma=1, rows=3).judged(table(ROW).drop(ADDED))
    assert found["normalised_score"].item() == pytest.approx(0.0)
    assert found.select("probability", "expected_error").row(0) == (None, None)
