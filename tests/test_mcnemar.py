"""McNemar's test: worked by hand, scipy's binomial test, its level on chance differences."""

import numpy as np
import pytest
from scipy import stats

from nst_asr import mcnemar as module
from nst_asr.mcnemar import mcnemar


def outcomes(both: int, first: int, second: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes of two systems with these numbers of each kind."""
    left = np.repeat([True, True, False, False], [both, first, second, neither])
    return left, np.repeat([True, False, True, False], [both, first, second, neither])


def test_one_against_four_by_hand() -> None:
    # P(B <= 1) of 5 fair coins is (1 + 5) / 32, twice that 3/8; mid-p takes half of P(B = 1) = 5/32 off either tail
    found = mcnemar(*outcomes(10, 1, 4, 2))
    assert (found.both, found.first_only, found.second_only, found.neither) == (10, 1, 4, 2)
    assert (found.p, found.mid_p) == pytest.approx((12 / 32, 7 / 32))
    assert (found.better, found.method) == (None, "exact binomial")


def test_equal_numbers_and_none_at_all_are_no_evidence() -> None:
    for counts in ((5, 3, 3, 1), (5, 0, 0, 5)):
        found = mcnemar(*outcomes(*counts))
        assert (found.p, found.mid_p) == pytest.approx((1, 1))


def test_six_to_nothing_is_significant_and_five_to_nothing_is_not() -> None:
    assert mcnemar(*outcomes(0, 6, 0, 0)).better == "first"  # 2 / 64
    assert mcnemar(*outcomes(0, 0, 6, 0)).better == "second"
    assert not mcnemar(*outcomes(0, 5, 0, 0)).significant  # 2 / 32


@pytest.mark.parametrize(("first", "second"), [(0, 1), (3, 9), (40, 61), (500, 431), (10_000, 10_311)])
def test_p_is_that_of_scipy(first: int, second: int) -> None:
    found = mcnemar(*outcomes(7, first, second, 3))
    assert found.p == pytest.approx(stats.binomtest(first, first + second).pvalue, rel=1e-8)
    both_tails = stats.binom(first + second, 0.5)
    mid = 2 * both_tails.cdf(min(first, second)) - both_tails.pmf(min(first, second))
    assert found.mid_p == pytest.approx(mid, rel=1e-8)


def test_of_very_many_the_normal_approximation_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = mcnemar(*outcomes(0, 30_000, 30_600, 0))
    monkeypatch.setattr(module, "MOST_EXACT", 1000)
    about = mcnemar(*outcomes(0, 30_000, 30_600, 0))
    assert (about.method, about.mid_p) == ("normal approximation", None)
    assert about.p == pytest.approx(exact.p, rel=1e-4)


def test_the_exact_test_is_never_too_sure_on_chance_differences() -> None:
    draw = np.random.default_rng(0)
    found = [mcnemar(draw.random(200) < 0.8, draw.random(200) < 0.8) for _ in range(1000)]
    assert np.mean([one.p < 0.05 for one in found]) <= 0.05
    assert 0.03 <= np.mean([(one.mid_p or 0) < 0.05 for one in found]) <= 0.07


def test_outcomes_of_different_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="3 and 2 outcomes"):
        mcnemar(np.ones(3, bool), np.ones(2, bool))
