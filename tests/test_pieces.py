"""One batch in pieces."""

from itertools import combinations, pairwise

import numpy as np
import pytest

from nst_asr.pieces import bounds, pieces


def cost(sizes: np.ndarray, groups: list[range]) -> float:
    return float(max(len(group) * sizes[group[-1]] for group in groups))


def test_groups_hold_about_the_same_total() -> None:
    assert bounds(np.array([1, 1, 1, 1, 4, 4]), 3) == [0, 4, 5, 6]
    assert bounds(np.array([2, 2, 2, 2]), 2) == [0, 2, 4]


def test_every_group_has_a_row_even_where_one_row_is_most_of_the_total() -> None:
    assert bounds(np.array([1, 1, 100]), 3) == [0, 1, 2, 3]
    assert bounds(np.array([100, 1, 1]), 3) == [0, 1, 2, 3]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_no_other_cut_into_as_many_pieces_is_cheaper(number: int) -> None:
    for seed in range(20):
        sizes = np.sort(np.random.default_rng(seed).uniform(1, 20, 9))
        found = pieces(sizes, number)
        assert [row for group in found for row in group] == list(range(9))
        assert len(found) <= number
        cuts = ([0, *inner, 9] for inner in combinations(range(1, 9), number - 1))
        best = min(cost(sizes, [range(*pair) for pair in pairwise(cut)]) for cut in cuts)
        assert cost(sizes, found) <= best * 1.002


def test_no_piece_costs_more_than_allowed() -> None:
    sizes = np.sort(np.random.default_rng(0).uniform(1, 20, 60))
    found = pieces(sizes, 2, most=80.0)
    assert cost(sizes, found) <= 80.0
    assert len(found) <= 12  # 636 s in all: 8 pieces would do without padding


@pytest.mark.parametrize("number", [1, 4, 9])
def test_no_more_pieces_are_made_than_make_the_costliest_cheaper(number: int) -> None:
    assert len(pieces(np.array([1.0, 2.0, 9.0]), number)) == (1 if number == 1 else 2)
    assert pieces(np.array([5.0]), number) == [range(1)]


def test_a_row_that_is_longer_than_allowed_is_computed_alone() -> None:
    assert pieces(np.array([1.0, 2.0, 50.0]), 1, most=10.0)[-1] == range(2, 3)
