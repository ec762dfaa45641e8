"""Scores: hand-worked fractions, intervals, paired comparison, recovery rate."""

from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import polars as pl
import pytest

from nst_asr.bootstrap import BlockError, percentiles, resampled_totals
from nst_asr.key import Key
from nst_asr.recovery import recovery_rate
from nst_asr.score import SCHEMA, Score, ScoreError, compare, read_score, score
from nst_asr.store import StoreError, read_json


def reference(labels: list[str], groups: list[str | None] | None = None) -> pl.DataFrame:
    ids = [f"u{place}" for place in range(len(labels))]
    columns: dict[str, Any] = {"id": ids, "label": labels}
    columns |= {"group": groups or [None] * len(labels)}
    return pl.DataFrame(columns, schema={"id": pl.String, "group": pl.String, "label": pl.String})


def hypothesis(labels: list[str]) -> pl.DataFrame:
    return reference(labels).select("id", "label")


def with_errors(errors: list[int], words: list[int], groups: list[str] | None = None) -> Score:
    """A score of utterances that have these numbers of substituted words."""
    count = len(errors)
    columns: dict[str, Any] = {name: [0] * count for name in SCHEMA}
    columns |= {"id": [f"u{place}" for place in range(count)], "group": groups if groups else [None] * count}
    return Score(pl.DataFrame(columns | {"substitutions": errors, "words": words}, schema=SCHEMA))


def simulated(rate: float, seed: int, utterances: int = 200, speakers: int = 0) -> Score:
    draw = np.random.default_rng(seed)
    words = np.random.default_rng(0).integers(1, 8, utterances)
    groups = [f"s{place % speakers}" for place in range(utterances)] if speakers else None
    return with_errors(draw.binomial(words, rate).tolist(), words.tolist(), groups)


def test_the_rate_is_the_fraction_worked_by_hand() -> None:
    # one substitution and one insertion, one deletion, none: 3 errors in 3 + 2 + 1 words
    found = score(reference(["a b c", "d e", "f"]), hypothesis(["a x c y", "d", "f"]))
    assert (found.errors, found.words, found.rate, found.sentence_errors) == (3, 6, 0.5, 2)
    summary = found.summary()
    assert [summary[name] for name in ("substitutions", "deletions", "insertions")] == [1, 1, 1]
    # characters: b for x, then " y" inserted; " e" deleted: 3 + 2 errors in 5 + 3 + 1 characters
    assert summary["characters"] == {"errors": 5, "characters": 9, "rate": 5 / 9}


def test_wer_of_an_empty_reference_counts_insertions() -> None:
    found = score(reference(["", "a b"]), hypothesis(["x y", "a b"]))
    assert (found.errors, found.words, found.rate) == (2, 2, 1.0)


def test_the_rate_without_any_reference_word_is_the_number_of_errors_as_in_jiwer() -> None:
    found = score(reference(["", ""]), hypothesis(["x y", ""]))
    assert found.rate == 2.0 == jiwer.wer(["", ""], ["x y", ""])
    assert score(reference([""]), hypothesis([""])).rate == 0.0


def test_the_totals_are_those_of_jiwer() -> None:
    draw = np.random.default_rng(0)
    texts = [" ".join(draw.choice(list("abcd"), draw.integers(1, 9))) for _ in range(400)]
    left, right = texts[:200], texts[200:]
    found = score(reference(left), hypothesis(right))
    assert found.rate == pytest.approx(jiwer.wer(left, right), abs=1e-12)
    assert found.summary()["characters"]["rate"] == pytest.approx(jiwer.cer(left, right), abs=1e-12)


def test_a_class_name_is_one_word_and_the_rate_is_the_top_1_error() -> None:
    assert score(reference(["cat", "dog", "owl"]), hypothesis(["cat", "owl", "owl"])).rate == 1 / 3


def test_the_order_of_the_hypotheses_does_not_matter() -> None:
    truth, heard = reference(["a b", "c", "d e f"]), hypothesis(["a", "c", "d x f"])
    assert score(truth, heard.reverse()).utterances.equals(score(truth, heard).utterances)


@pytest.mark.parametrize(
    ("truth", "heard", "message"),
    [
        (["a", "b"], ["a"], "no hypothesis for u1"),
        (["a"], ["a", "b"], "a hypothesis for u1, which is no reference"),
        ([], [], "no references"),
    ],
)
def test_ids_that_do_not_agree_are_refused_by_name(truth: list[str], heard: list[str], message: str) -> None:
    with pytest.raises(ScoreError, match=message):
        score(reference(truth), hypothesis(heard))


