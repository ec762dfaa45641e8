"""Targets of the loss: smoothed classes and soft labels, against numbers worked by hand."""

import numpy as np
import polars as pl
import pytest

from nst_asr.vision.targets import HardTargets, SoftTargets, TargetError, places_of, targets

CLASSES = ("blue", "green", "red")


def soft(index: list[list[int]], share: list[list[float]]) -> pl.DataFrame:
    return pl.DataFrame(
        {"id": [f"i{n}" for n in range(len(index))], "label": ["blue"] * len(index), "soft_index": index},
        schema_overrides={"soft_index": pl.List(pl.Int32)},
    ).with_columns(soft_prob=pl.Series(share, dtype=pl.List(pl.Float16)))


def test_smoothing_takes_a_share_from_the_class_and_spreads_it_over_all() -> None:
    rows = pl.DataFrame({"id": ["a", "b"], "label": ["red", "blue"]})
    found = HardTargets(rows, CLASSES, 0.3)[np.array([1, 0])]
    np.testing.assert_allclose(found, [[0.8, 0.1, 0.1], [0.1, 0.1, 0.8]], rtol=1e-6)


def test_soft_labels_become_rows_that_sum_to_one_in_any_order() -> None:
    made = SoftTargets(soft([[2, 0], [1], [0, 1, 2]], [[0.75, 0.25], [1.0], [0.5, 0.25, 0.25]]), CLASSES)
    found = made[np.array([2, 0, 0, 1])]
    np.testing.assert_allclose(found, [[0.5, 0.25, 0.25], [0.25, 0, 0.75], [0.25, 0, 0.75], [0, 1, 0]])


def test_the_rounding_of_half_floats_is_no_fault_and_is_undone() -> None:
    share = np.random.default_rng(0).dirichlet(np.ones(10))
    rows = soft([list(range(10))], [share.tolist()])
    found = SoftTargets(rows, tuple("abcdefghij"))[np.array([0])]
    assert found.sum() == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(found[0], share, atol=1e-3)


@pytest.mark.parametrize(
    ("index", "share"),
    [
        ([0, 1], [0.5, 0.3]),  # do not sum to one
        ([0, 1], [1.5, -0.5]),  # not shares
        ([0, 3], [0.5, 0.5]),  # a class that is not there
        ([0, -1], [0.5, 0.5]),
        ([0, 0], [0.5, 0.5]),  # one class twice
        ([0], [0.5, 0.5]),  # unequal lengths
        ([], []),
    ],
)
def test_a_soft_label_that_is_no_distribution_is_refused_with_its_id(index: list[int], share: list[float]) -> None:
    with pytest.raises(TargetError, match="the soft label of i1 is no distribution over 3 classes"):
        SoftTargets(soft([[0], index], [[1.0], share]), CLASSES)


def test_a_missing_soft_label_is_refused_too() -> None:
    rows = soft([[0], [1]], [[1.0], [1.0]]).with_columns(soft_prob=pl.Series([[1.0], None], dtype=pl.List(pl.Float16)))
    with pytest.raises(TargetError, match="the soft label of i1"):
        SoftTargets(rows, CLASSES)


def test_a_label_that_is_no_class_is_refused_with_id_and_class() -> None:
    rows = pl.DataFrame({"id": ["a", "b"], "label": ["red", "mauve"]})
    with pytest.raises(TargetError, match=r"b has the class 'mauve', which is none of the 3"):
        places_of(rows, CLASSES)


def test_soft_labels_are_taken_where_there_are_some() -> None:
    rows = soft([[0]], [[1.0]])
    assert isinstance(targets(rows, CLASSES, 0.1), SoftTargets)
    assert isinstance(targets(rows.drop("soft_index", "soft_prob"), CLASSES, 0.1), HardTargets)
