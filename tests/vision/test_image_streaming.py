"""Labeling and training straight from tar shards, block by block."""

import tarfile
from pathlib import Path

import polars as pl
import pytest
from safetensors.numpy import load_file

from nst_asr import cli
from nst_asr.vision.manifests import read_manifest, write_rows
from tests.vision import pictures
from tests.vision.test_vision_run import write_sets

SHORT = ["--only", "generations", "generations=[{}]", "teacher.fit.updates=8", "generation.student.fit.updates=8"]
STREAMED = ["generation.mix.order=streamed", "generation.mix.block=12", "generation.mix.together=2"]


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What `nst-asr run` is given; the pool: `shards`, ten of twelve images, and `unpacked`, the same in files."""
    folder = tmp_path_factory.mktemp("sets")
    for number in range(10):
        path = pictures.shard(folder / "shards" / f"pool-{number:03d}.tar", 4, first=100 + 4 * number, kind="")
        with tarfile.open(path) as archive:
            archive.extractall(folder / "unpacked" / path.stem, filter="data")
    words = write_sets(folder)
    truth = words.index("--truth")
    return words[:truth] + words[truth + 2 :]


def on_pool(words: list[str], pool: Path, exp: Path, *settings: str) -> list[str]:
    """The arguments of a run on that pool."""
    changed = list(words)
    changed[changed.index("--unlabeled") + 1] = str(pool)
    return [*changed, "--exp", str(exp), *SHORT, *settings]


def labels(exp: Path) -> pl.DataFrame:
    return pl.concat(pl.read_parquet(part) for part in sorted((exp / "gen1/1-labels").glob("*.parquet")))


def test_shards_give_the_labels_and_weights_that_files_give(words: list[str], tmp_path: Path) -> None:
    folder = Path(words[1]).parent
    packed, unpacked = (read_manifest(folder / name, labeled=False) for name in ("shards", "unpacked"))
    # blocks are stretches of the manifest: the files are listed in the order of the shards
    ordered = packed.select("id").join(unpacked, on="id", how="inner", maintain_order="left")
    assert len(ordered) == len(packed) == 120
    assert all(".tar@" in path for path in packed["path"])
    write_rows(tmp_path / "unpacked.tsv", ordered)
    assert cli.main(on_pool(words, folder / "shards", tmp_path / "packed", *STREAMED)) == 0
    assert cli.main(on_pool(words, tmp_path / "unpacked.tsv", tmp_path / "files", *STREAMED)) == 0
    assert labels(tmp_path / "packed").equals(labels(tmp_path / "files"))
    first, second = (load_file(tmp_path / exp / "gen1/4-student/weights.safetensors") for exp in ("packed", "files"))
    assert all((first[name] == second[name]).all() for name in first)


def test_a_folder_of_unpacked_shards_is_labeled_alike_in_its_own_order(words: list[str], tmp_path: Path) -> None:
    folder = Path(words[1]).parent
    for pool in ("shards", "unpacked"):
        assert cli.main(on_pool(words, folder / pool, tmp_path / pool, *STREAMED)) == 0
    columns = ["id", "label", "soft_index"]
    packed, unpacked = (labels(tmp_path / pool).sort("id") for pool in ("shards", "unpacked"))
    assert packed.select(columns).equals(unpacked.select(columns))
    difference = (packed["confidence"] - unpacked["confidence"]).abs().max()
    assert isinstance(difference, float)
    assert difference < 1e-5  # which images share a batch decides how sums are rounded


def test_the_order_of_reading_decides_the_batches_and_not_the_labels(words: list[str], tmp_path: Path) -> None:
    shards = Path(words[1]).parent / "shards"
    assert cli.main(on_pool(words, shards, tmp_path / "streamed", *STREAMED)) == 0
    assert cli.main(on_pool(words, shards, tmp_path / "indexed")) == 0
    assert labels(tmp_path / "streamed").equals(labels(tmp_path / "indexed"))
    first, second = (load_file(tmp_path / e / "gen1/4-student/weights.safetensors") for e in ("streamed", "indexed"))
    assert any((first[name] != second[name]).any() for name in first)
