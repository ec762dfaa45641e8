"""Numbers of classifiers from tables: soft labels, calibration, confusion matrix, McNemar, blocks."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import brier_score_loss, confusion_matrix, log_loss, recall_score, top_k_accuracy_score

from nst_asr.accuracy.accuracies import accuracies
from nst_asr.accuracy.classes import matrix, matrix_json, write_matrix
from nst_asr.accuracy.guesses import AccuracyError, Guesses
from nst_asr.accuracy.soft import soft_numbers
from nst_asr.accuracy.text import text
from nst_asr.rows import ManifestError

CLASSES = [f"class {place}" for place in range(8)]


def truth(labels: list[str], **columns: list[str]) -> pl.DataFrame:
    return pl.DataFrame({"id": [f"i{place}" for place in range(len(labels))], "label": labels, **columns})


def soft(shares: np.ndarray) -> pl.DataFrame:
    """Guesses with the probabilities of all classes, in an order of their own."""
    order = np.random.default_rng(5).permuted(np.tile(np.arange(shares.shape[1]), (len(shares), 1)), axis=1)
    return truth([CLASSES[place] for place in shares.argmax(1)]).with_columns(
        soft_index=pl.Series(order.tolist()), soft_prob=pl.Series(np.take_along_axis(shares, order, 1).tolist())
    )


def with_soft(rows: pl.DataFrame, index: list[Any], shares: list[Any]) -> pl.DataFrame:
    return rows.with_columns(soft_index=pl.Series(index), soft_prob=pl.Series(shares))


def drawn(seed: int, number: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Shares of 8 classes, and classes drawn from them: perfectly calibrated."""
    draw = np.random.default_rng(seed)
    shares = draw.dirichlet(np.full(8, 0.3), number)
    return shares, np.array([draw.choice(8, p=row) for row in shares])


def numbers(reference: pl.DataFrame, rows: pl.DataFrame, classes: list[str] | None = None) -> dict[str, Any]:
    found: dict[str, Any] = accuracies(reference, {"a": Guesses(rows, classes)})["hypotheses"]["a"]
    return found


def test_proper_scores_and_top_5_are_those_of_scikit_learn() -> None:
    shares, true = drawn(0)
    found = numbers(truth([CLASSES[place] for place in true]), soft(shares), CLASSES)
    assert found["top5"] == pytest.approx(top_k_accuracy_score(true, shares, k=5, labels=range(8)))
    assert found["nll"] == pytest.approx(log_loss(true, shares, labels=range(8)), rel=1e-5)
    one_hot = np.eye(8)[true]
    assert found["brier"] == pytest.approx(((shares - one_hot) ** 2).sum(1).mean(), rel=1e-5)
    confident, right = shares.max(1), shares.argmax(1) == true
    assert found["calibration"]["brier"] == pytest.approx(brier_score_loss(right, confident), rel=1e-5)
    assert found["calibration"]["confidence"] == pytest.approx(confident.mean())


def test_proper_scores_by_hand() -> None:
    # p of the truth 0.7 and 0.2: Brier (0.09 + 0.04 + 0.01) and (0.25 + 0.64 + 0.09)
    rows = with_soft(truth(["a", "a"]), [[0, 1, 2]] * 2, [[0.7, 0.2, 0.1], [0.5, 0.2, 0.3]])
    found = soft_numbers(truth(["a", "b"]), Guesses(rows, ["a", "b", "c"]))
    assert found["brier"] == pytest.approx((0.14 + 0.98) / 2)
    assert found["nll"] == pytest.approx(-(np.log(0.7) + np.log(0.2)) / 2)
    assert found["top5"] == 1


def test_of_equal_shares_the_first_comes_first() -> None:
    rows = with_soft(truth(["c0"]), [list(range(8))], [[0.125] * 8])
    names = [f"c{place}" for place in range(8)]
    found = [soft_numbers(truth([name]), Guesses(rows, names))["top5"] for name in names]
    assert found == [1, 1, 1, 1, 1, 0, 0, 0]


def test_what_soft_labels_cannot_say_is_null_with_the_reason() -> None:
    some = with_soft(truth(["a", "a"]), [[0, 1], [0, 1]], [[0.9, 0.1], [0.6, 0.4]])
    lost = soft_numbers(truth(["a", "c"]), Guesses(some, ["a", "b", "c"]))
    assert (lost["nll"], lost["top5"]) == (None, None)  # the third of three classes would be among the five
    assert lost["brier"] == pytest.approx((0.02 + 0.36 + 0.16 + 1) / 2)
    assert "the soft labels of 1 images leave their class out, such as i1" in lost["probabilities_reason"]
    unscaled = with_soft(some, [[0, 1], [0, 1]], [[0.9, 0.1], [0.6, 0.1]])
    found = soft_numbers(truth(["a", "a"]), Guesses(unscaled, ["a", "b"]))
    assert (found["brier"], found["nll"], found["top5"]) == (None, None, 1)
    assert "do not sum to 1, such as i1 (0.7)" in found["probabilities_reason"]
    missing = with_soft(some, [[0, 1], None], [[0.9, 0.1], [0.6, 0.4]])
    assert (
        "1 of 2 images have no soft label, such as i1"
        in soft_numbers(truth(["a", "a"]), Guesses(missing))["top5_reason"]
    )


