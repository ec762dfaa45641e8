"""The filter: every rule by hand, the waterfall, and what it says when nothing is left."""

import math
import re
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from simulated_labels import simulate

from nst_asr import config
from nst_asr.filter import FilterPlan, NothingKept, filter, require_some
from nst_asr.gauge import Gauge, fit_gauge
from nst_asr.labels import SCHEMA
from nst_asr.repeat import Repeat, repeats
from nst_asr.risk import RiskCurve
from nst_asr.verdicts import VERDICT, Verdicts

GAUGE = Gauge(mu=-1, beta=0, sigma=0.5, rows=10)  # a score of -l gives s = 0


def rows(*given: dict[str, Any]) -> pl.DataFrame:
    """A label table; what is not given is healthy: two words in a second, s = 0."""
    filled = []
    for place, row in enumerate(given):
        healthy = {"id": f"u{place}", "size": 1.0, "label": "one two", "tokens": [1, 2], "confidence": 0.9}
        row = healthy | row
        filled.append({"logprob": -float(len(row["tokens"])), **row})
    return pl.DataFrame(filled, schema=SCHEMA)


def plan(**content: Any) -> FilterPlan:
    return config.parse(FilterPlan, content)


def verdicts(table: pl.DataFrame | pl.LazyFrame, **content: Any) -> list[str]:
    return filter(table, GAUGE, plan(**content)).table["verdict"].to_list()


def random_rows(count: int, seed: int = 0) -> pl.DataFrame:
    draw = np.random.default_rng(seed)
    tokens = [draw.integers(0, 6, draw.integers(0, 12)).tolist() for _ in range(count)]
    columns = {
        "id": [f"u{number}" for number in draw.permutation(count)],
        "size": draw.uniform(0.5, 4, count),
        "label": [" ".join(map(str, row)) for row in tokens],
        "tokens": tokens,
        "logprob": [-len(row) - draw.normal() for row in tokens],
        "confidence": draw.integers(0, 20, count) / 20,
    }
    return pl.DataFrame({name: columns.get(name, [None] * count) for name in SCHEMA}, schema=SCHEMA)


def test_a_healthy_label_is_kept_by_the_default_plan() -> None:
    assert verdicts(rows({})) == ["kept"]


def test_labels_without_tokens_or_without_text_are_empty() -> None:
    table = rows({"tokens": [], "label": ""}, {"label": "  "}, {"tokens": []}, {})
    assert verdicts(table) == ["empty", "empty", "empty", "kept"]


def test_empty_labels_may_be_kept_and_the_score_rule_does_not_judge_them() -> None:
    assert verdicts(rows({"tokens": [], "label": ""}, {"logprob": -9}), empty=False, score=0.5) == ["kept", "score"]


def test_labels_whose_score_is_not_finite_are_never_kept() -> None:
    bad = [{"logprob": value} for value in (-math.inf, math.nan, None)] + [{"score": math.nan}, {"score": -math.inf}]
    everything = {"empty": False, "score": None}
    assert verdicts(rows(*bad), **everything) == ["finite"] * 5


def test_rates_at_the_limits_are_kept() -> None:
    table = rows({"size": 2.0}, {"size": 1.0}, {"size": 0.5}, {"size": 2.01}, {"size": 0.49})
    assert verdicts(table, rate={"low": 1, "high": 4}) == ["kept", "kept", "kept", "rate", "rate"]


@pytest.mark.parametrize(
    ("label", "rejected"),
    [
        ("a b c d a b c d", True),  # a 4-gram twice
        ("a b c d a b c e", False),
        ("a b a b a b", True),  # twice with overlap: a b a b at 0 and 2
        ("a b a b a", False),
        ("a a a", False),
        ("a a a a", True),  # a loop of four
        ("b a a a b a", False),
        ("c a a a a", True),
        ("a  b c d  a b c d", True),  # spaces make no words
        ("", False),
    ],
)
def test_repeats_by_hand(label: str, rejected: bool) -> None:
    table = rows({"label": "a a a"}, {"label": label}, {"label": "a a a"})
    assert table.select(repeats(Repeat())).to_series().to_list() == [False, rejected, False]


def test_a_label_of_many_words_is_searched_to_its_end() -> None:
    long = " ".join(f"w{number}" for number in range(3000))
    table = rows({"label": long}, {"label": f"{long} w7 w8 w9 w10"}, {"label": "a b"})
    assert table.select(repeats(Repeat())).to_series().to_list() == [False, True, False]


