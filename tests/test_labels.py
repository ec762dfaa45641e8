"""The label table: one part a block, the same whoever makes it."""

import os
import signal
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
import toy

from nst_asr import corpus, labels
from nst_asr.executors import Hands
from nst_asr.key import Key
from nst_asr.labels import label
from nst_asr.mix import mix
from nst_asr.shards import Shard, ShardError, parse_shard
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


class Forgetful:
    fingerprint = "x"

    def __call__(self, block: corpus.Block) -> pl.DataFrame:
        return pl.DataFrame({"id": block.rows["id"][1:]})


def test_a_labeler_that_loses_rows_is_caught(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="one row for each example"):
        label(Forgetful(), toy.corpus()[0].unlabeled, tmp_path / "labels", block=64)


def test_blocks_cover_the_pool_once_in_order() -> None:
    pool = toy.corpus()[0].unlabeled
    blocks = labels.cut(pool, 64)
    assert pl.concat([block.rows for block in blocks]).equals(pool.rows)
    assert [len(block.rows) for block in blocks] == [64, 64, 64, 64, 44]


def noted(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in sorted(folder.glob("part-*.parquet"))}


@pytest.mark.parametrize("damage", ["truncated", "changed"])
def test_a_damaged_part_is_made_again_and_the_rest_kept(
    damage: str, labeler: toy.ToyLabeler, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pool, folder = toy.corpus()[0].unlabeled, tmp_path / "labels"
    paths = label(labeler, pool, folder, block=64).paths()
    before = noted(folder)
    content = paths[1].read_bytes()
    bad = content[:-100] if damage == "truncated" else content[:60] + bytes([content[60] ^ 1]) + content[61:]
    paths[1].write_bytes(bad)
    label(labeler, pool, folder, block=64, verify=damage == "changed")
    after = noted(folder)
    assert {name: content for name, (content, _) in after.items()} == {
        name: bytes_ for name, (bytes_, _) in before.items()
    }
    assert [name for name in before if after[name][1] != before[name][1]] == ["part-00001.parquet"]
    assert (folder / "part-00001.parquet.damaged").read_bytes() == bad
    assert "part-00001.parquet: damaged" in caplog.text


def test_where_parts_are_missing_the_others_are_compared_with_their_digests(
    labeler: toy.ToyLabeler, tmp_path: Path
) -> None:
    pool, folder = toy.corpus()[0].unlabeled, tmp_path / "labels"
    paths = label(labeler, pool, folder, block=64).paths()
    before = noted(folder)
    paths[0].unlink()
    paths[3].write_bytes(paths[3].read_bytes()[:200] + b"x" * 10 + paths[3].read_bytes()[210:])
    label(labeler, pool, folder, block=64)
    assert {name: found[0] for name, found in noted(folder).items()} == {
        name: found[0] for name, found in before.items()
    }


def test_shards_in_any_order_make_the_table_that_one_process_makes(labeler: toy.ToyLabeler, tmp_path: Path) -> None:
    pool = toy.corpus()[0].unlabeled
    label(labeler, pool, tmp_path / "whole", block=40)
    for number in (3, 1, 2):
        label(labeler, pool, tmp_path / "shared", block=40, shard=Shard(number, 3))
        made = len(list((tmp_path / "shared").iterdir()))
        assert made == {3: 2, 1: 5, 2: 8}[number]  # blocks 2 5; then 0 3 6; then 1 4 7
    assert {n: f[0] for n, f in noted(tmp_path / "shared").items()} == {
        n: f[0] for n, f in noted(tmp_path / "whole").items()
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0/3", r"shard 0/3: out of range; shards are counted from 1/3 to 3/3"),
        ("4/3", r"shard 4/3: out of range; shards are counted from 1/3 to 3/3"),
        ("1/0", r"shard 1/0: out of range"),
        ("-1/3", r"give K/N, such as 1/8"),
        ("2", r"shard '2': give K/N"),
    ],
)
def test_a_shard_out_of_range_is_refused(text: str, message: str) -> None:
    with pytest.raises(ShardError, match=message):
        parse_shard(text)


@dataclass(frozen=True)
class Deadly:
    """A labeler whose process is killed when it first sees the block that begins with `first`."""

    teacher: toy.ToyLabeler
    first: str
    mark: Path

    @property
    def fingerprint(self) -> str:
        return self.teacher.fingerprint

    def __call__(self, block: corpus.Block) -> pl.DataFrame:
        time.sleep(0.1)  # so that both workers are at work
        if block.rows["id"][0] == self.first and not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return self.teacher(block)


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_leaves_the_table_of_one_process(
    labeler: toy.ToyLabeler, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    check_a_killed_worker(Hands(2), labeler, tmp_path)
    assert "block 1 (pool64 to pool127)" in caplog.text


@pytest.mark.slow
def test_a_ray_worker_killed_in_the_middle_leaves_the_table_of_one_process(
    labeler: toy.ToyLabeler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'nst-asr[ray]'")
    # its workers are begun by Ray, and know nothing of this process's path
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    with ray_here():
        check_a_killed_worker(Hands(2, "ray"), labeler, tmp_path)
        with pytest.raises(StoreError, match="one row for each example"):  # an error of the work is no dead worker
            label(Forgetful(), toy.corpus()[0].unlabeled, tmp_path / "other", block=64, hands=Hands(2, "ray"))


def check_a_killed_worker(hands: Hands, labeler: toy.ToyLabeler, folder: Path) -> None:
    pool = toy.corpus()[0].unlabeled
    label(labeler, pool, folder / "one", block=64)
    label(Deadly(labeler, "pool64", folder / "killed"), pool, folder / "two", block=64, hands=hands)
    assert (folder / "killed").exists()
    one, two = noted(folder / "one"), noted(folder / "two")
    assert {name: found[0] for name, found in two.items()} == {name: found[0] for name, found in one.items()}
    assert sorted(os.listdir(folder / "two")) == sorted(one)  # and nothing beside them


@contextmanager
def ray_here() -> Iterator[None]:
    """Ray without warnings of its own: its sockets are closed when the process ends."""
    import ray

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            yield
        finally:
            ray.shutdown()