def test_doubled_ids_and_missing_labels_are_refused_by_name() -> None:
    truth = reference(["a", "b"])
    with pytest.raises(ScoreError, match="hypothesis has u0 more than once"):
        score(truth, pl.concat([hypothesis(["a", "b"]), hypothesis(["a"])]))
    with pytest.raises(ScoreError, match="hypothesis u1 has no label"):
        score(truth, pl.DataFrame({"id": ["u0", "u1"], "label": ["a", None]}))


def test_a_written_score_reads_back_the_same(tmp_path: Path) -> None:
    found = simulated(0.2, 1, speakers=10)
    found.write(tmp_path / "score.json")
    back = read_score(tmp_path / "score.json")
    assert back.utterances.equals(found.utterances)
    assert back.summary() == found.summary() == read_json(tmp_path / "score.json")


def test_a_score_with_a_lost_or_damaged_part_is_named(tmp_path: Path) -> None:
    simulated(0.2, 1).write(tmp_path / "score.json")
    (tmp_path / "score.parquet").write_bytes(b"nothing")
    with pytest.raises(StoreError, match=r"score\.parquet: damaged"):
        read_score(tmp_path / "score.json")
    (tmp_path / "score.parquet").unlink()
    with pytest.raises(StoreError, match=r"score\.parquet: missing"):
        read_score(tmp_path / "score.json")


def test_resampled_totals_have_the_mean_and_spread_of_drawing_with_replacement() -> None:
    units = np.random.default_rng(0).integers(0, 9, (50, 2))
    totals = resampled_totals(units, Key(0), 20_000)
    np.testing.assert_allclose(totals.mean(0), units.sum(0), rtol=0.01)
    np.testing.assert_allclose(totals.std(0), np.sqrt(50) * units.std(0), rtol=0.03)


def test_resampling_in_pieces_draws_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    units = np.arange(40).reshape(20, 2)
    whole = resampled_totals(units, Key(3))
    monkeypatch.setattr("nst_asr.bootstrap._LARGEST_DRAW", 100)
    np.testing.assert_array_equal(resampled_totals(units, Key(3)), whole)


def test_the_interval_is_that_of_a_plain_loop_over_resamples() -> None:
    found = simulated(0.2, 1)
    errors, words = (found.utterances[name].to_numpy() for name in ("substitutions", "words"))
    draw = np.random.default_rng(7)
    places = draw.integers(0, len(words), (5000, len(words)))
    plain = percentiles(errors[places].sum(1) / words[places].sum(1))
    assert found.interval == pytest.approx(plain, abs=0.006)
    assert found.interval[0] < found.rate < found.interval[1]


def test_the_interval_covers_the_true_rate_about_19_times_in_20() -> None:
    covered = [low <= 0.2 <= high for low, high in (simulated(0.2, seed).interval for seed in range(300))]
    assert 0.90 <= np.mean(covered) <= 0.99


def test_the_interval_does_not_depend_on_the_order_of_the_utterances() -> None:
    found = simulated(0.2, 1, speakers=8)
    assert Score(found.utterances.sample(fraction=1, shuffle=True, seed=0)).interval == found.interval


def test_speakers_are_resampled_where_all_are_known_and_there_are_five() -> None:
    assert simulated(0.2, 1, speakers=5).interval_over == "speaker"
    assert simulated(0.2, 1, speakers=4).interval_over == "utterance"
    known = simulated(0.2, 1, speakers=9).utterances
    blank = known.with_columns(group=pl.when(pl.col("id") != "u0").then("group"))
    assert Score(blank).interval_over == "utterance"


def test_errors_that_go_together_within_speakers_widen_the_interval() -> None:
    groups = [f"s{place // 20}" for place in range(200)]
    errors = [4 if place < 60 else 0 for place in range(200)]  # three bad speakers of ten
    over_speakers = with_errors(errors, [5] * 200, groups).interval
    over_utterances = with_errors(errors, [5] * 200).interval
    assert over_speakers[1] - over_speakers[0] > 2 * (over_utterances[1] - over_utterances[0])


def test_a_score_does_not_differ_from_itself() -> None:
    found = simulated(0.2, 1)
    same = compare(found, found, Key(0))
    assert (same.difference, same.low, same.high, same.p_worse) == (0, 0, 0, 0.5)
    assert not same.significantly_worse
    assert not same.significantly_better


