"""Balancing: the token weights against an exhaustive search, the classes by hand, and what must not matter."""

import json
import math
from typing import Any

import numpy as np
import polars as pl
import pytest

from nst_asr import config
from nst_asr.balance import BalanceError, BalancePlan, Copies, balance
from nst_asr.key import Key
from nst_asr.labels import SCHEMA
from nst_asr.task import Shares
from nst_asr.weigh import Rows, count, divergence, weigh

KEY = Key(0)["balance"]


def table(tokens: list[list[int]], **columns: Any) -> pl.DataFrame:
    given = {
        "id": [f"u{place:04d}" for place in range(len(tokens))],
        "size": [3600.0] * len(tokens),
        "label": [" ".join(map(str, row)) for row in tokens],
        "tokens": tokens,
        "confidence": [0.5] * len(tokens),
    } | columns
    return pl.DataFrame({name: given.get(name, [None] * len(tokens)) for name in SCHEMA}, schema=SCHEMA)


def shares(*counts: float) -> Shares:
    return Shares(np.array(counts), tuple(f"t{place}" for place in range(len(counts))))


def balanced(labels: pl.DataFrame, aim: Shares, kept: list[bool] | None = None, **plan: Any) -> Copies:
    mask = pl.Series("kept", kept or [True] * len(labels), dtype=pl.Boolean)
    return balance(labels, mask, aim, config.parse(BalancePlan, plan), KEY)


def random_table(count_of_rows: int, units: int = 20, seed: int = 0) -> tuple[pl.DataFrame, Shares]:
    """Labels whose tokens are as skewed as words are, and a target that is skewed the other way."""
    draw = np.random.default_rng(seed)
    pool = 1 / np.arange(1, units + 1)
    tokens = [draw.choice(units, draw.integers(1, 9), p=pool / pool.sum()).tolist() for _ in range(count_of_rows)]
    size = [len(row) * draw.uniform(0.3, 0.6) for row in tokens]
    return table(tokens, size=size), shares(*np.sqrt(pool))


def rows_of(labels: pl.DataFrame) -> Rows:
    length = labels["tokens"].list.len().to_numpy()
    starts = np.concatenate(([0], np.cumsum(length, dtype=np.int64)))
    return Rows(labels["tokens"].explode().to_numpy(), starts, labels["size"].to_numpy().astype(np.float64) / 3600)


def test_without_balancing_each_kept_row_has_one_copy() -> None:
    found = balanced(table([[0], [1], [1]]), shares(1, 1), [True, False, True])
    assert found.table.to_dict(as_series=False) == {"copies": [1, 0, 1], "weight": [1, 1, 1]}
    assert found.table.schema == {"copies": pl.UInt16, "weight": pl.Float32}
    assert (found.rows, found.hours, found.kl_after) == (2, 2, found.kl_before)


def test_the_divergence_is_that_worked_by_hand() -> None:
    # counts 3, 1, 0 plus a half each over 5.5: 7/11, 3/11, 1/11
    expected = 0.5 * math.log(0.5 / (7 / 11)) + 0.5 * math.log(0.5 / (1 / 11))
    assert divergence(np.array([0.5, 0, 0.5]), np.array([3.0, 1, 0])) == pytest.approx(expected)


def test_a_token_that_is_twice_too_frequent_is_halved_at_the_same_hours() -> None:
    # two kinds of rows, 200 of token 0 and 100 of token 1; equal shares at 300 hours need 0.75 and 1.5 copies
    labels = table([[0]] * 200 + [[1]] * 100)
    found = weigh(rows_of(labels), np.array([0.5, 0.5]), hours=300, cap=2, iterations=200)
    np.testing.assert_allclose(found.weights, [0.75] * 200 + [1.5] * 100, rtol=2e-3)
    assert found.kl < 1e-6


def test_weights_keep_to_the_cap_and_to_the_hours() -> None:
    labels, aim = random_table(400)
    rows = rows_of(labels)
    target = aim.counts / aim.counts.sum()
    for hours in (0.3 * rows.hours.sum(), rows.hours.sum(), 1.5 * rows.hours.sum()):
        found = weigh(rows, target, hours=hours, cap=2, iterations=200)
        assert 0 <= found.weights.min() <= found.weights.max() <= 2
        assert found.weights @ rows.hours == pytest.approx(hours)


