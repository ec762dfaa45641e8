"""Batches: the stated share, nothing dropped, a pure function of key and step."""

from collections import Counter

import numpy as np
import polars as pl
import pytest

from nst_asr.corpus import Labeled, Unlabeled
from nst_asr.key import Key
from nst_asr.mix import Batches, Draw, Mix, MixError, MixPlan, mix


def rows(prefix: str, sizes: list[float], label: str | None = None) -> pl.DataFrame:
    table = pl.DataFrame(
        {"id": [f"{prefix}{i}" for i in range(len(sizes))], "size": sizes, "group": ["g"] * len(sizes)},
        schema={"id": pl.String, "size": pl.Float32, "group": pl.String},
    )
    return table if label is None else table.with_columns(label=pl.lit(label))


def example(share: float = 0.6, labeled: int = 30, pool: int = 200, window: int = 8, **plan: object) -> Mix:
    rng = np.random.default_rng(0)
    seen = Labeled(rows("a", rng.uniform(1, 5, labeled).tolist(), "x"))
    unseen = Unlabeled(rows("b", rng.uniform(1, 5, pool).tolist()))
    labels = unseen.rows.select("id").with_columns(label=pl.lit("y"))
    copies = pl.DataFrame({"copies": rng.integers(0, 3, pool), "weight": np.ones(pool, np.float32)})
    settings = {"pseudo_share": share, "window": window} | plan
    return mix(seen, unseen, labels, copies, MixPlan.model_validate(settings))


def seconds(draws: list[Draw], name: str) -> float:
    return sum(draw.source.rows["size"][draw.row] for draw in draws if draw.source.name == name)


def test_a_batch_follows_from_key_and_step_alone() -> None:
    forward = [Batches(example(), 40, Key(1))[step] for step in range(30)]
    batches = Batches(example(), 40, Key(1))
    for step in (29, 3, 17, 0):
        assert [(d.id, d.copy, d.lap) for d in batches[step]] == [(d.id, d.copy, d.lap) for d in forward[step]]


def test_two_seeds_give_other_batches() -> None:
    first, second = (Batches(example(), 40, Key(seed)) for seed in (1, 2))
    assert [d.id for d in first[0]] != [d.id for d in second[0]]


def test_every_batch_holds_labeled_data_and_the_share_is_met() -> None:
    batches = Batches(example(0.6), 40, Key(0))
    drawn = [batches[step] for step in range(64)]
    assert all(seconds(draws, "labeled") > 0 and seconds(draws, "pseudo") > 0 for draws in drawn)
    pseudo, labeled = (sum(seconds(draws, name) for draws in drawn) for name in ("pseudo", "labeled"))
    assert pseudo / (pseudo + labeled) == pytest.approx(0.6, abs=0.01)
    assert (pseudo + labeled) / 64 == pytest.approx(40, rel=0.02)


@pytest.mark.parametrize("order", ["indexed", "streamed"])
def test_each_lap_holds_every_row_once_per_copy(order: str) -> None:
    data = example(0.6, order=order, block=20, together=2)
    batches = Batches(data, 40, Key(0))
    counts: Counter[tuple[str, int, int]] = Counter()
    for step in range(batches.epoch * 3):
        counts.update((draw.id, draw.copy, draw.lap) for draw in batches[step])
    assert max(counts.values()) == 1
    for source in data.sources:
        expected = {(name, c) for name, n in zip(source.rows["id"], source.copies, strict=True) for c in range(n)}
        assert {
            (name, copy) for name, copy, lap in counts if lap == 0 and name[0] == source.rows["id"][0][0]
        } == expected


@pytest.mark.parametrize("window", [1, 3, 8])
@pytest.mark.parametrize(("labeled", "pool"), [(100, 40), (20, 300)])
def test_after_one_epoch_every_row_was_drawn(window: int, labeled: int, pool: int) -> None:
    data = example(0.3, labeled=labeled, pool=pool, window=window)
    batches = Batches(data, 40, Key(0))
    drawn = {draw.id for step in range(batches.epoch) for draw in batches[step]}
    assert drawn == {name for source in data.sources for name in source.rows["id"]}


