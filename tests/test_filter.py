"""The filter: every rule by hand, the waterfall, and what it says when nothing is left."""

import math
from collections import Counter
from typing import Any

import numpy as np
import polars as pl
import pytest

from nst_asr import config
from nst_asr.filter import FilterPlan, NothingKept, filter, require_some
from nst_asr.gauge import Gauge
from nst_asr.labels import SCHEMA
from nst_asr.repeat import Repeat, repeats
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


def test_a_table_longer_than_one_key_holds_is_searched_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    table = random_rows(100)
    whole = table.select(repeats(Repeat(ngram=2))).to_series().to_list()
    monkeypatch.setattr("nst_asr.repeat._MOST_ROWS", 7)
    assert table.select(repeats(Repeat(ngram=2))).to_series().to_list() == whole


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
    assert judged.table.schema == {"verdict": VERDICT, "normalised_score": pl.Float32}
    assert judged.kept.to_list() == [False, True]


def nothing_kept(table: pl.DataFrame, **content: Any) -> str:
    judged: Verdicts = filter(table, GAUGE, plan(**content))
    with pytest.raises(NothingKept) as caught:
        require_some(judged, table, plan(**content))
    return str(caught.value)


def test_a_filter_that_keeps_something_is_accepted() -> None:
    require_some(filter(rows({}), GAUGE, plan()), rows({}), plan())


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