def test_the_weights_are_as_good_as_those_of_an_exhaustive_search() -> None:
    labels = table([[0, 0, 1], [0, 2], [1, 2, 2, 2]], size=[3600.0, 1800.0, 7200.0])
    rows, target = rows_of(labels), np.array([0.2, 0.5, 0.3])
    found = weigh(rows, target, hours=3.5, cap=2, iterations=500)
    grid = np.linspace(0, 2, 201)
    best = min(
        divergence(target, count(rows, np.array([first, second, third]), 3))
        for first in grid
        for third in grid
        if 0 <= (second := (3.5 - first - 2 * third) / 0.5) <= 2
    )
    assert found.kl <= best + 1e-4


def test_more_steps_never_make_the_divergence_larger() -> None:
    labels, aim = random_table(300)
    rows, target = rows_of(labels), aim.counts / aim.counts.sum()
    reached = [weigh(rows, target, hours=rows.hours.sum(), cap=2, iterations=steps).kl for steps in range(1, 15)]
    assert reached == sorted(reached, reverse=True)
    assert reached[-1] < reached[0] < divergence(target, count(rows, np.ones(300), 20))


def test_balanced_tokens_are_nearer_to_the_target() -> None:
    labels, aim = random_table(5000)
    found = balanced(labels, aim, by="tokens")
    assert found.kl_weights is not None
    assert found.kl_weights == pytest.approx(found.kl_after, rel=0.1)
    assert found.kl_after < 0.3 * found.kl_before
    assert found.hours == pytest.approx(labels["size"].sum() / 3600, rel=0.02)
    assert found.table["copies"].max() == 2
    assert found.rows == (found.table["copies"] > 0).sum()
    assert not found.reverted


@pytest.mark.parametrize("seed", range(20))
def test_a_handful_of_rows_is_never_worse_than_kept_once(seed: int) -> None:
    labels, aim = random_table(6, units=8, seed=seed)
    found = balanced(labels, aim, by="tokens")
    assert found.kl_after <= found.kl_before
    assert found.rows > 0


def test_rounding_that_undoes_the_gain_is_taken_back() -> None:
    results = [balanced(*random_table(4, units=8, seed=seed), by="tokens") for seed in range(30)]
    reverted = [found for found in results if found.reverted]
    assert 0 < len(reverted) < 30
    for found in reverted:
        assert found.table["copies"].to_list() == [1] * 4


def test_rows_that_are_not_kept_have_no_copies_and_no_say() -> None:
    labels, aim = random_table(200)
    kept = np.random.default_rng(1).random(200) < 0.5
    found = balanced(labels, aim, kept.tolist(), by="tokens")
    alone = balanced(labels.filter(pl.Series(kept)), aim, by="tokens")
    assert found.table["copies"].to_numpy()[~kept].sum() == 0
    assert found.table["copies"].to_numpy()[kept].tolist() == alone.table["copies"].to_list()


@pytest.mark.parametrize("by", ["tokens", "classes"])
def test_permuting_the_rows_permutes_the_copies(by: str) -> None:
    labels, aim = random_table(1000, units=5)
    labels = labels.with_columns(label=pl.col("tokens").list.first().cast(pl.String))
    order = np.random.default_rng(2).permutation(len(labels))
    copies = balanced(labels, aim, by=by).table["copies"]
    assert balanced(labels[order], aim, by=by).table["copies"].to_list() == copies[order].to_list()


def test_a_lazy_table_read_in_pieces_gives_the_same_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    labels, aim = random_table(100)
    kept = pl.Series([place % 3 > 0 for place in range(100)])
    plan = BalancePlan(by="tokens")
    whole = balance(labels, kept, aim, plan, KEY)
    monkeypatch.setattr("nst_asr.balance._PIECE", 7)
    assert balance(labels.lazy(), kept, aim, plan, KEY).table.equals(whole.table)


def test_another_key_rounds_other_rows() -> None:
    labels, aim = random_table(300)
    kept, plan = pl.Series([True] * 300), BalancePlan(by="tokens")
    first, again, other = (balance(labels, kept, aim, plan, key).table["copies"] for key in (KEY, KEY, Key(1)))
    assert first.equals(again)
    assert not first.equals(other)


@pytest.mark.parametrize("share", [0.25, 0.5, 1.5])
def test_a_budget_of_hours_is_met_but_for_rounding(share: float) -> None:
    labels, aim = random_table(4000)
    there = labels["size"].sum() / 3600
    found = balanced(labels, aim, by="tokens", hours=share * there)
    assert found.hours == pytest.approx(share * there, rel=0.05)
    assert (found.asked_hours, found.clipped) == (share * there, False)


