"""Each alarm on labels made to trip it, and on labels that do not; statistics worked by hand."""

import itertools
import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import toy
from alarming import GIVEN, Case, alarm

from nst_asr import results, results_table
from nst_asr.alarms import AlarmPlan, check
from nst_asr.census import Measure, kinds_among
from nst_asr.config import ConfigError, parse
from nst_asr.loop import noisy_student
from nst_asr.lost_shares import bands, shares
from nst_asr.report import report
from nst_asr.run import open_run
from nst_asr.terms import Terms

SPOKEN = GIVEN[:60]  # what is said in a pool of 60 utterances, two words a second


# words per second


def test_labels_that_lose_words_trip_the_rate_alarm(tmp_path: Path) -> None:
    heard = [" ".join(text.split()[::2]) for text in SPOKEN]  # every second word is deleted
    found = alarm(tmp_path, "words_per_second", Case(heard, SPOKEN))
    assert found.raised
    assert found.value == pytest.approx(-0.5)
    assert "kept labels have 1 words a second, the labeled set 2" in found.facts


def test_labels_that_run_in_circles_trip_the_rate_alarm_too(tmp_path: Path) -> None:
    found = alarm(tmp_path, "words_per_second", Case([f"{text} {text}" for text in SPOKEN], SPOKEN))
    assert found.raised
    assert found.value == pytest.approx(1.0)


def test_labels_as_fast_as_the_labeled_set_do_not_trip_it(tmp_path: Path) -> None:
    found = alarm(tmp_path, "words_per_second", Case(SPOKEN))
    assert not found.raised
    assert found.value == pytest.approx(0.0)


def test_only_kept_labels_count_for_the_rate(tmp_path: Path) -> None:
    heard = [*SPOKEN[:30], *[""] * 30]
    kept = [True] * 30 + [False] * 30
    assert alarm(tmp_path, "words_per_second", Case(heard, SPOKEN, kept)).value == pytest.approx(0.0)


def test_where_nobody_writes_blanks_characters_are_counted(tmp_path: Path) -> None:
    # 4 characters a second are given; of 4 in a second, 3 are heard
    case = Case(
        ["甲乙丙"] * 30, sizes=[1.0] * 30, labeled=["甲乙丙丁", "甲乙丙丁戊己庚辛"] * 5, labeled_sizes=[1.0, 2.0] * 5
    )
    found = alarm(tmp_path, "words_per_second", case)
    assert found.value == pytest.approx(-0.25)
    assert "3 characters a second, the labeled set 4" in found.facts


def test_examples_of_one_size_have_no_rate_and_no_durations(tmp_path: Path) -> None:
    images = Case(["cat", "dog"] * 30, sizes=[1.0] * 60, labeled=["cat", "dog"], labeled_sizes=[1.0, 1.0])
    for place, name in enumerate(("words_per_second", "size_share")):
        found = alarm(tmp_path / str(place), name, images)
        assert (found.value, found.raised, found.facts) == (None, False, "all examples are of one size")


# vocabulary


def test_kinds_among_a_draw_worked_by_hand() -> None:
    # of a a b two are drawn: aa, ab, ab; kinds: 1, 2, 2
    assert kinds_among(np.array([2, 1]), 2) == pytest.approx(5 / 3)


def test_kinds_among_a_draw_are_the_mean_over_all_draws() -> None:
    counts = np.array([4, 2, 1, 1])
    words = [kind for kind, number in enumerate(counts) for _ in range(number)]
    draws = [len(set(draw)) for draw in itertools.combinations(words, 3)]
    assert kinds_among(counts, 3) == pytest.approx(np.mean(draws))
    assert kinds_among(counts, 8) == pytest.approx(4.0)
    with pytest.raises(ValueError, match="9 words cannot be drawn from 8"):
        kinds_among(counts, 9)


WORDS = [f"w{place}" for place in range(100)]


