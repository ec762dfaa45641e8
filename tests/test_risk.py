"""Risk and coverage by hand and by property, and the cut-off that a target error rate asks for."""

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from simulated_labels import simulate

from nst_asr import config
from nst_asr.examine import examine
from nst_asr.gauge import Fitted, Gauge, fit
from nst_asr.key import Key
from nst_asr.risk import RiskCurve, measured, ranking, risk_curve, thinned
from nst_asr.target import Cut, OutOfReach, Target, find_cut, loosened


def dev(errors: list[int], **columns: Any) -> pl.DataFrame:
    """Labels of an hour and one word each."""
    count = len(errors)
    content = {"id": [f"u{place:04d}" for place in range(count)], "size": [3600.0] * count, "words": [1] * count}
    content |= {"errors": errors, "group": [f"s{place % 7}" for place in range(count)]}
    return pl.DataFrame(content | columns)


SUREST_RIGHT = dev([0, 0, 1, 1])


def areas(table: pl.DataFrame, **measures: list[float]) -> dict[str, float]:
    found = ranking({name: np.array(values) for name, values in measures.items()}, table, Key(0))
    return {risk.measure: risk.area for risk in found.risks}


def test_the_area_of_a_curve_worked_by_hand() -> None:
    # the rates are 0, 0, 1/3, 1/2 at a quarter, a half, three quarters and all of the hours; before that it is level
    found = areas(SUREST_RIGHT, good=[4, 3, 2, 1], bad=[1, 2, 3, 4], none=[0, 0, 0, 0])
    assert found["good"] == pytest.approx((0 + 0 + 1 / 6 + 5 / 12) / 4)
    assert found["bad"] == pytest.approx((1 + 1 + 5 / 6 + 7 / 12) / 4)
    assert found["none"] == pytest.approx(0.5)


def test_oracle_and_random_are_the_areas_of_the_best_order_and_of_none() -> None:
    found = ranking({"good": np.array([4.0, 3, 2, 1]), "bad": np.array([1.0, 2, 3, 4])}, SUREST_RIGHT, Key(0))
    assert found.oracle == pytest.approx(7 / 48)
    assert found.random == pytest.approx(0.5)
    assert [risk.measure for risk in found.risks] == ["good", "bad"]
    assert found.risks[0].excess == pytest.approx(0)
    assert found.risks[0].half == 0
    assert found.risks[1].half == 1
    assert found.hours == 4


def test_hours_and_words_weigh_not_labels() -> None:
    table = pl.DataFrame(
        {"id": ["a", "b"], "group": ["s", "s"], "size": [3600.0, 10800.0], "words": [2, 8], "errors": [1, 1]}
    )
    curve = risk_curve(np.array([1.0, 0.0]), table)
    assert curve == RiskCurve((1.0, 0.0), (1.0, 4.0), (1, 2), (2, 10))
    assert curve.coverage.tolist() == [0.25, 1]
    assert curve.rates.tolist() == [0.5, 0.2]
    # level at 1/2 for a quarter, then from 1/2 to 1/5
    assert areas(table, one=[1.0, 0.0])["one"] == pytest.approx(0.25 * 0.5 + 0.75 * 0.35)


def test_labels_of_equal_measure_come_together_and_those_without_one_come_last() -> None:
    curve = risk_curve(np.array([math.nan, 0.5, 0.5, 0.9]), SUREST_RIGHT)
    assert curve == RiskCurve((0.9, 0.5, None), (1.0, 3.0, 4.0), (1, 2, 2), (1, 3, 4))


def test_the_order_of_the_labels_does_not_matter() -> None:
    draw = np.random.default_rng(0)
    table = dev(draw.integers(0, 2, 200).tolist())
    values = draw.integers(0, 20, 200).astype(float)
    order = draw.permutation(200)
    first, second = (
        ranking({"one": chosen}, rows, Key(0)) for chosen, rows in ((values, table), (values[order], table[order]))
    )
    assert first.over == "group"
    assert first.risks[0].area == pytest.approx(second.risks[0].area)
    assert [first.risks[0].low, first.risks[0].high] == pytest.approx([second.risks[0].low, second.risks[0].high])


