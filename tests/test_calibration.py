"""Calibration: isotonic and logistic regression, folds, and what becomes of simulated labels."""

import json
import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from simulated_labels import simulate

from nst_asr.calibration import Calibration, fit_calibration
from nst_asr.examine import estimates, examine
from nst_asr.folds import folds
from nst_asr.gauge import Fitted, Gauge, fit, fit_gauge
from nst_asr.isotonic import Curve, pool_adjacent_violators, rising_blocks
from nst_asr.key import Key
from nst_asr.logistic import fit_logistic
from nst_asr.reliability import calibration_error, reliability


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    return fit(*simulate(1000))


def test_violators_are_pooled_as_by_hand() -> None:
    # 3 and 2 are out of order: their mean 2.5 is below 4
    assert pool_adjacent_violators(np.array([1.0, 3, 2, 4]), np.ones(4)).tolist() == [0, 1, 1, 2]
    # 5 with weight 1 and 1 with weight 3 give 2, which pulls the 3 before it in: 11 / 5
    assert pool_adjacent_violators(np.array([0.0, 3, 5, 1]), np.array([1.0, 1, 1, 3])).tolist() == [0, 1, 1, 1]
    assert pool_adjacent_violators(np.array([2.0, 2]), np.ones(2)).tolist() == [0, 0]


def test_pooled_means_are_the_nearest_rising_ones() -> None:
    draw = np.random.default_rng(0)
    values, weights = np.linspace(0, 1, 40) + draw.normal(0, 0.5, 40), draw.random(40) + 0.1
    blocks = pool_adjacent_violators(values, weights)
    means = np.bincount(blocks, weights * values) / np.bincount(blocks, weights)
    found = means[blocks]
    assert (np.diff(means) > 0).all()
    # the conditions of the minimum: sums of residuals from the left are never negative, and 0 at the ends of blocks
    residuals = np.cumsum(weights * (values - found))
    assert residuals.min() > -1e-12
    assert residuals[np.flatnonzero(np.diff(blocks, append=99))] == pytest.approx(0, abs=1e-12)


def test_blocks_have_the_rate_of_their_rows_and_a_tenth_of_an_average_row_more() -> None:
    x = np.repeat([1.0, 2.0], 3)
    blocks = rising_blocks(x, np.array([0.0, 0, 1, 1, 1, 0]), np.ones(6), fewest=3)
    assert blocks.rate == pytest.approx([1.05 / 3.1, 2.05 / 3.1])
    assert blocks.x.tolist() == [1, 2]
    assert blocks.curve()(np.array([0.0, 1.5, 9.0])) == pytest.approx([1.05 / 3.1, 0.5, 2.05 / 3.1])


def test_a_bin_holds_no_fewer_rows_than_asked_and_equal_values_stay_together() -> None:
    x = np.array([0.0, 1, 1, 1, 2, 3, 4])
    blocks = rising_blocks(x, np.arange(7.0), np.ones(7), fewest=3)
    assert np.bincount(blocks.of_row).min() >= 3
    assert len(set(blocks.of_row[1:4].tolist())) == 1


def test_logistic_coefficients_satisfy_the_conditions_of_the_minimum() -> None:
    draw = np.random.default_rng(1)
    common = draw.normal(size=400)
    features = np.column_stack([common + 0.3 * draw.normal(size=400) for _ in range(4)] + [-common])
    outcome = (draw.random(400) < 1 / (1 + np.exp(-common))).astype(float)
    weights = draw.random(400) + 0.5
    found = fit_logistic(features, outcome, weights, ridge=1.0)
    chance = 1 / (1 + np.exp(-found[0] - features @ found[1:]))
    slope = np.concatenate(([0.0], found[1:]))  # of the ridge
    slope += np.column_stack([np.ones(400), features]).T @ (weights * (chance - outcome))
    assert (found[1:] >= 0).all()
    assert found[5] == 0  # it speaks against the outcome
    assert (found[1:] > 0).any()
    assert np.abs(slope[found != 0]).max() < 1e-3
    assert slope[found == 0].min() > -1e-3


def test_outcomes_that_are_all_equal_give_finite_coefficients() -> None:
    found = fit_logistic(np.ones((5, 1)), np.ones(5), np.ones(5), ridge=1.0)
    assert np.isfinite(found).all()


def test_no_group_is_divided_among_folds() -> None:
    rows = pl.DataFrame({"id": [f"u{n}" for n in range(300)], "group": [f"s{n % 23}" for n in range(300)]})
    fold = folds(rows, 5, Key(0))
    by_group = rows.with_columns(fold=pl.Series(fold)).group_by("group").agg(pl.col("fold").n_unique())
    assert by_group["fold"].max() == 1
    assert np.bincount(fold, minlength=5).min() > 30
    order = np.random.default_rng(0).permutation(300)
    assert folds(rows[order], 5, Key(0)).tolist() == fold[order].tolist()