def test_a_batch_hardly_ever_holds_the_same_row_twice_and_then_from_two_laps() -> None:
    batches = Batches(example(0.6, labeled=60), 40, Key(0))
    drawn = [batches[step] for step in range(200)]
    twice = [len(draws) - len({(draw.id, draw.copy) for draw in draws}) for draws in drawn]
    assert sum(twice) < 0.03 * sum(map(len, drawn))
    assert all(len(draws) == len({(draw.id, draw.copy, draw.lap) for draw in draws}) for draws in drawn)


def test_rows_of_a_batch_are_of_like_size() -> None:
    batches = Batches(example(labeled=100), 40, Key(0))
    spread = [np.ptp([d.source.rows["size"][d.row] for d in batches[step]]) for step in range(32)]
    assert np.mean(spread) < 2  # of sizes between 1 and 5


def test_a_row_without_copies_is_never_drawn() -> None:
    data = example()
    pool = data.sources[1]
    assert (pool.copies > 0).all()
    assert pool.copies.sum() < 2 * 200


def test_a_share_of_zero_trains_on_the_labeled_part_alone() -> None:
    assert [source.name for source in example(0.0).sources] == ["labeled"]


def test_a_row_larger_than_its_share_of_a_batch_is_refused_by_name() -> None:
    with pytest.raises(MixError, match=r"labeled a\d+ has size .* more than the 4 "):
        Batches(example(0.9), 40, Key(0))


def test_labels_of_another_pool_are_refused() -> None:
    seen, unseen = Labeled(rows("a", [1.0], "x")), Unlabeled(rows("b", [1.0, 2.0]))
    labels = pl.DataFrame({"id": ["b1", "b0"], "label": ["y", "y"]})
    with pytest.raises(MixError, match="another pool"):
        mix(seen, unseen, labels, None, MixPlan())


def test_rows_left_out_take_their_copies_with_them() -> None:
    data = example()
    less = data.without({"a0", data.sources[1].rows["id"][0]})
    for before, after in zip(data.sources, less.sources, strict=True):
        assert len(after.rows) == len(before.rows) - 1 == len(after.copies)


def test_a_ratio_is_the_share_it_stands_for() -> None:
    assert MixPlan(ratio=3).share == 0.75
    one, other = (Batches(example(**said), 40, Key(0)) for said in ({"share": 0.75}, {"share": 0.6, "ratio": 3.0}))
    assert [[d.id for d in one[step]] for step in range(9)] == [[d.id for d in other[step]] for step in range(9)]


@pytest.mark.parametrize("said", [{"pseudo_share": 0.5, "ratio": 3.0}, {"ratio": 3.0, "pooled": True}])
def test_a_share_that_is_said_twice_is_refused(said: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="both say how much of a batch is pseudo-labeled"):
        MixPlan.model_validate(said)


def test_pooled_sources_have_the_shares_of_their_sizes() -> None:
    data = example(0.6, labeled=30, pool=90, pooled=True)
    hours = {source.name: source.hours for source in data.sources}
    assert {source.name: data.share(source) for source in data.sources} == {
        name: pytest.approx(part / sum(hours.values())) for name, part in hours.items()
    }
    drawn = Counter(d.source.name for step in range(200) for d in Batches(data, 40, Key(0))[step])
    rows_of = {source.name: int(source.copies.sum()) for source in data.sources}
    assert drawn["pseudo"] / drawn["labeled"] == pytest.approx(rows_of["pseudo"] / rows_of["labeled"], rel=0.05)


def test_portions_hold_what_draws_hold() -> None:
    batches = Batches(example(), 40, Key(3))
    for step in (0, 7, 31):
        portions = [
            (portion.source.name, int(row), int(copy), int(lap))
            for portion in batches.portions(step)
            for row, copy, lap in zip(portion.rows, portion.copies, portion.laps, strict=True)
        ]
        assert portions == [(d.source.name, d.row, d.copy, d.lap) for d in batches[step]]