def test_a_clear_difference_is_significant_in_its_direction() -> None:
    good, bad = simulated(0.1, 1), simulated(0.4, 2)
    worse, better = compare(good, bad, Key(0)), compare(bad, good, Key(0))
    assert worse.significantly_worse
    assert worse.p_worse == 1
    assert better.significantly_better
    assert better.p_worse == 0
    assert worse.difference == -better.difference == pytest.approx(bad.rate - good.rate)


def test_pairing_sees_a_difference_that_the_separate_intervals_hide() -> None:
    words = [5] * 200
    old = with_errors([place % 5 for place in range(200)], words)
    new = with_errors([max(0, place % 5 - (place % 10 == 4)) for place in range(200)], words)
    assert new.interval[1] > old.interval[0]
    assert compare(old, new, Key(0)).significantly_better


def test_chance_differences_are_seldom_significant() -> None:
    found = [compare(simulated(0.2, seed), simulated(0.2, 1000 + seed), Key(seed)) for seed in range(200)]
    share = np.mean([one.significantly_worse or one.significantly_better for one in found])
    assert 0.005 <= share <= 0.1


def test_comparing_is_a_function_of_the_key() -> None:
    old, new = simulated(0.2, 1), simulated(0.25, 2)
    assert compare(old, new, Key(0)) == compare(old, new, Key(0)) != compare(old, new, Key(1))


def test_scores_of_different_data_are_not_compared() -> None:
    with pytest.raises(ScoreError, match="u2"):
        compare(with_errors([0, 1], [2, 2]), with_errors([0, 1, 1], [2, 2, 2]), Key(0))
    with pytest.raises(ScoreError, match="u1 with 2 words"):
        compare(with_errors([0, 1], [2, 2]), with_errors([0, 1], [2, 3]), Key(0))


def test_the_recovery_rate_is_the_fraction_worked_by_hand() -> None:
    # rates 8/10, 5/10 and 2/10: half of the way
    first, last, best = (with_errors([1] * errors + [0] * (10 - errors), [1] * 10) for errors in (8, 5, 2))
    assert recovery_rate(first, last, best, Key(0)).rate == pytest.approx(0.5)


def test_the_recovery_of_the_baseline_is_0_and_that_of_the_oracle_1() -> None:
    baseline, oracle = simulated(0.4, 1), simulated(0.1, 2)
    none, all_of_it = recovery_rate(baseline, baseline, oracle, Key(0)), recovery_rate(baseline, oracle, oracle, Key(0))
    assert (none.rate, none.low, none.high) == (0, 0, 0)
    assert (all_of_it.rate, all_of_it.low, all_of_it.high) == (1, 1, 1)


def test_the_recovery_interval_surrounds_the_rate() -> None:
    found = recovery_rate(simulated(0.4, 1), simulated(0.25, 2), simulated(0.1, 3), Key(0))
    assert found.low is not None
    assert found.rate is not None
    assert found.high is not None
    assert 0.2 < found.low < found.rate < found.high < 0.8


def test_there_is_no_recovery_rate_towards_an_oracle_that_is_no_better() -> None:
    baseline = simulated(0.2, 1)
    found = recovery_rate(baseline, simulated(0.1, 2), baseline, Key(0))
    assert (found.rate, found.low, found.high) == (None, None, None)
    assert found.reason is not None
    assert "no better than the baseline" in found.reason


def test_there_is_no_recovery_interval_towards_an_oracle_that_is_hardly_better() -> None:
    baseline = with_errors([1, 0] * 50, [1] * 100)
    oracle = with_errors([0, 1] * 49 + [0, 0], [1] * 100)
    student = with_errors([0] * 100, [1] * 100)
    found = recovery_rate(baseline, student, oracle, Key(0))
    assert found.rate == pytest.approx(50)
    assert (found.low, found.high) == (None, None)
    assert found.reason is not None
    assert found.reason.startswith("no interval")


def chaptered(errors: list[int], words: list[int], chapters: list[str]) -> Score:
    found = with_errors(errors, words).utterances.with_columns(chapter=pl.Series(chapters, dtype=pl.String))
    return Score(found, "chapter")