@pytest.mark.parametrize("unit", ["word", "token"])
def test_repeats_are_those_that_counting_finds(unit: str) -> None:
    rule = config.parse(Repeat, {"ngram": 2, "times": 3, "loop": 3, "unit": unit})
    table = random_rows(2000)

    def counted(units: list[int]) -> bool:
        ngrams = Counter(tuple(units[place : place + 2]) for place in range(len(units) - 1))
        loops = any(len(set(units[place : place + 3])) == 1 for place in range(len(units) - 2))
        return loops or max(ngrams.values(), default=0) >= 3

    expected = [counted(units) for units in table["tokens"]]
    assert 100 < sum(expected) < 1900
    assert table.select(repeats(rule)).to_series().to_list() == expected


def test_letters_repeat_in_healthy_text_where_words_do_not() -> None:
    table = rows({"label": "mississippi", "tokens": [1, 2, 3, 3, 2, 3, 3, 2, 4, 4, 2]})
    by_three = {"ngram": 3, "times": 2}
    assert verdicts(table, repeat=by_three) == ["kept"]
    assert verdicts(table, repeat=by_three | {"unit": "token"}) == ["repeat"]


def test_the_normalised_score_must_be_greater_than_the_cutoff() -> None:
    table = rows({"logprob": -2.0}, {"logprob": -1.9}, {"logprob": -2.1})
    judged = filter(table, GAUGE, plan(score=0))
    assert judged.table["verdict"].to_list() == ["score", "kept", "score"]
    assert judged.table["normalised_score"].to_list() == pytest.approx([0, 0.2 / math.sqrt(2), -0.2 / math.sqrt(2)])


@pytest.mark.parametrize("off", [None, -math.inf])
def test_no_score_cutoff_keeps_the_worst_label(off: float | None) -> None:
    assert verdicts(rows({"logprob": -1e30}), score=off) == ["kept"]


def test_confidence_at_the_cutoff_is_kept_and_a_missing_one_is_not() -> None:
    table = rows({"confidence": 0.7}, {"confidence": 0.69}, {"confidence": None}, {"confidence": math.nan})
    assert verdicts(table, confidence=0.7) == ["kept", "confidence", "confidence", "confidence"]


def test_top_keeps_the_best_share_of_what_the_other_rules_left() -> None:
    sure = [{"confidence": value} for value in (0.1, 0.9, 0.5, 0.7)]
    table = rows({"confidence": 1.0, "label": ""}, *sure)
    assert verdicts(table, top={"share": 0.5, "by": "confidence"}) == ["empty", "top", "kept", "top", "kept"]


def test_ties_at_the_top_are_broken_by_id() -> None:
    table = rows({"id": "c"}, {"id": "a"}, {"id": "d"}, {"id": "b"})
    assert verdicts(table, top={"share": 0.5, "by": "confidence"}) == ["top", "kept", "top", "kept"]


@pytest.mark.parametrize(
    ("measure", "better"),
    [
        ("normalised_score", {"logprob": -1.5}),
        ("logprob_per_token", {"logprob": -1.5}),
        ("confidence", {"confidence": 0.95}),
        ("entropy_confidence", {"entropy_confidence": 0.9}),
        ("min_confidence", {"token_confidence": [0.6, 0.6]}),
    ],
)
def test_top_knows_every_measure(measure: str, better: dict[str, Any]) -> None:
    worse = {"entropy_confidence": 0.5, "token_confidence": [0.5, 0.9]}
    table = rows(worse, worse | better, worse)
    assert verdicts(table, top={"share": 0.34, "by": measure}) == ["top", "kept", "top"]


def test_the_order_of_the_rows_does_not_matter() -> None:
    table = random_rows(500)
    strict: dict[str, Any] = {
        "rate": {"high": 6},
        "repeat": {"ngram": 2},
        "score": -1,
        "confidence": 0.2,
        "top": {"share": 0.3, "by": "confidence"},
    }
    order = np.random.default_rng(3).permutation(len(table))
    judged = np.array(verdicts(table, **strict))
    assert len(set(judged.tolist())) == 7
    assert verdicts(table[order], **strict) == judged[order].tolist()


def test_a_lazy_table_read_in_pieces_gives_the_same_verdicts(monkeypatch: pytest.MonkeyPatch) -> None:
    table = random_rows(300)
    strict: dict[str, Any] = {"repeat": {"ngram": 2}, "score": -1, "top": {"share": 0.3, "by": "confidence"}}
    whole = filter(table, GAUGE, plan(**strict))
    monkeypatch.setattr("nst_asr.filter._PIECE", 7)
    pieces = filter(table.lazy(), GAUGE, plan(**strict))
    assert pieces.table.equals(whole.table)
    assert pieces.to_json() == whole.to_json()