def test_rows_without_a_group_are_each_their_own_and_so_are_those_of_a_single_group() -> None:
    nameless = pl.DataFrame({"id": list("abcdef"), "group": [None] * 6}, schema_overrides={"group": pl.String})
    assert sorted(folds(nameless, 3, Key(0)).tolist()) == [0, 0, 1, 1, 2, 2]
    assert sorted(folds(nameless.with_columns(group=pl.lit("s")), 3, Key(0)).tolist()) == [0, 0, 1, 1, 2, 2]
    two = pl.DataFrame({"id": list("abc"), "group": ["s", "s", "t"]})
    assert folds(two, 5, Key(0)).max() == 1


def test_calibrated_probabilities_are_monotone_in_every_measure(fitted: Fitted) -> None:
    gauge, heard = fitted.gauge, simulate(1000)[0]
    before = gauge.judged(heard)
    raised = {
        "logprob": pl.col("logprob") * 0.9,
        "confidence": pl.col("confidence") * 0.5 + 0.5,
        "token_confidence": pl.col("token_confidence").list.eval(pl.element().sqrt()),
        "token_tsallis_confidence": pl.col("token_tsallis_confidence").list.eval(pl.element().sqrt()),
        "margin": pl.col("margin") + 1,
        "lm_distance": pl.col("lm_distance") * 0.5,
        "agreement": pl.col("agreement") * 0.5 + 0.5,
        "unspoken": pl.col("unspoken") * 0.5,
    }
    risen = 0
    for name, surer in raised.items():
        after = gauge.judged(heard.with_columns(surer.cast(heard.schema[name]).alias(name)))
        assert ((after["probability"] - before["probability"]).drop_nulls() >= -1e-6).all(), name
        assert ((after["expected_error"] - before["expected_error"]).drop_nulls() <= 1e-6).all(), name
        risen += int((after["probability"] - before["probability"]).drop_nulls().max() > 1e-3)  # type: ignore[operator]
    assert risen >= 3


def test_calibration_brings_the_calibration_error_near_that_of_a_perfect_model(fitted: Fitted) -> None:
    found = examine(fitted)
    assert found.before is not None
    assert found.after is not None
    assert found.before.error > found.before.perfect[2]  # overconfident by construction
    assert found.after.error < found.after.perfect[2]
    assert found.after.brier < found.before.brier
    assert found.reasons == ()


def test_calibrated_probabilities_hold_for_labels_of_other_speakers(fitted: Fitted) -> None:
    heard, truth = simulate(4000, seed=7, speakers=200)
    dev = fit(heard, truth).dev
    judged = fitted.gauge.judged(heard)
    rows = dev.select("errors").hstack(judged.select("probability")).drop_nulls()
    found = reliability(rows["probability"].to_numpy(), (rows["errors"] == 0).to_numpy(), Key(0))
    assert found.error < 0.05
    for each in estimates(dev, judged):
        assert each.expected == pytest.approx(each.true, rel=0.25)


def test_the_estimated_error_of_all_labels_is_unbiased_out_of_fold(fitted: Fitted) -> None:
    last = estimates(fitted.dev, fitted.out_of_fold)[-1]
    assert last.share == 1
    assert last.expected == pytest.approx(last.true, rel=0.03)


def test_what_judges_a_row_out_of_fold_has_not_seen_its_group(fitted: Fitted) -> None:
    voice = "s3"
    spoiled = fitted.dev.with_columns(
        errors=pl.when(pl.col("group") == voice).then(pl.col("words")).otherwise(pl.col("errors"))
    )
    found = fit_calibration(spoiled, Key(0)["gauge", "folds"])
    mine = pl.Series(fitted.dev["group"] == voice)
    again = found.out_of_fold.filter(mine)
    assert again.equals(fitted.out_of_fold.filter(mine))
    assert not found.out_of_fold.filter(~mine).equals(fitted.out_of_fold.filter(~mine))


def test_the_order_of_dev_does_not_matter(fitted: Fitted) -> None:
    order = np.random.default_rng(0).permutation(len(fitted.dev))
    found = fit_calibration(fitted.dev[order], Key(0)["gauge", "folds"])
    assert found.calibration == fitted.gauge.calibration
    assert found.out_of_fold.equals(fitted.out_of_fold[order])


def test_empty_and_infinite_labels_have_no_probability(fitted: Fitted) -> None:
    heard = simulate(3)[0].with_columns(
        tokens=pl.Series([[], [1], [1]], dtype=pl.List(pl.Int32)),
        label=pl.Series(["", "w1", "w1"]),
        logprob=pl.Series([-1.0, -np.inf, -0.1], dtype=pl.Float32),
    )
    found = fitted.gauge.judged(heard)
    assert found["probability"].is_null().to_list() == [True, True, False]
    assert found["expected_error"].is_null().to_list() == [True, True, False]
    assert fitted.gauge.probability(heard).equals(found["probability"])
    assert fitted.gauge.expected_error(heard).equals(found["expected_error"])