def lines(words: list[str], number: int, seed: int = 0) -> list[str]:
    """`number` lines of ten words drawn from these."""
    draw = random.Random(seed)
    return [" ".join(draw.choices(words, k=10)) for _ in range(number)]


def test_a_student_that_uses_half_the_words_trips_the_vocabulary_alarm(tmp_path: Path) -> None:
    given = lines(WORDS, 200)
    then, now = Case(lines(WORDS, 150, 1), labeled=given), Case(lines(WORDS[:50], 150, 2), labeled=given)
    found = alarm(tmp_path, "vocabulary", now, then)
    assert found.raised
    assert found.value == pytest.approx(0.5, abs=0.01)
    assert found.facts.startswith("1,500 words of kept labels are of 50 kinds")


def test_fewer_labels_from_the_same_words_do_not_trip_it(tmp_path: Path) -> None:
    given = lines(WORDS, 200)
    then, now = Case(lines(WORDS, 300, 1), labeled=given), Case(lines(WORDS, 110, 2), labeled=given)
    found = alarm(tmp_path, "vocabulary", now, then)
    assert not found.raised
    assert found.value == pytest.approx(0.0, abs=0.01)


def test_misspellings_that_a_better_teacher_no_longer_makes_are_no_lost_words(tmp_path: Path) -> None:
    given = lines(WORDS, 200)
    spoiled = [f"{line} x{place}" for place, line in enumerate(lines(WORDS, 150, 1))]
    found = alarm(tmp_path, "vocabulary", Case(lines(WORDS, 150, 2), labeled=given), Case(spoiled, labeled=given))
    assert not found.raised


def test_the_first_generation_has_no_vocabulary_to_compare_with(tmp_path: Path) -> None:
    assert alarm(tmp_path, "vocabulary", Case(SPOKEN)).value is None


def test_few_words_are_not_compared(tmp_path: Path) -> None:
    found = alarm(tmp_path, "vocabulary", Case(SPOKEN), Case(SPOKEN))
    assert found.value is None
    assert "200 words of the labeled set in the kept labels, fewer than 1000" in found.facts


# short labels


def test_a_label_is_short_when_it_is_empty_or_has_a_quarter_of_the_rate() -> None:
    measure = Measure("word", sized=True, rate=2.0)
    rows = pl.DataFrame({"size": [1.0, 4.0, 4.1, 4.0], "label": ["", "a b", "a b", None]})
    assert rows.select(measure.short()).to_series().to_list() == [True, False, True, True]


def test_empty_labels_trip_the_alarm_against_the_labeled_set(tmp_path: Path) -> None:
    heard = ["" if place % 5 == 0 else text for place, text in enumerate(SPOKEN)]
    found = alarm(tmp_path, "short_labels", Case(heard, SPOKEN, kept=[bool(text) for text in heard]))
    assert found.raised
    assert found.value == pytest.approx(0.2)


def test_a_few_empty_labels_do_not_trip_it(tmp_path: Path) -> None:
    heard = ["", "", *SPOKEN[2:]]
    found = alarm(tmp_path, "short_labels", Case(heard, SPOKEN))
    assert not found.raised
    assert found.value == pytest.approx(2 / 60)


@pytest.mark.parametrize(("empty", "raised"), [(11, True), (7, False)])
def test_short_labels_are_compared_with_the_generation_before(tmp_path: Path, empty: int, raised: bool) -> None:
    then = Case([*[""] * 6, *SPOKEN[6:]], SPOKEN)
    found = alarm(tmp_path, "short_labels_growth", Case([*[""] * empty, *SPOKEN[empty:]], SPOKEN), then)
    assert found.raised == raised
    assert found.value == pytest.approx((empty - 6) / 60)


# errors that are repeated

WRONG = ["one too"] * 60 + ["one two"] * 40  # dev: 60 of 200 words wrong, 30 %


