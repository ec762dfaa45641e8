"""The gauge: Park's normalisation of scores, fitted on dev."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from nst_asr.gauge import Gauge, GaugeError, fit_gauge
from nst_asr.labels import SCHEMA


def heard(lengths: list[int], logprobs: list[float], scores: list[float | None] | None = None) -> pl.DataFrame:
    table = pl.DataFrame(
        {
            "tokens": pl.Series([list(range(length)) for length in lengths], dtype=SCHEMA["tokens"]),
            "logprob": pl.Series(logprobs, dtype=pl.Float32),
            "score": pl.Series(scores or [None] * len(lengths), dtype=pl.Float32),
        }
    )
    return table


def test_the_line_and_the_spread_are_those_worked_by_hand() -> None:
    # the line through lengths 1, 1, 4, 4 is -2 l - 1, residuals -1, 1, 2, -2, each over sqrt(l): -1, 1, 1, -1
    gauge = fit_gauge(heard([1, 1, 4, 4], [-4, -2, -7, -11]))
    assert gauge.mu == pytest.approx(-2)
    assert gauge.beta == pytest.approx(-1)
    assert gauge.sigma == pytest.approx(1)
    assert (gauge.rows, gauge.left_out) == (4, 0)


def test_the_line_is_that_of_numpy_polyfit() -> None:
    draw = np.random.default_rng(0)
    lengths = draw.integers(1, 40, 500)
    scores = -0.3 * lengths - 1.5 + 0.7 * np.sqrt(lengths) * draw.normal(size=500)
    gauge = fit_gauge(heard(lengths.tolist(), scores.tolist()))
    assert [gauge.mu, gauge.beta] == pytest.approx(np.polyfit(lengths, scores.astype(np.float32), 1).tolist(), rel=1e-6)
    assert gauge.sigma == pytest.approx(0.7, rel=0.1)


def test_normalised_dev_scores_have_unit_variance_and_do_not_favour_a_length() -> None:
    draw = np.random.default_rng(1)
    lengths = draw.integers(1, 60, 20_000)
    scores = -0.3 * lengths - 1.5 + 0.7 * np.sqrt(lengths) * draw.normal(size=len(lengths))
    table = heard(lengths.tolist(), scores.tolist())
    s = table.select(fit_gauge(table).normalised()).to_series().to_numpy()
    assert s.std() == pytest.approx(1, abs=1e-6)
    assert abs(np.corrcoef(lengths, s)[0, 1]) < 0.02


def test_the_search_score_is_used_where_there_is_one_and_logprob_elsewhere() -> None:
    gauge = Gauge(mu=-1, beta=0, sigma=1, rows=3)
    table = heard([4, 4], [-4, -4], [-8, None])
    assert table.select(gauge.normalised()).to_series().to_list() == [-2, 0]


def test_empty_and_not_finite_rows_are_null_and_left_out_of_the_fit() -> None:
    table = heard([1, 1, 4, 4, 0, 3, 3], [-4, -2, -7, -11, -50, -np.inf, np.nan])
    gauge = fit_gauge(table)
    assert (gauge.rows, gauge.left_out) == (4, 3)
    assert gauge.mu == pytest.approx(-2)
    assert table.select(gauge.normalised().is_null()).to_series().to_list() == [False] * 4 + [True] * 3


def test_labels_of_one_length_give_the_mean_as_the_slope_and_no_intercept() -> None:
    gauge = fit_gauge(heard([2, 2, 2], [-1, -2, -3]))
    assert (gauge.mu, gauge.beta) == (-1, 0)
    assert gauge.sigma == pytest.approx(np.std([0.5, 0, -0.5]) * np.sqrt(2))


def test_scores_exactly_on_the_line_give_sigma_one() -> None:
    gauge = fit_gauge(heard([1, 2, 3, 4], [-1.1, -2.1, -3.1, -4.1]))
    assert gauge.sigma == 1
    assert gauge.mu == pytest.approx(-1)


def test_a_gauge_of_too_few_labels_is_refused_with_their_number() -> None:
    with pytest.raises(GaugeError, match="only 2 of 4 dev labels"):
        fit_gauge(heard([1, 2, 0, 0], [-1, -2, -3, -3]))


def test_a_gauge_survives_json(tmp_path: Path) -> None:
    gauge = Gauge(mu=-0.25, beta=1.5, sigma=0.75, rows=10, left_out=2)
    (tmp_path / "gauge.json").write_text(json.dumps(gauge.to_json()))
    assert Gauge.from_json(json.loads((tmp_path / "gauge.json").read_text())) == gauge