def test_the_waterfall_counts_rows_and_hours_alone_and_in_order() -> None:
    hour = {"size": 3600.0}
    table = rows(
        hour | {"tokens": [], "label": "", "confidence": 0.1},
        hour | {"confidence": 0.1},
        hour | {"logprob": -9.0},
        hour,
    )
    judged = filter(table, GAUGE, plan(score=-1, confidence=0.5))
    steps = {
        step.rule: (step.rows_alone, step.hours_alone, step.rows, step.hours, step.left_rows, step.left_hours)
        for step in judged.waterfall
    }
    assert steps == {
        "empty": (1, 1, 1, 1, 3, 3),
        "finite": (0, 0, 0, 0, 3, 3),
        "score": (1, 1, 1, 1, 2, 2),
        "confidence": (2, 2, 1, 1, 1, 1),
    }
    assert judged.to_json()["rows"] == 4
    lines = judged.describe().splitlines()
    assert lines[-1].split() == ["confidence", "2", "2.000", "1", "1.000", "1", "1.000"]
    assert len({len(line) for line in lines}) == 1


def test_the_verdicts_are_a_narrow_table_in_the_order_of_the_labels() -> None:
    judged = filter(rows({"label": ""}, {}), GAUGE, plan())
    floats = dict.fromkeys(("normalised_score", "probability", "expected_error"), pl.Float32)
    assert judged.table.schema == {"verdict": VERDICT, **floats}
    assert judged.kept.to_list() == [False, True]


def nothing_kept(table: pl.DataFrame, **content: Any) -> str:
    judged: Verdicts = filter(table, GAUGE, plan(**content))
    with pytest.raises(NothingKept) as caught:
        require_some(judged, table, GAUGE, plan(**content))
    return str(caught.value)


def test_a_filter_that_keeps_something_is_accepted() -> None:
    require_some(filter(rows({}), GAUGE, plan()), rows({}), GAUGE, plan())


@pytest.mark.parametrize(
    ("strict", "hint"),
    [
        ({"score": 1.0}, "score: 1.0 keeps nothing; 0.1414 keeps 1 row"),
        ({"confidence": 0.95}, "confidence: 0.95 keeps nothing; 0.8999 keeps 2 rows"),
        ({"rate": {"low": 3}}, "rate.low: 3.0 keeps nothing; 1.9999 keeps 2 rows"),
        ({"rate": {"high": 1}}, "rate.high: 1.0 keeps nothing; 2.0001 keeps 2 rows"),
    ],
)
def test_the_nearest_cutoff_is_named_and_it_does_keep_that_many(strict: dict[str, Any], hint: str) -> None:
    table = rows({"logprob": -1.9}, {}, {"label": ""})
    message = nothing_kept(table, **strict)
    assert message.endswith(hint)
    assert "keeps none of 3 labels" in message
    assert filter(table, GAUGE, plan(**strict)).describe() in message


def test_the_suggested_cutoff_keeps_the_promised_rows_of_a_random_table() -> None:
    table = random_rows(300)
    line = nothing_kept(table, score=50).splitlines()[-1]
    suggested, promised = float(line.split()[4]), int(line.split()[6])
    assert filter(table, GAUGE, plan(score=suggested)).kept.sum() == promised > 0


def test_rules_that_reject_everything_together_are_relaxed_together() -> None:
    table = rows({"confidence": 0.2}, {"confidence": 0.1})
    message = nothing_kept(table, score=1, confidence=0.5)
    assert message.endswith("together these keep 1 row: score: 1.0 -> -0.0001, confidence: 0.5 -> 0.2")
    assert verdicts(table, score=-0.0001, confidence=0.2) == ["kept", "confidence"]


def test_labels_that_no_cutoff_can_save_say_so() -> None:
    assert "no cut-off helps" in nothing_kept(rows({"label": ""}, {"logprob": -math.inf}), score=0)
    assert "no cut-off helps" in nothing_kept(rows({"confidence": None}), confidence=0.5)


def test_a_top_share_by_a_measure_that_no_row_has_says_so() -> None:
    message = nothing_kept(rows({}), top={"share": 0.5, "by": "entropy_confidence"})
    assert "no row that reaches it has the measure entropy_confidence" in message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"top": {"share": -0.1}}, r"top\.share = -0\.1: .*greater than 0"),
        ({"top": {"share": 1.5}}, r"top\.share = 1\.5: .*less than or equal to 1"),
        ({"top": {"share": 0.5, "by": "luck"}}, r"top\.by = 'luck'"),
        ({"confidence": 1.2}, r"confidence = 1\.2: .*less than or equal to 1"),
        ({"score": math.nan}, "score = nan: .*keeps nothing"),
        ({"score": math.inf}, "score = inf: .*keeps nothing"),
        ({"rate": {"low": 5, "high": 2}}, "low = 5 is not below high = 2"),
        ({"rate": {"low": -1}}, r"rate\.low = -1"),
        ({"repeat": {"times": 1}}, r"repeat\.times = 1: .*greater than or equal to 2"),
        ({"scor": 1}, "did you mean score"),
    ],
)
def test_a_plan_that_makes_no_sense_dies_with_its_key_and_value(content: dict[str, Any], message: str) -> None:
    with pytest.raises(config.ConfigError, match=message):
        plan(**content)