def disagreeing(changed: int) -> tuple[Case, Case]:
    """Labels of 100 utterances of two words, of which `changed` have another word in the next generation."""
    dev = {"dev": ["one two"] * 100, "heard_dev": WRONG}
    old = ["three four"] * 100
    return Case(old, **dev), Case([*["three for"] * changed, *old[changed:]], old, **dev)


def test_a_student_that_repeats_its_teachers_errors_trips_the_alarm(tmp_path: Path) -> None:
    then, now = disagreeing(6)
    found = alarm(tmp_path, "repeated_errors", now, then)
    assert found.raised
    assert found.value == pytest.approx(1 - 0.03 / 0.3)
    assert "disagree in 3.00 % of the pool's words, on dev they are wrong in 30.00 % and 30.00 %" in found.facts


def test_a_student_with_a_mind_of_its_own_does_not_trip_it(tmp_path: Path) -> None:
    then, now = disagreeing(40)
    found = alarm(tmp_path, "repeated_errors", now, then)
    assert not found.raised
    assert found.value == pytest.approx(1 - 0.2 / 0.3)


def test_one_that_agrees_because_both_are_right_does_not_trip_it(tmp_path: Path) -> None:
    then, now = (replace(case, heard_dev=["one two"] * 100) for case in disagreeing(0))
    found = alarm(tmp_path, "repeated_errors", now, then)
    assert (found.value, found.raised) == (None, False)
    assert found.facts == "not judged: 0 errors on dev, fewer than 20"


def test_the_same_teacher_twice_agrees_with_itself_and_is_not_judged(tmp_path: Path) -> None:
    then, now = disagreeing(0)
    found = check(now.corpus(), now.turn(tmp_path, 2), then.turn(tmp_path, 1), AlarmPlan())
    same = next(alarm for alarm in found if alarm.name == "repeated_errors")
    assert (same.value, same.facts) == (None, "both have the same teacher")


# shares of speakers and durations


def speakers(kept_of_first: int) -> Case:
    """Two speakers of 100 utterances each, half a pool each; all of the second are kept."""
    kept = [place < kept_of_first for place in range(100)] + [True] * 100
    return Case(["one two"] * 200, kept=kept, groups=["ann"] * 100 + ["bob"] * 100)


def test_a_speaker_that_vanishes_trips_the_alarm(tmp_path: Path) -> None:
    found = alarm(tmp_path, "group_share", speakers(5))
    assert found.raised
    assert found.value == pytest.approx((5 / 105) / 0.5)
    assert found.facts == (
        "1 of 2 speakers have under 0.2 of their share of the pool in what is kept; the least: ann (0.10), bob (1.90)"
    )


def test_a_speaker_that_is_only_rarer_does_not_trip_it(tmp_path: Path) -> None:
    found = alarm(tmp_path, "group_share", speakers(30))
    assert not found.raised
    assert found.value == pytest.approx((30 / 130) / 0.5)


def test_a_speaker_of_whom_few_are_to_be_expected_is_not_judged(tmp_path: Path) -> None:
    # eve has 10 of 210 utterances, none kept: about 10 would be
    case = speakers(100)
    few = replace(case, heard=["one two"] * 210, kept=[*case.kept, *[False] * 10], groups=[*case.groups, *["eve"] * 10])
    assert not alarm(tmp_path / "few", "group_share", few).raised
    assert alarm(tmp_path / "all", "group_share", few, plan=AlarmPlan(fewest=5)).raised


def test_unknown_speakers_are_no_speaker(tmp_path: Path) -> None:
    found = alarm(tmp_path, "group_share", Case(SPOKEN), terms=Terms(group="scene"))
    assert (found.value, found.facts) == (None, "there are no two scenes")


def test_shares_are_of_hours_not_of_rows() -> None:
    pool = pl.DataFrame({"group": ["a", "a", "b"], "size": [1.0, 3.0, 4.0]})
    found = shares(pool, pl.Series([True, False, True]), "group", 1)
    assert found.row(0, named=True) == {
        **{"group": "a", "rows": 2, "kept_rows": 1, "share": 0.5, "kept_share": 0.2, "ratio": 0.4}
    }


