"""Findings on hand-made results: each at its limit and just beside it, and none on a run that went well."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from nst_asr.results.diagnosis import LIMITS, diagnose

Change = Callable[[dict[str, Any]], None]


def comparison(difference: float) -> dict[str, Any]:
    """A difference of error rates with an interval of a point either way."""
    low, high = difference - 0.01, difference + 0.01
    return {
        **{"difference": difference, "low": low, "high": high, "p_worse": 0.5},
        **{"significantly_worse": low > 0, "significantly_better": high < 0},
    }


def score(errors: int, deletions: int = 0) -> dict[str, Any]:
    """Of a thousand words."""
    return {"rate": errors / 1000, "errors": errors, "words": 1000, "deletions": deletions, "sentences": 200}


def student(number: int, errors: int, gain: float) -> dict[str, Any]:
    """One that learnt from half of ten hours, whose labels are a quarter wrong before the filter and a tenth after."""
    return {
        **{"generation": number, "teacher": number - 1, "dev": score(errors), "test": score(errors), "with_lm": None},
        **{
            "labels": 100,
            "hours": 10.0,
            "kept_rows": 50,
            "kept_hours": 5.0,
            "laps": 3.0,
            "comparison": comparison(gain),
        },
        **{"label_error": {"before": {"rate": 0.25}, "after": {"rate": 0.1}}, "alarms": [], "noise": []},
        **{"kl_before": 0.1, "kl_after": 0.1, "balanced_by": "none"},
    }


def good() -> dict[str, Any]:
    """Results of a run that went well: 30, 20 and 15 % errors, and an hour of labeled data."""
    teacher = student(0, 300, 0.0) | {"teacher": None, "labels": 0, "hours": 1.0, "kept_hours": 0.0, "comparison": None}
    return {
        "generations": [teacher | {"label_error": None}, student(1, 200, -0.1), student(2, 150, -0.05)],
        "oracle": {"dev": score(100), "test": score(100)},
        "relative_reduction": {"rate": 0.5, "on": "test", "comparison": comparison(-0.15)},
        "text_overlap": None,
        "terms": None,
    }


def failed() -> dict[str, Any]:
    """The same, with a last student that is no better than the first teacher."""
    results = good()
    results["relative_reduction"]["comparison"] = comparison(0.0)
    return results


def names(results: dict[str, Any]) -> list[str]:
    return [finding["name"] for finding in diagnose(results)]


def found(results: dict[str, Any], name: str) -> dict[str, Any]:
    return next(finding for finding in diagnose(results) if finding["name"] == name)


def changed(path: str, value: Any) -> Change:
    """Put `value` at a path such as generations.1.kept_hours."""

    def change(results: dict[str, Any]) -> None:
        *way, last = (int(step) if step.isdigit() else step for step in path.split("."))
        place: Any = results
        for step in way:
            place = place[step]
        place[last] = value

    return change


def test_nothing_is_found_in_a_run_that_went_well() -> None:
    assert diagnose(good()) == []


def test_nothing_is_found_where_next_to_nothing_is_known() -> None:
    results = good()
    results |= {"oracle": None, "relative_reduction": None}
    for entry in results["generations"]:
        entry |= dict.fromkeys(
            ("test", "label_error", "alarms", "noise", "laps", "kl_before", "kl_after", "comparison")
        )
    assert diagnose(results) == []


NOISE = {"component": "dropout", "teacher": 0.2, "student": 0.1}
KEPT_AT = LIMITS.strict_share * 10.0
HONEST, LEAKED = {"rate": 0.12}, {"rate": 0.05}  # of 0.15 without the language model: gains of 20 and 67 %
OVERLAP = {"lm": "a.arpa", "name": "dev", "utterances": 120, "too_short": 20, "shared": 1, "limit": 0.01}

LIMIT_CASES: list[tuple[str, Change, Change]] = [  # name, what is just found, what is just not
    ("collapsed teacher", changed("generations.0.dev", score(900)), changed("generations.0.dev", score(899))),
    ("collapsed teacher", changed("generations.0.dev", score(700, 420)), changed("generations.0.dev", score(700, 419))),
    ("collapsed teacher", changed("generations.0.dev", score(700, 700)), changed("generations.0.dev", score(699, 699))),
    ("collapsed student", changed("generations.2.dev", score(900)), changed("generations.2.dev", score(899))),
    (
        "over-strict filter",
        changed("generations.1.kept_hours", KEPT_AT - 0.01),
        changed("generations.1.kept_hours", KEPT_AT),
    ),
    (
        "filter lets errors through",
        changed("generations.1.label_error", {"before": {"rate": 0.27}, "after": {"rate": 0.25}}),
        changed("generations.1.label_error", {"before": {"rate": 0.27}, "after": {"rate": 0.249}}),
    ),
    (
        "filter lets errors through",
        changed("generations.1.label_error", {"before": {"rate": 0.40}, "after": {"rate": 0.361}}),
        changed("generations.1.label_error", {"before": {"rate": 0.40}, "after": {"rate": 0.36}}),
    ),
    (
        "labels get worse",
        changed("generations.2.label_error", {"before": {"rate": 0.276}, "after": {"rate": 0.1}}),
        changed("generations.2.label_error", {"before": {"rate": 0.275}, "after": {"rate": 0.1}}),
    ),
    (
        "less noise than the teacher",
        changed("generations.1.noise", [NOISE | {"less": True}]),
        changed("generations.1.noise", [NOISE | {"less": False}]),
    ),
    (
        "nothing to be learnt from the pool",
        changed("oracle.test", score(270)),
        changed("oracle.test", score(269)),
    ),
    (
        "language model text leaks",
        changed("text_overlap", [OVERLAP | {"share": 0.0101}]),
        changed("text_overlap", [OVERLAP | {"share": 0.01}]),
    ),
    (
        "language model text leaks",
        changed("generations.2.with_lm", {"dev": LEAKED, "test": HONEST}),
        changed("generations.2.with_lm", {"dev": LEAKED, "test": {"rate": 0.09}}),  # 40 %, more than half of 67 %
    ),
    (
        "language model text leaks",
        changed("generations.2.with_lm", {"dev": HONEST, "test": LEAKED}),
        changed("generations.2.with_lm", {"dev": HONEST, "test": HONEST}),
    ),
    (
        "language model text leaks",
        changed("generations.2.with_lm", {"dev": HONEST, "test": {"rate": 0.1426}}),  # 20 and 5 %
        changed("generations.2.with_lm", {"dev": HONEST, "test": {"rate": 0.1424}}),
    ),
    (
        "last student worse than the first teacher",
        changed("relative_reduction.comparison", comparison(0.011)),
        changed("relative_reduction.comparison", comparison(0.009)),
    ),
    (
        "no sure gain",
        changed("relative_reduction.comparison", comparison(-0.009)),
        changed("relative_reduction.comparison", comparison(-0.011)),
    ),
]


@pytest.mark.parametrize(("name", "over", "beside"), LIMIT_CASES)
def test_a_finding_begins_at_its_limit(name: str, over: Change, beside: Change) -> None:
    results = good()
    over(results)
    assert name in names(results)
    results = good()
    beside(results)
    assert name not in names(results)


def test_a_few_kept_hours_are_enough_where_they_are_more_than_the_labeled_ones() -> None:
    results = good()
    results["generations"][1] |= {"hours": 1000.0, "kept_hours": 1.0}
    assert names(results) == []
    results["generations"][1] |= {"kept_hours": 0.99}
    assert names(results) == ["over-strict filter"]


def test_a_fault_is_the_cause_only_where_the_run_has_not_gained() -> None:
    for results, severity in ((good(), "warning"), (failed(), "cause")):
        results["generations"][1]["kept_hours"] = 0.05
        assert found(results, "over-strict filter")["severity"] == severity


def test_causes_come_before_warnings_and_what_came_of_it_comes_after_them() -> None:
    results = failed()
    results["generations"][1]["kept_hours"] = 0.05
    results["generations"][2]["alarms"] = [
        {"name": "vocabulary", "value": 0.2, "limit": 0.1, "raised": True, "facts": "fewer kinds", "advice": "look"}
    ]
    assert names(results) == ["over-strict filter", "no sure gain", "alarm vocabulary"]


def test_the_strictest_of_several_filters_is_told_of_with_its_figures() -> None:
    results = failed()
    results["generations"][1] |= {"kept_hours": 0.5, "kept_rows": 5}
    results["generations"][2] |= {"kept_hours": 0.1, "kept_rows": 1, "laps": 123.4}
    finding = found(results, "over-strict filter")
    assert finding["generation"] == 2
    assert finding["figures"] == {"kept_share": pytest.approx(0.01), "kept_hours": 0.1, "laps": 123.4}
    assert finding["evidence"] == (
        "The filter kept 1 of the 100 labels of generation 2: 0.100 of 10.00 hours (1.0 %), less than the 1.00 that "
        "are labeled. Training drew each of them 123 times, in the mean. The student came out -5.00 points "
        "[-6.00, -4.00] against its teacher on dev."
    )


def test_of_labels_by_a_collapsed_teacher_nothing_more_is_said() -> None:
    results = failed()
    results["generations"][0]["dev"] = score(950, 940)
    results["generations"][1] |= {"kept_hours": 0.01, "label_error": {"before": {"rate": 0.9}, "after": {"rate": 0.9}}}
    assert names(results) == ["collapsed teacher", "no sure gain"]
    evidence = diagnose(results)[0]["evidence"]
    assert evidence == (
        "Generation 0 has 95.0 % WER on dev, and 99 % of its errors are words that it leaves out. It made the labels "
        "for generation 1, with 90.0 % WER."
    )


def test_a_teacher_that_collapsed_before_there_was_a_student_is_found() -> None:
    results = good()
    results |= {"relative_reduction": None, "oracle": None, "generations": results["generations"][:1]}
    results["generations"][0]["dev"] = score(1000, 1000)
    assert names(results) == ["collapsed teacher"]


def test_the_guard_and_the_gains_are_one_finding_with_all_figures() -> None:
    results = good()
    results["text_overlap"] = [OVERLAP | {"share": 0.75, "shared": 75}, OVERLAP | {"name": "test", "share": 0.0}]
    results["generations"][2]["with_lm"] = {"dev": LEAKED, "test": HONEST}
    (finding,) = diagnose(results)
    assert finding["severity"] == "cause"
    assert finding["evidence"] == (
        "The text of a.arpa holds transcripts of dev: 75 of the 100 utterances that can be compared (75.0 %) share "
        "eight words in a row with it, where 1.0 % may. The language model takes the WER of generation 2 on "
        "dev from 15.00 % to 5.00 %, and on test from 15.00 % to 12.00 %."
    )
    expected = {"shared_dev": 0.75, "gain_dev": 2 / 3, "gain_test": 0.2}
    assert finding["figures"] == pytest.approx(expected)


def test_a_language_model_with_nothing_beside_it_accuses_nobody() -> None:
    results = good()
    results["text_overlap"] = [{"lm": "a.arpa"} | dict.fromkeys(("name", "utterances", "shared", "share", "limit"))]
    assert diagnose(results) == []


def test_labels_that_get_worse_and_better_again_are_not_told_of() -> None:
    results = good()
    third = deepcopy(results["generations"][2]) | {"generation": 3, "teacher": 2}
    results["generations"].append(third)
    for entry, rate in zip(results["generations"][1:], (0.2, 0.4, 0.3), strict=True):
        entry["label_error"] = {"before": {"rate": rate}, "after": {"rate": 0.1}}
    assert names(results) == []
    third["label_error"]["before"]["rate"] = 0.4
    assert found(results, "labels get worse")["figures"] == {"first": 0.2, "last": 0.4}


@pytest.mark.parametrize(("before", "after", "there"), [(0.1, 0.095, True), (0.1, 0.094, False), (0.009, 0.009, False)])
def test_balancing_that_was_asked_for_and_does_nothing_is_found(before: float, after: float, there: bool) -> None:
    results = good()
    results["generations"][1] |= {"kl_before": before, "kl_after": after, "balanced_by": "tokens"}
    assert (names(results) == ["balancing does nothing"]) is there


def test_two_generations_without_a_gain_at_the_end_are_too_many_and_one_is_not() -> None:
    results = good()
    results["generations"][2]["comparison"] = comparison(-0.001)
    assert names(results) == []
    results["generations"][1]["comparison"] = comparison(-0.002)
    (finding,) = diagnose(results)
    assert finding["name"] == "no gain in the last generations"
    assert (
        "-0.20 points [-1.20, +0.80] in generation 1, -0.10 points [-1.10, +0.90] in generation 2"
        in finding["evidence"]
    )


def test_a_loss_that_still_falls_is_told_of_where_the_run_has_not_gained() -> None:
    level = {"title": "teacher", "finished": True, "trend": {"state": "level", "change": -0.2}}
    falling = level | {"title": "generation 1", "trend": {"state": "falling", "change": -0.256}}
    for results, expected in ((good(), []), (failed(), ["no sure gain", "training ended early"])):
        results["training"] = {"gen0": level, "gen1": falling, "gen2": level | {"trend": None}}
        assert names(results) == expected
    finding = found(results, "training ended early")
    assert finding["evidence"].endswith("lower than over the tenth before: generation 1 (26 %).")
    results["training"] = {"gen1": falling | {"finished": False}}
    assert names(results) == ["no sure gain"]


def test_an_alarm_that_several_generations_raise_is_told_of_once() -> None:
    results = good()
    alarm = {
        "name": "group_share",
        "value": 0.1,
        "limit": 0.2,
        "raised": True,
        "facts": "two speakers",
        "advice": "loosen",
    }
    for entry in results["generations"][1:]:
        entry["alarms"] = [alarm, alarm | {"name": "vocabulary", "raised": False}]
    (finding,) = diagnose(results)
    assert finding["evidence"] == (
        "Generation 1: two speakers (statistic 0.1, limit 0.2). It was raised in generation 2 too."
    )
    assert finding["advice"] == "Loosen"


def test_the_words_are_those_of_the_task() -> None:
    results = failed()
    results["terms"] = {"error": "top-1 error", "amount": "images", "unit": 1.0, "example": "image", "token": "class"}
    results["generations"][1] |= {"hours": 10.0, "kept_hours": 0.1, "laps": None}
    assert "360 of 36,000 images (1.0 %), less than the 3,600 that are labeled." in diagnose(results)[0]["evidence"]