def test_a_budget_beyond_the_cap_gives_the_cap_and_says_so() -> None:
    found = balanced(table([[0], [0, 1]]), shares(1, 1), by="tokens", hours=100.0)
    assert found.table["copies"].to_list() == [2, 2]
    assert (found.hours, found.asked_hours, found.clipped) == (4, 100, True)


def test_a_budget_that_leaves_no_row_is_refused() -> None:
    with pytest.raises(BalanceError, match=r"hours = 1e-09 leaves none of 2 rows \(2 hours\)"):
        balanced(table([[0], [1]]), shares(1, 1), by="tokens", hours=1e-9)


def test_empty_labels_that_were_kept_stay_at_one_copy() -> None:
    labels = table([[]] * 3 + [[0]] * 200 + [[1]] * 100)
    found = balanced(labels, shares(1, 1), by="tokens")
    assert found.table["copies"][:3].to_list() == [1, 1, 1]
    assert found.kl_after < 0.1 * found.kl_before


def test_only_empty_labels_keep_their_copies() -> None:
    assert balanced(table([[], []]), shares(1, 1), by="tokens").table["copies"].to_list() == [1, 1]


def test_classes_get_equal_numbers_the_surest_first_then_copies() -> None:
    labels = table(
        [[0]] * 4 + [[1]] * 2,
        label=["cat"] * 4 + ["dog"] * 2,
        confidence=[0.5, 0.9, 0.7, 0.6, 0.3, 0.4],
        size=[1.0] * 6,
    )
    found = balanced(labels, shares(5, 5), by="classes")  # three of each is the mean
    assert found.table["copies"].to_list() == [0, 1, 1, 1, 1, 2]
    assert found.kl_after == pytest.approx(0)
    assert found.kl_before > 0
    given = balanced(labels, shares(5, 5), by="classes", per_class=5)
    assert given.table["copies"].to_list() == [1, 2, 1, 1, 2, 3]


def test_equally_sure_rows_of_a_class_are_taken_in_order_of_id_and_unknown_confidence_last() -> None:
    labels = table([[0]] * 4, label=["cat"] * 4, id=["c", "a", "b", "d"], confidence=[0.5, 0.5, None, math.nan])
    assert balanced(labels, shares(1), by="classes", per_class=3).table["copies"].to_list() == [1, 1, 1, 0]


def test_a_result_is_plain_json() -> None:
    content = json.loads(json.dumps(balanced(*random_table(50), by="tokens").to_json(), allow_nan=False))
    assert content["by"] == "tokens"
    assert {"kl_before", "kl_after", "hours", "rows", "clipped"} <= set(content)
    assert "table" not in content


def test_a_token_unknown_to_the_labeled_data_is_named_with_its_row() -> None:
    with pytest.raises(BalanceError, match="u0002 has the token 7, but the labeled data has units 0 to 1"):
        balanced(table([[0], [], [1, 7], [0]]), shares(1, 1), by="tokens")


def test_unusable_input_is_refused() -> None:
    labels = table([[0], [1]])
    with pytest.raises(BalanceError, match="3 verdicts for 2 labels"):
        balanced(labels, shares(1, 1), [True] * 3)
    with pytest.raises(BalanceError, match="no label is kept"):
        balanced(labels, shares(1, 1), [False] * 2)
    with pytest.raises(BalanceError, match="no tokens to aim at"):
        balanced(labels, shares(0, 0), by="tokens")
    with pytest.raises(BalanceError, match="would repeat a row 70000 times"):
        balanced(labels, shares(1, 1), by="classes", per_class=70_000)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"by": "luck"}, "by = 'luck'"),
        ({"cap": 0.5}, "cap = 0.5: .*greater than or equal to 1"),
        ({"by": "tokens", "hours": -1}, "hours = -1: .*greater than 0"),
        ({"by": "tokens", "hours": math.inf}, "hours = inf"),
        ({"hours": 3}, "hours = 3 has no effect where by = none"),
        ({"by": "tokens", "per_class": 3}, "per_class = 3 has no effect where by = tokens"),
    ],
)
def test_a_plan_that_makes_no_sense_dies_with_its_key_and_value(content: dict[str, Any], message: str) -> None:
    with pytest.raises(config.ConfigError, match=message):
        config.parse(BalancePlan, content)