def test_bands_have_about_equal_numbers_of_examples() -> None:
    found = bands(pl.Series([float(place) for place in range(100)]))
    assert found.value_counts()["count"].to_list() == [20] * 5
    assert bands(pl.Series([1.0] * 4)).to_list() == [None] * 4
    assert bands(pl.Series([1.0] * 9 + [3.0])).n_unique() <= 2


@pytest.mark.parametrize(("kept", "raised"), [([1, 1, 1, 1, 0], True), ([1, 1, 1, 1, 1], False)])
def test_a_filter_that_drops_the_longest_fifth_trips_the_alarm(tmp_path: Path, kept: list[int], raised: bool) -> None:
    sizes = [float(second) for second in (1, 2, 3, 4, 5) for _ in range(40)]
    case = Case(["one two"] * 200, sizes=sizes, kept=[bool(each) for each in kept for _ in range(40)])
    found = alarm(tmp_path, "size_share", case)
    assert found.raised == raised
    assert ("the least: 4.20 to 5.00 (0.00)" in found.facts) == raised


# the plan, the log, the results


def test_a_limit_of_null_switches_an_alarm_off(tmp_path: Path) -> None:
    case = Case(SPOKEN)
    plan = parse(AlarmPlan, {"vocabulary": None})
    names = [alarm.name for alarm in check(case.corpus(), case.turn(tmp_path, 1), None, plan)]
    assert "vocabulary" not in names
    assert "words_per_second" in names


def test_a_limit_that_no_statistic_can_reach_is_refused() -> None:
    with pytest.raises(ConfigError, match="repeated_errors = 1"):
        parse(AlarmPlan, {"repeated_errors": 1.0})


def run_toy(folder: Path, limit: float | None) -> None:
    parts, _, _ = toy.corpus()
    plan = toy.plan(alarms={"group_share": limit}, generation={"filter": {"top": {"share": 0.5}}})
    run = open_run(folder, plan, {"labeled": parts.labeled, "unlabeled": parts.unlabeled, "dev": parts.dev})
    noisy_student(toy.Toy(), parts, plan, run)


def test_an_alarm_is_logged_with_statistic_limit_and_advice_and_stands_in_results_and_report(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run_toy(tmp_path, 0.99)
    (line,) = [record for record in caplog.records if "generation 1: alarm group_share" in record.getMessage()]
    assert line.levelname == "WARNING"
    assert "limit 0.99); the student hears little of them" in line.getMessage()
    found = results.collect(tmp_path)
    assert found["generations"][0]["alarms"] is None
    first = {alarm["name"]: alarm for alarm in found["generations"][1]["alarms"]}
    assert first["group_share"]["raised"]
    assert not first["words_per_second"]["raised"]
    assert line.getMessage() in results_table.table(found)
    page = report(tmp_path).read_text()
    assert "Warning: group_share: " in page
    assert "all examples are of one size" in page


def test_an_alarm_stops_nothing_and_its_limit_may_change_in_a_finished_run(tmp_path: Path) -> None:
    run_toy(tmp_path, 0.99)
    student = (tmp_path / "gen2/4-student/means.json").stat().st_mtime_ns
    run_toy(tmp_path, None)
    kept = json.loads((tmp_path / "gen1/3-alarms.json").read_text())
    assert kept["limits"]["group_share"] is None
    assert "group_share" not in [alarm["name"] for alarm in kept["alarms"]]
    assert (tmp_path / "gen2/4-student/means.json").stat().st_mtime_ns == student


def test_the_report_of_a_run_from_before_there_were_alarms_says_so(tmp_path: Path) -> None:
    run_toy(tmp_path, 0.99)
    for path in tmp_path.glob("gen*/3-alarms.json"):
        path.unlink()
    assert "None was looked for." in report(tmp_path).read_text()
    assert "alarm" not in results_table.table(results.collect(tmp_path))