def test_the_bootstrap_draws_the_blocks_of_any_column() -> None:
    chapters = [f"c{place // 20}" for place in range(200)]
    errors = [4 if place < 60 else 0 for place in range(200)]
    over_chapters, over_speakers = chaptered(errors, [5] * 200, chapters), with_errors(errors, [5] * 200, chapters)
    assert (over_chapters.interval_over, over_speakers.interval_over) == ("chapter", "speaker")
    assert over_chapters.interval == over_speakers.interval
    assert over_chapters.summary()["interval_over"] == "chapter"


def test_what_is_drawn_can_be_asked_for_against_the_automatic_choice() -> None:
    many, few = simulated(0.2, 1, speakers=8).utterances, simulated(0.2, 1, speakers=3).utterances
    assert Score(many, "utterance").interval == Score(many.with_columns(group=None).cast(SCHEMA)).interval
    assert Score(few).interval_over == "utterance"
    assert Score(few, "speaker").interval != Score(few).interval


def test_comparisons_and_recovery_are_over_the_blocks_of_the_first() -> None:
    chapters = [f"c{place // 20}" for place in range(200)]
    old = [2 if place < 60 else 1 for place in range(200)]
    new = [0 if place < 60 else 1 for place in range(200)]  # better in three chapters of ten, the same in the others
    words, oracle = [5] * 200, [0] * 200
    alone = compare(with_errors(old, words), with_errors(new, words), Key(0))
    together = compare(chaptered(old, words, chapters), with_errors(new, words), Key(0))
    assert together.difference == alone.difference
    assert together.high - together.low > 2 * (alone.high - alone.low)
    baseline, student, best = chaptered(old, words, chapters), with_errors(new, words), with_errors(oracle, words)
    by_chapter, by_utterance = (
        recovery_rate(first, student, best, Key(0)) for first in (baseline, with_errors(old, words))
    )
    assert by_chapter.rate == by_utterance.rate
    assert None not in (by_chapter.high, by_chapter.low, by_utterance.high, by_utterance.low)
    spans = [float(one.high or 0) - float(one.low or 0) for one in (by_chapter, by_utterance)]
    assert spans[0] > 1.5 * spans[1]


def test_the_interval_over_blocks_covers_where_that_over_utterances_is_too_narrow() -> None:
    covered: dict[str, list[bool]] = {"chapter": [], "utterance": []}
    for seed in range(200):
        draw = np.random.default_rng(seed)
        rates = np.repeat(draw.beta(4, 16, 40), 20)  # 40 chapters of 20 utterances; the mean rate is 0.2
        errors, chapters = draw.binomial(5, rates).tolist(), [f"c{place // 20}" for place in range(800)]
        found = chaptered(errors, [5] * 800, chapters)
        for over, inside in covered.items():
            low, high = Score(found.utterances, over).interval
            inside.append(low <= 0.2 <= high)
    assert 0.89 <= np.mean(covered["chapter"]) <= 0.99
    assert np.mean(covered["utterance"]) < 0.75


def test_a_score_keeps_the_column_that_it_is_over_and_reads_back(tmp_path: Path) -> None:
    truth = reference(["a b", "c", "d"]).with_columns(chapter=pl.Series(["x", "x", "y"]), other=pl.lit(1))
    found = score(truth, hypothesis(["a", "c", "z"]), over="chapter")
    assert found.utterances.columns == [*SCHEMA, "chapter"]
    found.write(tmp_path / "score.json")
    back = read_score(tmp_path / "score.json")
    assert (back.over, back.interval, back.summary()) == ("chapter", found.interval, found.summary())
    plain = Score(simulated(0.2, 1, speakers=8).utterances, "utterance")
    plain.write(tmp_path / "plain.json")
    assert read_score(tmp_path / "plain.json").interval_over == "utterance"


def test_blocks_that_cannot_be_drawn_are_refused_with_the_way_out() -> None:
    truth = reference(["a", "b"], ["s", None]).with_columns(chapter=pl.Series(["x", "x"]), words=pl.Series([1, 2]))
    heard = hypothesis(["a", "c"])
    with pytest.raises(BlockError, match=r"no column room .*there are id, group, label, chapter"):
        score(truth, heard, over="room")
    with pytest.raises(BlockError, match="u1: no speaker"):
        score(truth, heard, over="speaker")
    with pytest.raises(BlockError, match=r"only one chapter \(x\)"):
        score(truth, heard, over="chapter")
    with pytest.raises(ScoreError, match="words is what a score calls a number of its own"):
        score(truth, heard, over="words")
