"""The label table: one part a block, the same whoever makes it."""

from pathlib import Path

import polars as pl
import pytest
import toy

from nst_asr import corpus, labels
from nst_asr.key import Key
from nst_asr.labels import label
from nst_asr.mix import mix
from nst_asr.store import StoreError


@pytest.fixture
def labeler(tmp_path: Path) -> toy.ToyLabeler:
    corpus, _, _ = toy.corpus()
    (tmp_path / "model").mkdir()
    model = toy.Toy().train(mix(corpus.labeled), toy.plan().teacher, init=None, out=tmp_path / "model", key=Key(0))
    return toy.ToyLabeler(model.path)


def test_the_table_is_in_the_pools_order_and_has_every_column(labeler: toy.ToyLabeler, tmp_path: Path) -> None:
    pool = toy.corpus()[0].unlabeled
    table = label(labeler, pool, tmp_path / "labels", block=64).scan().collect()
    assert table["id"].to_list() == pool.rows["id"].to_list()
    assert dict(table.schema) == labels.SCHEMA


def test_the_parts_are_the_same_bytes_whatever_the_number_of_workers(labeler: toy.ToyLabeler, tmp_path: Path) -> None:
    pool = toy.corpus()[0].unlabeled
    one = label(labeler, pool, tmp_path / "one", block=50, workers=1)
    two = label(labeler, pool, tmp_path / "two", block=50, workers=2)
    assert [p.read_bytes() for p in one.paths()] == [p.read_bytes() for p in two.paths()]


def test_parts_that_exist_are_kept_and_missing_ones_made(labeler: toy.ToyLabeler, tmp_path: Path) -> None:
    pool = toy.corpus()[0].unlabeled
    made = label(labeler, pool, tmp_path / "labels", block=64)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in made.paths()}
    lost = made.paths()[2]
    lost.unlink()
    label(labeler, pool, tmp_path / "labels", block=64)
    for path, (content, when) in before.items():
        assert path.read_bytes() == content
        assert (path.stat().st_mtime_ns == when) == (path != lost)


def test_parts_of_another_labeler_or_block_size_are_refused(labeler: toy.ToyLabeler, tmp_path: Path) -> None:
    pool = toy.corpus()[0].unlabeled
    label(labeler, pool, tmp_path / "labels", block=64)
    with pytest.raises(StoreError, match="made with another block_size"):
        label(labeler, pool, tmp_path / "labels", block=65)
    (labeler.model / "HASH").write_text("other")
    with pytest.raises(StoreError, match="made with another labeler"):
        label(labeler, pool, tmp_path / "labels", block=64)


def test_a_labeler_that_loses_rows_is_caught(tmp_path: Path) -> None:
    class Forgetful:
        fingerprint = "x"

        def __call__(self, block: corpus.Block) -> pl.DataFrame:
            return pl.DataFrame({"id": block.rows["id"][1:]})

    with pytest.raises(StoreError, match="one row for each example"):
        label(Forgetful(), toy.corpus()[0].unlabeled, tmp_path / "labels", block=64)


def test_blocks_cover_the_pool_once_in_order() -> None:
    pool = toy.corpus()[0].unlabeled
    blocks = labels.cut(pool, 64)
    assert pl.concat([block.rows for block in blocks]).equals(pool.rows)
    assert [len(block.rows) for block in blocks] == [64, 64, 64, 64, 44]
