"""Estimated error rates: coverage on simulated pools, what shifts and what does not, what is refused."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from nst_asr.bootstrap import BlockError
from nst_asr.estimate import Estimate, EstimateError, dev_rows, estimate
from nst_asr.key import Key


def simulated(seed: int, number: int, *, speakers: int = 0, spread: float = 0.0, unsure: float = 0.0) -> pl.DataFrame:
    """Hypotheses with errors, true words, and a confidence that tells some of how hard each was.

    speakers: so many, who differ by `spread` in the log odds of an error; unsure: hypotheses of low confidence are
    drawn more often, exp(unsure z) with z their standardised doubt.
    """
    draw = np.random.default_rng(seed)
    words = draw.integers(1, 30, number)
    speaker = draw.integers(0, speakers, number) if speakers else np.arange(number)
    hard = draw.normal(0, 1, number)
    doubt = (hard + draw.normal(0, 0.7, number)) / 1.22
    odds = -2.5 + hard + draw.normal(0, spread, speaker.max() + 1)[speaker]
    errors = draw.binomial(words, 1 / (1 + np.exp(-odds)))
    spoken = words - draw.binomial(errors, 0.2)
    found = pl.DataFrame(
        {
            "id": [f"u{place}" for place in range(number)],
            "group": [f"s{place}" if speakers else None for place in speaker],
            "label": [" ".join(["a"] * count) for count in spoken],
            "confidence": 1 / (1 + np.exp(1.5 * doubt - 3)),
            "errors": errors,
            "words": words,
        },
        schema_overrides={"group": pl.String},
    )
    if not unsure:
        return found
    chances = np.exp(unsure * doubt)
    return found[draw.choice(number, number // 4, replace=False, p=chances / chances.sum())]


def heard(rows: pl.DataFrame) -> pl.DataFrame:
    """What is known of a pool."""
    return rows.drop("errors", "words")


def true_rate(rows: pl.DataFrame) -> float:
    return float(rows["errors"].sum() / rows["words"].sum())


def covered(dev: dict[str, Any], pool: dict[str, Any], seeds: int = 60) -> tuple[float, np.ndarray]:
    """How often the interval holds the true rate of the pool, and the errors of the estimates."""
    inside, away = [], []
    for seed in range(seeds):
        rows, unknown = simulated(2 * seed, **dev), simulated(2 * seed + 1, **pool)
        found = estimate(rows, heard(unknown), resamples=100)
        inside.append(found.low <= true_rate(unknown) <= found.high)
        away.append(found.rate - true_rate(unknown))
    return float(np.mean(inside)), np.array(away)


@pytest.mark.slow
def test_the_interval_holds_the_true_rate_about_19_times_in_20() -> None:
    share, away = covered({"number": 400}, {"number": 1500}, 100)
    assert 0.90 <= share <= 0.99
    assert abs(away.mean()) < 3 * away.std() / np.sqrt(len(away))


@pytest.mark.slow
def test_a_pool_smaller_than_dev_is_covered_too() -> None:
    share, _ = covered({"number": 1000}, {"number": 150})
    assert 0.88 <= share <= 1


@pytest.mark.slow
def test_a_pool_of_more_unsure_hypotheses_is_estimated_as_worse_and_covered() -> None:
    share, away = covered({"number": 800}, {"number": 2400, "unsure": 0.7})
    assert 0.86 <= share <= 1
    worse = estimate(simulated(0, 800), heard(simulated(1, 2400, unsure=0.7)), resamples=50)
    assert worse.rate > 1.3 * worse.dev_rate
    assert abs(away.mean()) < 0.1 * (worse.rate - worse.dev_rate)


@pytest.mark.slow
def test_speakers_whose_errors_go_together_are_covered_and_utterances_alone_are_not() -> None:
    together = {"speakers": 40, "spread": 0.7}
    share, _ = covered({"number": 400} | together, {"number": 1200} | together)
    assert 0.83 <= share <= 1
    inside = []
    for seed in range(60):
        rows, pool = simulated(2 * seed, 400, **together), simulated(2 * seed + 1, 1200, **together)
        found = estimate(rows, heard(pool), over="utterance", resamples=100)
        inside.append(found.low <= true_rate(pool) <= found.high)
    assert np.mean(inside) < share - 0.1


@pytest.mark.slow
def test_it_is_nearer_than_the_rate_of_dev() -> None:
    _, away = covered({"number": 400}, {"number": 1500}, 60)
    plain = [true_rate(simulated(2 * seed, 400)) - true_rate(simulated(2 * seed + 1, 1500)) for seed in range(60)]
    assert away.std() < 0.85 * np.std(plain)


def test_dev_estimates_itself() -> None:
    dev = simulated(0, 500)
    found = estimate(dev, heard(dev), resamples=50)
    assert found.dev_rate == pytest.approx(true_rate(dev), rel=1e-12)
    assert found.rate == pytest.approx(true_rate(dev), rel=0.005)
    assert found.words == pytest.approx(dev["words"].sum(), rel=0.005)


def test_a_domain_whose_errors_the_confidence_does_not_show_is_missed_as_it_says() -> None:
    pool = simulated(1, 3000)
    doubled = pool.with_columns(errors=2 * pl.col("errors"))
    found = estimate(simulated(0, 800), heard(doubled), resamples=100)
    assert found.high < true_rate(doubled)
    assert "another domain breaks it" in found.describe()


def test_two_confidences_are_two_rates_laid_over_the_pool() -> None:
    # sure: 1 error in 10 words; unsure: 5 in 10. A pool of one sure to three unsure: (1 + 15) / 40
    def rows(sure: int, unsure: int) -> pl.DataFrame:
        number = sure + unsure
        columns = {"id": [f"u{k}" for k in range(number)], "label": ["a b c d e f g h i j"] * number}
        known = {"confidence": [0.9] * sure + [0.4] * unsure, "errors": [1] * sure + [5] * unsure}
        return pl.DataFrame(columns | known | {"words": [10] * number})

    found = estimate(rows(60, 60), heard(rows(100, 300)), resamples=50)
    assert found.rate == pytest.approx(16 / 40)
    assert (found.low, found.high) == pytest.approx((16 / 40, 16 / 40))
    assert (found.over, found.outside) == ("utterance", 0)


def test_only_the_order_of_the_confidences_matters_between_like_sets() -> None:
    dev, pool = simulated(0, 500), simulated(1, 500)
    squared = [rows.with_columns(confidence=-1 / pl.col("confidence")) for rows in (dev, pool)]
    plain, other = estimate(dev, heard(pool), resamples=50), estimate(squared[0], heard(squared[1]), resamples=50)
    assert other.rate == pytest.approx(plain.rate, rel=0.03)


def test_empty_hypotheses_are_counted_by_those_of_dev_or_as_all_missed() -> None:
    dev, pool = (simulated(seed, 400).filter(pl.col("label") != "") for seed in (0, 1))
    pool = heard(pool)
    silent = pl.DataFrame({"id": [f"e{k}" for k in range(100)], "group": None, "label": "", "confidence": None})
    silent = silent.cast({"group": pl.String, "confidence": pl.Float64})
    more = pl.concat([pool, silent])
    unknown = estimate(dev, more, resamples=50)
    assert unknown.empty == 100
    assert any("100 hypotheses of the pool are empty and none of dev's" in note for note in unknown.notes)
    of_dev = silent[:20].with_columns(id=pl.lit("d") + pl.col("id"), errors=pl.lit(2), words=pl.lit(2))
    taught = estimate(pl.concat([dev, of_dev.cast({"errors": pl.Int64, "words": pl.Int64})]), more, resamples=50)
    plain = estimate(dev, pool, resamples=50)
    assert taught.words == pytest.approx(plain.words + 200)
    assert taught.errors == pytest.approx(plain.errors + 200)
    assert not taught.notes


def test_what_lies_beyond_all_of_dev_is_said() -> None:
    dev = simulated(0, 400)
    pool = heard(simulated(1, 400)).with_columns(confidence=pl.col("confidence") - 1)
    assert estimate(dev, pool, resamples=20).outside == pytest.approx(1)


def test_the_pools_groups_are_missed_where_dev_has_some() -> None:
    dev, pool = simulated(0, 400, speakers=20), heard(simulated(1, 400)).drop("group")
    found = estimate(dev, pool, resamples=20)
    assert found.over == "speaker"
    assert "the pool's speakers are not known" in found.notes[0]


def test_it_is_a_function_of_the_key_and_not_of_the_order() -> None:
    dev, pool = simulated(0, 300), heard(simulated(1, 300))
    found = estimate(dev, pool, resamples=50)
    assert found == estimate(dev, pool, resamples=50) != estimate(dev, pool, Key(1), resamples=50)
    assert Estimate(**(found.to_json() | {"notes": tuple(found.notes)})) == found
    assert estimate(dev.reverse(), pool.reverse(), resamples=50).rate == pytest.approx(found.rate, rel=1e-9)


def test_dev_rows_are_scored_against_the_reference() -> None:
    truth = pl.DataFrame({"id": ["x", "y"], "label": ["a b c", "d"]})
    spoken = pl.DataFrame({"id": ["y", "x"], "label": ["d e", "a c"], "confidence": [0.2, 0.7]})
    found = dev_rows(truth, spoken)
    assert found.columns == ["id", "group", "label", "confidence", "errors", "words"]
    assert found.select("id", "label", "confidence", "errors", "words").rows() == [
        ("x", "a c", 0.7, 1, 3),
        ("y", "d e", 0.2, 1, 1),
    ]
    with pytest.raises(EstimateError, match="no column confidence"):
        dev_rows(truth, spoken.drop("confidence"))


def test_what_cannot_be_estimated_is_refused_by_name() -> None:
    dev, pool = simulated(0, 100), heard(simulated(1, 100))
    with pytest.raises(EstimateError, match="dev is too small to estimate from: 40 hypotheses"):
        estimate(dev[:40], pool)
    with pytest.raises(EstimateError, match="0 of them with errors"):
        estimate(dev.with_columns(errors=pl.lit(0)), pool)
    with pytest.raises(EstimateError, match="the pool: no hypotheses"):
        estimate(dev, pool[:0])
    with pytest.raises(EstimateError, match="dev: no column errors"):
        estimate(dev.drop("errors"), pool)
    with pytest.raises(EstimateError, match="the pool: u3 is there more than once"):
        estimate(dev, pl.concat([pool, pool[3:4]]))
    blank = pool.with_columns(confidence=pl.when(pl.col("id") != "u7").then("confidence"))
    with pytest.raises(EstimateError, match="the pool: u7 has the confidence None"):
        estimate(dev, blank)
    with pytest.raises(EstimateError, match="the confidences are String, not numbers"):
        estimate(dev, pool.with_columns(confidence=pl.lit("high")))
    with pytest.raises(BlockError, match="no column chapter"):
        estimate(dev, pool, over="chapter")