def test_the_area_is_smaller_for_a_better_measure_and_the_spread_says_so() -> None:
    draw = np.random.default_rng(1)
    doubt = draw.random(1000)
    table = dev((draw.random(1000) < doubt).astype(int).tolist())
    measures = {"logprob_per_token": -doubt + draw.normal(0, 1, 1000), "margin": -doubt + draw.normal(0, 0.1, 1000)}
    best, other = ranking(measures, table, Key(0)).risks
    assert (best.measure, other.measure) == ("margin", "logprob_per_token")
    assert best.low < best.area < best.high
    assert best.difference is not None
    assert best.difference[0] == pytest.approx(best.area - other.area)
    assert best.difference[2] < 0
    assert other.difference is None


def test_a_resample_over_few_groups_is_one_over_labels() -> None:
    table = dev([0, 1] * 20, group=["s1", "s2"] * 20)
    assert ranking({"one": np.arange(40.0)}, table, Key(0)).over == "example"


def test_measures_that_dev_lacks_or_that_never_differ_are_not_ranked() -> None:
    heard = fit(*simulate(60)).dev.with_columns(agreement=pl.lit(1.0, pl.Float32))
    found = measured(heard)
    assert "score_per_token" not in found
    assert "agreement" not in found
    assert {"confidence", "margin", "normalised_score"} <= set(found)


def test_a_written_curve_has_about_a_hundred_points_none_of_a_few_labels_and_the_last() -> None:
    curve = risk_curve(np.arange(5000.0), dev([0, 1] * 2500))
    found = thinned(curve, np.arange(1, 5001))
    assert 90 <= len(found.least) <= 102
    assert found.hours[0] >= 20
    assert found.hours[-1] == 5000
    assert set(found.least) <= set(curve.least)
    few = risk_curve(np.arange(5.0), dev([0, 1, 0, 1, 0]))
    assert thinned(few, np.arange(1, 6)).least == (None,)  # what all labels have is known, but no cut-off


CURVE = RiskCurve((0.9, 0.8, 0.7, 0.6, None), (1.0, 2.0, 3.0, 4.0, 5.0), (1, 1, 5, 4, 30), (50, 100, 100, 100, 200))


def cut(rate: float, by: str = "confidence") -> Cut:
    return find_cut({"confidence": CURVE, "normalised_score": CURVE}, Target(rate=rate, by=by))


def test_the_cutoff_found_is_the_one_that_keeps_the_most_hours_at_that_rate() -> None:
    # rates: 2 %, 1 %, 5 %, 4 %, 15 %
    assert cut(0.01) == Cut("confidence", 0.8, 0.01, 0.4)
    assert cut(0.03).least == 0.8
    assert cut(0.04) == Cut("confidence", 0.6, 0.04, 0.8)
    assert cut(0.5).least == 0.6  # the last point would keep labels that have no confidence


def test_a_rate_out_of_reach_says_what_can_be_reached() -> None:
    with pytest.raises(
        OutOfReach, match=r"target_error = 0\.005: no cut-off of confidence .* lowest is 0\.0100, for the "
    ):
        cut(0.005)


def test_an_expected_error_that_could_not_be_calibrated_is_replaced_and_the_log_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert cut(0.04, by="calibrated").by == "normalised_score"
    assert "could not calibrate an expected error" in caplog.text


def test_a_measure_that_dev_lacks_is_refused_with_those_it_has() -> None:
    with pytest.raises(OutOfReach, match=r"target_error\.by = margin: .*give one of normalised_score, confidence"):
        cut(0.04, by="margin")
    with pytest.raises(OutOfReach, match=r"older version .* move 0-gauge\.json"):
        find_cut({}, Target(rate=0.1))