@pytest.mark.parametrize(
    ("rule", "content", "good", "bad"),
    [
        ("words", {"words": {"low": 1, "high": 2}}, {"label": "one two"}, {"label": "one two three"}),
        ("words", {"words": {"low": 1}}, {"label": "one"}, {"label": "one", "size": 1.01}),
        ("unspoken", {"unspoken": 0.5}, {"unspoken": 0.5}, {"unspoken": 0.51}),
        ("lm_distance", {"lm_distance": 0.1}, {"lm_distance": 0.1}, {"lm_distance": 0.11}),
        ("agreement", {"agreement": 0.9}, {"agreement": 0.9}, {"agreement": 0.89}),
        ("confidence", {"confidence_below": 0.8}, {"confidence": 0.79}, {"confidence": 0.8}),
        ("least", {"least": {"margin": 2.5}}, {"margin": 2.5}, {"margin": 2.4}),
        ("least", {"least": {"lm_agreement": -0.1}}, {"lm_distance": 0.1}, {"lm_distance": 0.2}),
        ("least", {"least": {"logprob_per_token": -1}}, {"logprob": -2.0}, {"logprob": -2.1}),
    ],
)
def test_rules_with_a_cutoff_keep_what_is_at_it(
    rule: str, content: dict[str, Any], good: dict[str, Any], bad: dict[str, Any]
) -> None:
    assert verdicts(rows(good, bad), **content) == ["kept", rule]


@pytest.mark.parametrize(
    ("rule", "content"),
    [
        ("unspoken", {"unspoken": 0.5}),
        ("lm_distance", {"lm_distance": 0.1}),
        ("agreement", {"agreement": 0.9}),
        ("confidence", {"confidence_below": 0.8}),
        ("least", {"least": {"margin": 2.5}}),
        ("least", {"least": {"probability": 0.5}}),
    ],
)
def test_a_label_that_lacks_what_a_rule_looks_at_is_rejected_and_the_message_says_so(
    rule: str, content: dict[str, Any]
) -> None:
    table = rows({"confidence": None})
    assert verdicts(table, **content) == [rule]
    assert re.search(r"no cut-off helps: no label has what .* looks at", nothing_kept(table, **content))


def test_one_bin_of_confidence_is_kept_between_two_limits() -> None:
    table = rows(*({"confidence": value} for value in (0.49, 0.5, 0.79, 0.8, 0.9)))
    between = {"confidence": 0.5, "confidence_below": 0.8}
    assert verdicts(table, **between) == ["confidence", "kept", "kept", "confidence", "confidence"]


def test_a_least_value_of_each_measure_must_be_reached() -> None:
    sure = [{"margin": 3.0, "confidence": 0.9}, {"margin": 3.0, "confidence": 0.1}, {"margin": 1.0, "confidence": 0.9}]
    assert verdicts(rows(*sure), least={"margin": 2, "confidence": 0.9}) == ["kept", "least", "least"]


@pytest.mark.parametrize(
    ("strict", "hint"),
    [
        ({"words": {"low": 5}}, "words.low: 5.0 keeps nothing; 1.9999 keeps 2 rows"),
        ({"unspoken": 0.1}, "unspoken: 0.1 keeps nothing; 0.2501 keeps 1 row"),
        ({"lm_distance": 0.05}, "lm_distance: 0.05 keeps nothing; 0.2501 keeps 2 rows"),
        ({"agreement": 0.9}, "agreement: 0.9 keeps nothing; 0.4999 keeps 2 rows"),
        ({"confidence_below": 0.5}, "confidence_below: 0.5 keeps nothing; 0.7501 keeps 2 rows"),
        ({"least": {"margin": 9.0}}, "least.margin: 9.0 keeps nothing; 3.9999 keeps 1 row"),
        ({"least": {"lm_agreement": 0.0}}, "least.lm_agreement: 0.0 keeps nothing; -0.2501 keeps 2 rows"),
    ],
)
def test_the_nearest_cutoff_of_a_newer_rule_is_named_and_keeps_that_many(strict: dict[str, Any], hint: str) -> None:
    shared = {"lm_distance": 0.25, "agreement": 0.5, "confidence": 0.75}
    table = rows(shared | {"unspoken": 0.25, "margin": 4.0}, shared | {"unspoken": 0.5, "margin": 2.0})
    assert nothing_kept(table, **strict).endswith(hint)


