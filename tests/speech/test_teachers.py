"""Agreement and vote of several teachers, by hand."""

import numpy as np
import polars as pl
import pytest

from nst_asr.corpus import Labeled, Unlabeled
from nst_asr.mix import MixPlan, mix
from nst_asr.speech.teachers import agreement, consensus, distances, with_usable_alternatives


def test_the_distance_is_the_errors_over_the_mean_length() -> None:
    # one insertion: lengths 3 and 4; two substitutions of 4 characters; the space of two words counts
    found = distances([["abc", "abcd", "a b"], ["abcd", "abxy", "ab"]])
    assert found[:, 0, 1] == pytest.approx([1 / 3.5, 2 / 4, 1 / 2.5])
    assert np.array_equal(found, found.transpose(0, 2, 1))
    assert not found[:, [0, 1], [0, 1]].any()


def test_nothing_and_nothing_agree_and_nothing_and_something_do_not() -> None:
    found = distances([["", "", "ab"], ["", "a", ""]])
    assert found[:, 0, 1].tolist() == [0.0, 2.0, 2.0]
    assert agreement(found).tolist() == [1.0, 0.0, 0.0]


def test_agreement_is_one_less_the_mean_over_pairs() -> None:
    # pairs: equal (0), and twice one error of four characters
    assert agreement(distances([["abcd"], ["abcd"], ["abcx"]])) == pytest.approx([1 - (0 + 0.25 + 0.25) / 3])


def test_agreement_does_not_depend_on_the_order_of_the_teachers() -> None:
    labels = [["one two", "three"], ["one too", "tree"], ["on to", "three"]]
    assert agreement(distances(labels)) == pytest.approx(agreement(distances(labels[::-1])))


def test_one_teacher_agrees_with_nobody() -> None:
    with pytest.raises(ValueError, match="one teacher agrees with nobody"):
        agreement(distances([["a"]]))


def test_the_majority_wins_and_where_all_differ_the_one_in_the_middle() -> None:
    labels = [["cat", "abcdef", "x"], ["dog", "abcxyz", "x"], ["dog", "abcdyz", "x"]]
    # abcdyz is 2 from abcdef and 1 from abcxyz, which are 3 apart
    assert consensus(distances(labels)).tolist() == [1, 2, 0]


def test_of_two_teachers_and_of_equals_the_first_is_taken() -> None:
    assert consensus(distances([["abc", ""], ["xyz", "long"]])).tolist() == [0, 0]
    ring = [["ab"], ["bc"], ["cd"], ["da"]]
    assert consensus(distances(ring)).tolist() == [0]


def test_alternatives_that_do_not_fit_are_not_drawn_from() -> None:
    rows = pl.DataFrame({"id": ["b0", "b1"], "size": [1.0, 2.0], "group": ["g"] * 2}).cast({"size": pl.Float32})
    seen = Labeled(rows.with_columns(id=pl.Series(["a0", "a1"]), label=pl.lit("x")))
    labels = pl.DataFrame({"id": ["b0", "b1"], "label": ["y", "z"], "alternatives": [["y", "too long", " "], ["?"]]})
    data = mix(seen, Unlabeled(rows), labels, None, MixPlan(labels="sampled"))
    kept = with_usable_alternatives(data, lambda name, size, text: len(text) <= size and text != "?")
    assert kept.sources[1].rows["alternatives"].to_list() == [["y"], []]
    assert kept.sources[0].rows.equals(data.sources[0].rows)
    assert kept.fingerprint != data.fingerprint