def test_soft_labels_that_are_no_lists_are_refused() -> None:
    rows = truth(["a"]).with_columns(soft_index=pl.lit("[0, 1]"), soft_prob=pl.lit("[0.9, 0.1]"))
    with pytest.raises(AccuracyError, match=r"soft_index is String, not lists of whole numbers; give a \.parquet"):
        numbers(truth(["a"]), rows)


def test_calibrated_confidences_err_as_a_perfect_model_and_doubled_ones_do_not() -> None:
    shares, true = drawn(1, 2000)
    reference = truth([CLASSES[place] for place in true])
    guessed = truth([CLASSES[place] for place in shares.argmax(1)])
    good = numbers(reference, guessed.with_columns(confidence=shares.max(1)))["calibration"]
    bad = numbers(reference, guessed.with_columns(confidence=np.sqrt(shares.max(1))))["calibration"]
    assert good["error"] < good["perfect"][2]
    assert bad["error"] > 3 * bad["perfect"][2]
    assert sum(row["rows"] for row in good["bins"]) == 2000


def test_confidences_in_a_tsv_are_text_and_those_that_are_none_are_named() -> None:
    guessed = truth(["a", "b"]).with_columns(confidence=pl.Series(["0.9", "1.2"]))
    found = numbers(truth(["a", "b"]), guessed)
    assert found["calibration"] is None
    assert found["calibration_reason"] == "i1 has the confidence 1.2 (1 such): no probability"
    assert "calibration" not in numbers(truth(["a"]), truth(["a"]))


def test_the_confusion_matrix_is_that_of_scikit_learn(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    left, right = (np.array(CLASSES)[draw.integers(0, 8, 500)] for _ in range(2))
    pairs = truth(left.tolist()).with_columns(heard=pl.Series(right))
    expected = confusion_matrix(left, right, labels=CLASSES)
    found = matrix(pairs)
    assert found["class"].to_list() == CLASSES
    np.testing.assert_array_equal(found.select(CLASSES).to_numpy(), expected)
    content = matrix_json(pairs)
    again = np.zeros((8, 8), int)
    again[content["label"], content["heard"]] = content["times"]
    np.testing.assert_array_equal(again, expected)
    write_matrix(tmp_path / "m.tsv", pairs)
    assert pl.read_csv(tmp_path / "m.tsv", separator="\t").equals(found)
    write_matrix(tmp_path / "m.parquet", pairs)
    assert pl.read_parquet(tmp_path / "m.parquet")["times"].sum() == 500
    mean = numbers(truth(left.tolist()), truth(right.tolist()))["mean_recall"]
    assert mean == pytest.approx(recall_score(left, right, average="macro"))


def test_a_matrix_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    pairs = truth(["a\tb"]).with_columns(heard=pl.lit("c"))
    with pytest.raises(ManifestError, match=r"i0: a tab or line end in its label .* use \.parquet"):
        write_matrix(tmp_path / "m.tsv", pairs)
    with pytest.raises(AccuracyError, match=r"written as \.tsv or \.parquet"):
        write_matrix(tmp_path / "m.csv", pairs)


def test_mcnemars_test_stands_beside_the_bootstrap() -> None:
    reference = truth(["a"] * 20)
    heard = {"old": Guesses(truth(["b"] * 8 + ["a"] * 12)), "new": Guesses(truth(["a"] * 8 + ["b"] + ["a"] * 11))}
    (found,) = accuracies(reference, heard)["comparisons"]
    test = found["mcnemar"]
    assert (test["both"], test["first_only"], test["second_only"], test["neither"]) == (11, 1, 8, 0)
    assert test["p"] == pytest.approx(2 * (1 + 9) / 2**9)
    assert test["better"] == "second"
    said = text(accuracies(reference, heard))
    assert "8 images right in new alone, 1 in old alone, p = 0.0391 (exact binomial; mid-p 0.0215)" in said


def test_the_bootstrap_draws_any_column_of_the_reference() -> None:
    scenes = [f"scene {place // 10}" for place in range(100)]
    guessed = truth(["b"] * 30 + ["a"] * 70)
    alone = accuracies(truth(["a"] * 100), {"x": Guesses(guessed)})["hypotheses"]["x"]
    found = accuracies(truth(["a"] * 100, scene=scenes), {"x": Guesses(guessed)}, "scene")["hypotheses"]["x"]
    assert found["interval_over"] == "scene"
    assert found["high"] - found["low"] > 1.5 * (alone["high"] - alone["low"])