def test_a_target_error_rejects_what_is_less_sure_than_its_cutoff_and_shows_it() -> None:
    curve = RiskCurve((0.9, 0.5), (1.0, 2.0), (1, 20), (100, 100))
    gauge = replace(GAUGE, curves={"confidence": curve})
    table = rows(*({"confidence": value} for value in (0.95, 0.9, 0.6, None)))
    target = plan(target_error={"rate": 0.05, "by": "confidence"})
    # the table has 0.9 in 32 bits, a little less than the curve's 0.9
    judged = filter(table.with_columns(pl.col("confidence") + 1e-6), gauge, target)
    assert judged.table["verdict"].to_list() == ["kept", "kept", "target_error", "target_error"]
    assert judged.waterfall[-1].cutoff == 0.9
    assert judged.to_json()["cut"] == {"by": "confidence", "least": 0.9, "rate": 0.01, "coverage": 0.5}
    assert "cut-off of target_error: confidence 0.9 or more, which keeps 50.0% of dev" in judged.describe()


def test_a_target_error_that_keeps_nothing_names_the_target_that_does() -> None:
    curve = RiskCurve((0.9, 0.5), (1.0, 2.0), (1, 20), (100, 100))
    gauge, table = replace(GAUGE, curves={"confidence": curve}), rows({"confidence": 0.7}, {"confidence": 0.6})
    target = plan(target_error={"rate": 0.05, "by": "confidence"})
    with pytest.raises(NothingKept, match=r"target_error: 0\.05 keeps nothing; 0\.2 keeps 2 rows"):
        require_some(filter(table, gauge, target), table, gauge, target)
    unsure = rows({"confidence": 0.1})
    with pytest.raises(NothingKept, match=r"target_error: every label is less sure than all of dev"):
        require_some(filter(unsure, gauge, target), unsure, gauge, target)


def test_verdicts_of_a_calibrated_gauge_estimate_the_error_of_what_is_kept() -> None:
    heard, truth = simulate(500)
    gauge = fit_gauge(heard, truth)
    judged = filter(heard, gauge, plan(target_error=0.1))
    assert judged.table["probability"].drop_nulls().is_between(0, 1).all()
    assert judged.expected is not None
    kept = gauge.judged(heard).filter(judged.kept)
    by_hand = (kept["expected_error"] * kept["expected_words"]).sum() / kept["expected_words"].sum()
    assert judged.expected.rate == pytest.approx(by_hand)
    assert f"estimated WER of the kept labels: {by_hand:.2%}" in judged.describe()


def test_another_filter_under_the_same_gauge_needs_no_calibration_anew() -> None:
    heard, truth = simulate(500)
    gauge = fit_gauge(heard, truth)
    few, many = (filter(heard, gauge, plan(target_error=rate)) for rate in (0.05, 0.15))
    assert few.kept.sum() < many.kept.sum()
    assert (few.kept <= many.kept).all()
    assert few.table["probability"].equals(many.table["probability"])


def test_a_lazy_table_read_in_pieces_gives_the_same_calibrated_verdicts(monkeypatch: pytest.MonkeyPatch) -> None:
    heard, truth = simulate(300)
    gauge = fit_gauge(heard, truth)
    strict = plan(target_error=0.1, words={"high": 4}, top={"share": 0.5, "by": "calibrated"})
    whole = filter(heard, gauge, strict)
    monkeypatch.setattr("nst_asr.filter._PIECE", 7)
    pieces = filter(heard.lazy(), gauge, strict)
    assert pieces.table.equals(whole.table)
    assert pieces.to_json() == whole.to_json()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"confidence": 0.8, "confidence_below": 0.8}, r"confidence = 0\.8 is not below confidence_below = 0\.8"),
        ({"least": {"luck": 1}}, r"'luck': .*no such measure; give one of normalised_score"),
        ({"lm_distance": -0.1}, r"lm_distance = -0\.1"),
        ({"agreement": 1.1}, r"agreement = 1\.1"),
        ({"words": {"low": 3, "high": 3}}, r"low = 3 is not below high = 3"),
    ],
)
def test_newer_keys_that_make_no_sense_die_with_key_and_value(content: dict[str, Any], message: str) -> None:
    with pytest.raises(config.ConfigError, match=message):
        plan(**content)