def test_one_source_alone_can_be_had_and_an_absent_one_is_named() -> None:
    assert [source.name for source in example().only("pseudo").sources] == ["pseudo"]
    with pytest.raises(MixError, match="no pseudo rows"):
        example().only("labeled").only("pseudo")


def test_soft_labels_come_along_and_are_part_of_the_fingerprint() -> None:
    seen, unseen = Labeled(rows("a", [1.0] * 3, "x")), Unlabeled(rows("b", [1.0] * 3))
    labels = unseen.rows.select("id").with_columns(
        label=pl.lit("y"),
        soft_index=pl.Series([[0, 1]] * 3, dtype=pl.List(pl.Int32)),
        soft_prob=pl.Series([[0.75, 0.25]] * 3, dtype=pl.List(pl.Float16)),
    )
    copies = pl.DataFrame({"copies": [1, 0, 2], "weight": [1.0, 1.0, 1.0]})
    data = mix(seen, unseen, labels, copies, MixPlan())
    assert data.sources[1].rows["id"].to_list() == ["b0", "b2"]
    assert data.sources[1].rows["soft_prob"].to_list() == [[0.75, 0.25]] * 2
    others = labels.with_columns(soft_prob=pl.Series([[0.5, 0.5]] * 3, dtype=pl.List(pl.Float16)))
    assert mix(seen, unseen, others, copies, MixPlan()).fingerprint != data.fingerprint
    assert mix(seen, unseen, labels, copies, MixPlan()).fingerprint == data.fingerprint


def sampled(**plan: object) -> Mix:
    seen, unseen = Labeled(rows("a", [1.0] * 20, "x")), Unlabeled(rows("b", [1.0] * 40))
    labels = unseen.rows.select("id").with_columns(
        label=pl.lit("best"), alternatives=pl.Series([["best", "other", "third"]] * 39 + [[]], dtype=pl.List(pl.String))
    )
    copies = pl.DataFrame({"copies": [2] * 40, "weight": [1.0] * 40})
    return mix(seen, unseen, labels, copies, MixPlan.model_validate({"pseudo_share": 0.5, "labels": "sampled"} | plan))


def test_sampled_labels_are_drawn_evenly_by_row_copy_and_lap_and_by_nothing_else() -> None:
    batches, drawn = Batches(sampled(), 8, Key(0)), {}
    for step in range(200):
        for draw in batches[step]:
            drawn[draw.id, draw.copy, draw.lap] = draw.label(Key(5))
    pseudo = {name: text for name, text in drawn.items() if name[0].startswith("b") and name[0] != "b39"}
    shares = {text: count / len(pseudo) for text, count in Counter(pseudo.values()).items()}
    assert shares == {text: pytest.approx(1 / 3, abs=0.07) for text in ("best", "other", "third")}
    laps = {lap for _, _, lap in pseudo}
    assert len({tuple(pseudo[f"b{i}", 0, lap] for i in range(10)) for lap in list(laps)[:8]}) > 4
    again = [draw for step in (150, 3, 77) for draw in batches[step]]
    assert all(draw.label(Key(5)) == drawn[draw.id, draw.copy, draw.lap] for draw in again)
    assert any(draw.label(Key(6)) != drawn[draw.id, draw.copy, draw.lap] for draw in again)


def test_labeled_rows_and_rows_without_alternatives_have_their_label() -> None:
    batches = Batches(sampled(), 8, Key(0))
    drawn = {(draw.id, draw.label(Key(5))) for step in range(40) for draw in batches[step]}
    assert {text for name, text in drawn if name.startswith("a")} == {"x"}
    assert {text for name, text in drawn if name == "b39"} == {"best"}


def test_alternatives_count_only_where_labels_are_sampled() -> None:
    best = sampled(labels="best")
    assert "alternatives" not in best.sources[1].rows.columns
    assert {draw.label(Key(5)) for draw in Batches(best, 8, Key(0))[0]} == {"x", "best"}
    assert best.fingerprint != sampled().fingerprint == sampled().fingerprint


def test_sampling_where_there_is_nothing_to_draw_from_is_refused() -> None:
    with pytest.raises(MixError, match="no alternatives to draw from; label with several teachers"):
        example(labels="sampled")
