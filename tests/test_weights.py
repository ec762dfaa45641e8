"""Weights in the loss: by hand, and on the gradients of both tasks."""

from pathlib import Path

import polars as pl
import pytest
import toy

from nst_asr.mix import mix
from nst_asr.weights import Weigh, WeighError, weights

LABELS = pl.DataFrame(
    {
        "id": ["a", "b", "c", "d"],
        "confidence": pl.Series([0.9, 0.3, None, 0.6], dtype=pl.Float32),
        "expected_error": pl.Series([0.25, 0.75, None, 1.5], dtype=pl.Float32),
    }
)


def of(weigh: Weigh, *copies: int) -> list[float]:
    return weights(LABELS, pl.Series(copies, dtype=pl.UInt16), weigh).to_list()


def test_without_weights_all_weigh_one() -> None:
    assert of("off", 1, 1, 0, 3) == [1, 1, 1, 1]


def test_linear_weights_are_the_confidence_over_its_mean() -> None:
    assert of("linear", 1, 1, 0, 1) == pytest.approx([1.5, 0.5, 1, 1])


def test_the_mean_weight_is_one_over_all_copies() -> None:
    found = of("linear", 1, 3, 0, 0)  # (0.9 + 3 x 0.3) / 4 = 0.45
    assert found == pytest.approx([2, 2 / 3, 1, 1])
    assert (found[0] + 3 * found[1]) / 4 == pytest.approx(1)


def test_calibrated_weights_are_the_expected_share_of_right_words_and_never_0() -> None:
    mean = (0.75 + 0.25 + 0.001) / 3
    assert of("calibrated", 1, 1, 0, 1) == pytest.approx([0.75 / mean, 0.25 / mean, 1, 0.001 / mean], rel=1e-5)


@pytest.mark.parametrize(("weigh", "column"), [("linear", "confidence"), ("calibrated", "expected_error")])
def test_a_kept_label_without_the_number_is_refused_by_its_id(weigh: Weigh, column: str) -> None:
    with pytest.raises(WeighError, match=rf"weigh: {weigh}: the kept label c has no {column} \(1 such labels\)"):
        of(weigh, 1, 1, 1, 1)


def test_weights_that_are_all_0_are_refused() -> None:
    table = LABELS.with_columns(confidence=pl.lit(0.0))
    with pytest.raises(WeighError, match="every kept label has weight 0"):
        weights(table, pl.Series([1, 1, 1, 1]), "linear")


def run(folder: Path, **generation: object) -> pl.DataFrame:
    from test_loop import run_all

    run_all(folder, toy.plan(generations=[generation]))
    return pl.read_parquet(folder / "gen1" / "3-copies.parquet")


def test_a_run_weighs_its_labels_as_the_plan_says(tmp_path: Path) -> None:
    copies = run(tmp_path, weigh="linear")
    labels = pl.read_parquet(tmp_path / "gen1" / "1-labels")
    sure = labels["confidence"].cast(pl.Float64)
    assert copies["weight"].to_list() == pytest.approx((sure / sure.mean()).to_list(), rel=1e-5)
    parts, _, _ = toy.corpus()
    source = mix(parts.labeled, parts.unlabeled, labels.select("id", "label"), copies, toy.plan().generations[0].mix)
    assert source.sources[1].weights.mean() == pytest.approx(1)
    assert source.sources[1].weights.std() > 0.01


def test_a_dev_that_cannot_calibrate_gives_linear_weights_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="nst_asr")
    calibrated = run(tmp_path / "calibrated", weigh="calibrated")
    assert "weigh: linear in the place of calibrated" in caplog.text
    assert "dev is too small to calibrate the expected error: 80 labels" in caplog.text
    assert calibrated.equals(run(tmp_path / "linear", weigh="linear"))