def test_a_measure_that_dev_lacks_is_left_out_and_one_that_a_label_lacks_leaves_it_without_probability() -> None:
    heard, truth = simulate(300)
    plain = fit(heard.with_columns(margin=pl.lit(None, pl.Float32)), truth).gauge.calibration
    assert plain is not None
    assert plain.right is not None
    assert "margin" not in plain.right.sureness.measures
    full = fit_gauge(heard, truth)
    one = heard.with_columns(margin=pl.when(pl.col("id") != "u00001").then("margin"))
    assert full.judged(one).filter(pl.col("id") == "u00001")["probability"].to_list() == [None]


@pytest.mark.parametrize(
    ("count", "hard", "reason"),
    [
        (40, -2.0, r"dev is too small to calibrate the probability of a right label: (39|40) labels"),
        (300, -40.0, r"300 labels with tokens, of which 300 are right and 0 wrong; it takes 50, with 5 of either"),
    ],
)
def test_a_dev_that_is_too_small_says_so_with_numbers(count: int, hard: float, reason: str) -> None:
    fitted = fit(*simulate(count, hard=hard))
    found = examine(fitted)
    assert re.search(reason, found.describe())
    assert found.after is None
    assert found.estimates == ()
    assert fitted.dev["probability"].null_count() == fitted.dev["expected_error"].null_count() == count
    assert not fitted.gauge.calibrated


def test_where_no_label_is_wholly_right_the_error_rate_is_calibrated_alone() -> None:
    heard, truth = simulate(200)
    always_wrong = truth.with_columns(label=pl.col("label") + " never heard")
    fitted = fit(heard, always_wrong)
    calibration = fitted.gauge.calibration
    assert calibration is not None
    assert calibration.right is None
    assert calibration.error is not None
    assert len(calibration.reasons) == 1
    assert fitted.dev["expected_error"].null_count() < 20


def test_a_calibration_error_by_hand() -> None:
    # two bins of ten: |0.2 - 0.4| / 2 + |0.8 - 0.6| / 2
    probability = np.repeat([0.2, 0.8], 10)
    right = np.array([1] * 4 + [0] * 6 + [1] * 6 + [0] * 4)
    found = reliability(probability, right, Key(0))
    assert found.error == pytest.approx(0.2)
    assert found.brier == pytest.approx((4 * 0.64 + 6 * 0.04 + 6 * 0.04 + 4 * 0.64) / 20)
    assert [(each.rows, each.probability, each.right) for each in found.bins] == [
        (10, pytest.approx(0.2), 0.4),
        (10, pytest.approx(0.8), 0.6),
    ]


def test_a_perfect_model_is_within_the_band_that_is_stated_for_it() -> None:
    draw, within = np.random.default_rng(0), 0
    for seed in range(60):
        probability = draw.random(500)
        found = reliability(probability, draw.random(500) < probability, Key(seed))
        within += found.perfect[1] <= found.error <= found.perfect[2]
    assert within >= 51  # 95 % of 60 are 57


@pytest.mark.parametrize("decimals", [15, 2, 1])
def test_the_order_of_labels_does_not_change_a_calibration_error(decimals: int) -> None:
    draw = np.random.default_rng(0)
    probability = draw.random(200).round(decimals)
    right = draw.random(200) < probability
    order = draw.permutation(200)
    found = [reliability(probability, right, Key(0)), reliability(probability[order], right[order], Key(0))]
    assert found[0].error == pytest.approx(found[1].error, abs=1e-12)
    assert [(each.rows, each.right) for each in found[0].bins] == [(each.rows, each.right) for each in found[1].bins]
    ascending = np.argsort(probability)
    assert calibration_error(probability[ascending], right[None, ascending].astype(float))[0] == found[0].error


def test_a_calibrated_gauge_survives_json(fitted: Fitted) -> None:
    gauge = fitted.gauge
    assert Gauge.from_json(json.loads(json.dumps(gauge.to_json()))) == gauge
    assert gauge.curves["confidence"].least[0] is not None


def test_a_gauge_of_an_older_version_is_read_without_calibration() -> None:
    old = {"mu": -0.5, "beta": 1.0, "sigma": 0.5, "rows": 9, "left_out": 1}
    found = Gauge.from_json(old)
    assert found == Gauge(-0.5, 1.0, 0.5, 9, 1)
    assert not found.calibrated


def test_a_calibration_of_nothing_says_nothing() -> None:
    heard = simulate(5)[0].with_columns(normalised_score=pl.lit(0.0))
    found = Calibration(0, None, None).predict(heard)
    assert found.null_count().row(0) == (5, 5, 5)


def test_a_curve_is_level_beyond_its_ends() -> None:
    assert Curve((0.0, 1.0), (0.2, 0.4))(np.array([-5.0, 0.5, 5.0])) == pytest.approx([0.2, 0.3, 0.4])


def test_a_gauge_without_truth_is_the_normalisation_alone(fitted: Fitted) -> None:
    heard = simulate(1000)[0]
    assert fit_gauge(heard) == replace(fitted.gauge, calibration=None, curves={})
