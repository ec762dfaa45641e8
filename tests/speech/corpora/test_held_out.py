"""Held-out speakers: whole ones, the same ones in any order, at least the share that was asked for."""

import polars as pl
import pytest

from nst_asr.key import Key
from nst_asr.lines import ManifestError
from nst_asr.speech.corpora.held_out import HoldOut, parse_hold_out, split

ROWS = pl.DataFrame(
    {
        "id": [f"u{i}" for i in range(60)],
        "size": [1.0 + i % 5 for i in range(60)],
        "group": [f"s{i % 10}" for i in range(60)],
        "path": [f"{i}.wav" for i in range(60)],
    }
)


def sets(rows: pl.DataFrame, *wanted: str, seed: int = 0) -> tuple[pl.DataFrame, tuple[str, ...]]:
    found, warnings = split(rows.lazy(), [parse_hold_out(text) for text in wanted], Key(seed))
    return found.collect(), warnings


def test_every_speaker_is_in_one_set_and_every_row_is_kept_in_order() -> None:
    found, warnings = sets(ROWS, "dev=0.1", "test=0.25")
    assert found.drop("set").equals(ROWS)
    assert found.group_by("group").agg(pl.col("set").n_unique())["set"].to_list() == [1] * 10
    assert not warnings


def test_each_set_has_its_share_and_no_speaker_too_many() -> None:
    found, _ = sets(ROWS, "dev=0.1", "test=0.25")
    total = found["size"].sum()
    for name, share in (("dev", 0.1), ("test", 0.25)):
        speakers = found.filter(pl.col("set") == name).group_by("group").agg(pl.col("size").sum())["size"]
        assert speakers.sum() >= share * total
        assert speakers.sum() - speakers.max() < share * total, "without one of them it would have been too little"


def test_the_order_of_the_rows_makes_no_difference_and_the_seed_does() -> None:
    forward, _ = sets(ROWS, "dev=0.2")
    backward, _ = sets(ROWS.reverse(), "dev=0.2")
    assert forward.equals(backward.reverse())
    chosen = {tuple(sorted(set(sets(ROWS, "dev=0.2", seed=seed)[0].filter(set="dev")["group"]))) for seed in range(20)}
    assert len(chosen) > 5


def test_where_speakers_are_unknown_files_are_held_out_with_a_warning() -> None:
    rows = ROWS.with_columns(group=pl.lit(None, dtype=pl.String))
    found, warnings = sets(rows, "dev=0.1")
    assert 0.1 <= found.filter(set="dev")["size"].sum() / found["size"].sum() < 0.13
    assert len(warnings) == 1
    assert "60 files have no known speaker" in warnings[0]


def test_somebody_is_left_for_training() -> None:
    two = ROWS.filter(pl.col("group").is_in(["s0", "s1"]))
    assert sets(two, "dev=0.1")[0]["set"].n_unique() == 2
    with pytest.raises(ManifestError, match=r"dev=0.1, test=0.1 leaves no speaker for training: there are 2"):
        sets(two, "dev=0.1", "test=0.1")


def test_nothing_wanted_is_nothing_held_out() -> None:
    assert sets(ROWS)[0]["set"].unique().to_list() == [""]


def test_what_is_asked_for_is_read() -> None:
    assert parse_hold_out("dev=0.1") == HoldOut("dev", 0.1)
    assert parse_hold_out("my-test=.25") == HoldOut("my-test", 0.25)
    for text in ("dev", "dev=", "=0.1", "dev=1", "dev=0", "dev=1.5", "dev=-0.1", "dev=0.0", "a/b=0.1", "dev=x"):
        with pytest.raises(ManifestError, match="expected NAME=SHARE"):
            parse_hold_out(text)
