"""How often a training goes through its kept labels, against numbers worked by hand."""

from typing import Any

import pytest

from nst_asr.results.laps import laps

FIT = {"updates": 100, "batch": 36.0}  # an hour in all


def plan(**mix: Any) -> dict[str, Any]:
    return {"generations": [{"mix": mix, "student": {"fit": FIT}}]}


@pytest.mark.parametrize(
    ("mix", "expected"),
    [
        ({"pseudo_share": 0.5}, 5.0),  # half an hour is drawn, from a tenth of one
        ({"ratio": 3.0}, 7.5),
        ({}, 6.0),
        ({"pooled": True}, 2.5),  # a quarter of what is there: each row as often as any other
    ],
)
def test_laps_are_what_is_drawn_over_what_is_there(mix: dict[str, Any], expected: float) -> None:
    assert laps(plan(**mix), 1, copied_hours=0.1, labeled_hours=0.3) == pytest.approx(expected)


def test_nothing_is_told_where_nothing_is_kept_or_the_plan_says_nothing() -> None:
    assert laps(plan(), 1, copied_hours=0.0, labeled_hours=0.3) is None
    assert laps(plan(), 2, copied_hours=0.1, labeled_hours=0.3) is None
    assert laps(plan(), 0, copied_hours=0.1, labeled_hours=0.3) is None
    assert laps({"generations": ()}, 0, copied_hours=0.1, labeled_hours=0.3) is None
    assert laps({}, 1, copied_hours=0.1, labeled_hours=0.3) is None