def test_the_lowest_target_that_keeps_a_label_is_found() -> None:
    assert loosened(CURVE, 0.85) == (0.01, 0.8)
    assert loosened(CURVE, 0.75) == (0.04, 0.6)
    assert loosened(CURVE, 0.5) is None


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    return fit(*simulate(1000))


@pytest.mark.parametrize("by", ["calibrated", "confidence", "normalised_score", "margin"])
def test_what_a_target_keeps_of_other_labels_has_about_that_rate(by: str, fitted: Fitted) -> None:
    heard, truth = simulate(4000, seed=9, speakers=200)
    other = fit(heard, truth).dev
    found = find_cut(fitted.gauge.curves, Target(rate=0.08, by=by))
    judged = fitted.gauge.judged(heard)
    measure = measured(judged, (by,))[by]
    kept = other.filter(pl.Series(measure >= found.least))
    assert 0.2 < len(kept) / len(other) < 0.95
    assert kept["errors"].sum() / kept["words"].sum() == pytest.approx(0.08, abs=0.02)


def test_cutoffs_of_the_expected_error_are_in_terms_of_the_calibration_that_judges_the_pool(fitted: Fitted) -> None:
    curve = fitted.gauge.curves["calibrated"]
    values = set((-fitted.dev["expected_error"].drop_nulls().cast(pl.Float64)).to_list())
    assert {least for least in curve.least if least is not None} <= values
    assert curve.hours[-1] == pytest.approx(fitted.dev["size"].sum() / 3600)


def test_the_examination_is_plain_json_and_a_table_with_every_measure(fitted: Fitted, tmp_path: Path) -> None:
    found = examine(fitted)
    content = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert content["ranking"]["random"] == found.ranking.random
    text = found.describe()
    for name in ("calibrated", "probability", "min_confidence", "lm_agreement", "spoken"):
        assert re.search(rf"^{name} +\d", text, re.MULTILINE)
    assert "oracle" in text


def test_the_calibrated_measure_is_no_worse_than_the_raw_log_probability(fitted: Fitted) -> None:
    risks = {risk.measure: risk.area for risk in examine(fitted).ranking.risks}
    assert risks["calibrated"] < risks["logprob_per_token"]


def test_a_target_is_a_number_or_a_number_with_a_measure() -> None:
    from nst_asr.filter import FilterPlan

    assert config.parse(FilterPlan, {"target_error": 0.05}).target_error == Target(rate=0.05)
    both = config.parse(FilterPlan, {"target_error": {"rate": 1, "by": "margin"}})
    assert both.target_error == Target(rate=1, by="margin")
    assert config.parse(FilterPlan, config.load_yaml(config.write(both))) == both
    with pytest.raises(config.ConfigError, match=r"target_error\.rate = 0\b"):
        config.parse(FilterPlan, {"target_error": 0})
    with pytest.raises(config.ConfigError, match=r"no such measure; give one of normalised_score"):
        config.parse(FilterPlan, {"target_error": {"rate": 0.1, "by": "luck"}})


def test_a_gauge_without_curves_refuses_a_target() -> None:
    from nst_asr.filter import FilterPlan, filter

    with pytest.raises(OutOfReach, match=r"older version"):
        filter(simulate(5)[0], Gauge(-1, 0, 1, rows=9), FilterPlan(target_error=Target(rate=0.1)))


def test_labels_of_one_value_are_kept_in_any_order_and_the_area_is_the_mean_over_these() -> None:
    draw = np.random.default_rng(0)
    table = dev(draw.integers(0, 2, 60).tolist())
    values = draw.integers(0, 3, 60).astype(float)
    tied = areas(table, one=values.tolist())["one"]
    broken = [areas(table, one=(values + 0.5 * draw.random(60)).tolist())["one"] for _ in range(2000)]
    assert tied == pytest.approx(np.mean(broken), abs=0.003)
