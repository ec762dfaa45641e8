"""Manifests of images as rows: our own tables, class folders, shards; what a row cannot say is refused by name."""

from pathlib import Path

import polars as pl
import pytest

from nst_asr.corpus import CorpusError, Labeled, Unlabeled
from nst_asr.vision.images import check, read
from nst_asr.vision.manifests import SCHEMA, ManifestError, read_manifest, write_rows
from tests.vision import pictures


@pytest.mark.parametrize("name", ["m.tsv", "m.parquet"])
def test_a_table_is_read_back(tmp_path: Path, name: str) -> None:
    rows = pictures.rows(tmp_path, 2)
    write_rows(tmp_path / name, rows)
    assert read_manifest(tmp_path / name, labeled=True).equals(rows)
    assert read_manifest(tmp_path / name, labeled=False).equals(rows.drop("label"))
    assert Labeled(read_manifest(tmp_path / name, labeled=True)).rows.schema == SCHEMA


def test_id_path_and_label_are_enough_and_paths_are_relative_to_the_table(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    pictures.write(folder / "a.png", pictures.image("red", 0))
    (folder / "m.tsv").write_text("id\tpath\tlabel\nx\ta.png\t7\n")
    rows = read_manifest(folder / "m.tsv", labeled=True)
    assert rows.schema == SCHEMA
    assert rows.row(0) == ("x", 1.0, None, str(folder / "a.png"), "7")
    assert not check(rows).bad


def test_digests_that_a_table_has_are_kept(tmp_path: Path) -> None:
    rows = check(pictures.rows(tmp_path, 1)).rows
    write_rows(tmp_path / "m.tsv", rows)
    assert read_manifest(tmp_path / "m.tsv", labeled=True).equals(rows)


def test_class_folders_are_labeled_and_any_folder_is_a_pool(tmp_path: Path) -> None:
    pictures.class_folders(tmp_path / "train", 2)
    rows = read_manifest(tmp_path / "train", labeled=True)
    assert rows["id"].to_list()[:3] == ["blue/0000", "blue/0001", "green/0000"]
    assert rows["label"].to_list() == ["blue"] * 2 + ["green"] * 2 + ["red"] * 2
    pool = Unlabeled(read_manifest(tmp_path, labeled=False))
    assert pool.rows["id"].to_list()[0] == "train/blue/0000"
    assert not check(pool.rows).bad


def test_shards_are_a_manifest_whichever_way_they_are_named(tmp_path: Path) -> None:
    for number in range(3):
        pictures.shard(tmp_path / f"train-{number:02d}.tar", 2, first=2 * number)
    one = read_manifest(tmp_path / "train-01.tar", labeled=True)
    assert one["id"].to_list()[:2] == ["train-01/blue0002", "train-01/green0002"]
    assert (read(one["path"][0]) == pictures.image("blue", 2)).all()
    every = read_manifest(tmp_path, labeled=True)
    assert len(every) == 18
    assert read_manifest(tmp_path / "train-*.tar", labeled=True).equals(every)
    assert read_manifest(tmp_path / "train-{00..02}.tar", labeled=True).equals(every)
    assert read_manifest(tmp_path, labeled=False).equals(every.drop("label"))


def test_an_unlabeled_image_in_a_labeled_set_is_refused(tmp_path: Path) -> None:
    pictures.class_folders(tmp_path / "train", 1)
    pictures.write(tmp_path / "train" / "stray.png", pictures.image("red", 0))
    with pytest.raises(ManifestError, match=r"stray: not in a class folder: .*\(1 such images\).*prepare-images"):
        read_manifest(tmp_path / "train", labeled=True)
    pictures.shard(tmp_path / "s" / "a.tar", 1, kind="")
    with pytest.raises(ManifestError, match=r"no class: there is no \.cls"):
        read_manifest(tmp_path / "s", labeled=True)


def table(folder: Path, text: str) -> Path:
    (folder / "m.tsv").write_text(text)
    return folder / "m.tsv"


def test_a_label_that_is_missing_or_several_words_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="there is no label in it"):
        read_manifest(table(tmp_path, "id\tpath\na\ta.png\n"), labeled=True)
    with pytest.raises(ManifestError, match=r"b has no label \(1 of 2 have none\)"):
        read_manifest(table(tmp_path, "id\tpath\tlabel\na\ta.png\tx\nb\tb.png\t\n"), labeled=True)
    with pytest.raises(ManifestError, match=r"class of a is 'white shark'; .*underscores"):
        read_manifest(table(tmp_path, "id\tpath\tlabel\na\ta.png\twhite shark\n"), labeled=True)


def test_rows_without_a_path_and_unknown_kinds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="1 rows without id or path"):
        read_manifest(table(tmp_path, "id\tpath\na\t\n"), labeled=False)
    with pytest.raises(ManifestError, match=r"m\.tsv: no column path"):
        read_manifest(table(tmp_path, "id\tfile\na\tb\n"), labeled=False)
    (tmp_path / "m.csv").write_text("")
    with pytest.raises(ManifestError, match="no kind of manifest"):
        read_manifest(tmp_path / "m.csv", labeled=False)
    with pytest.raises(ManifestError, match="no such manifest"):
        read_manifest(tmp_path / "none", labeled=False)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ManifestError, match="empty: an empty manifest: no image in it"):
        read_manifest(tmp_path / "empty", labeled=False)


def test_two_images_of_one_id_are_no_corpus(tmp_path: Path) -> None:
    for suffix in ("png", "bmp"):
        pictures.write(tmp_path / "red" / f"a.{suffix}", pictures.image("red", 0))
    with pytest.raises(CorpusError, match="red/a occurs more than once"):
        Labeled(read_manifest(tmp_path, labeled=True))


def test_the_column_of_a_held_set_does_not_reach_a_manifest(tmp_path: Path) -> None:
    pictures.class_folders(tmp_path, 1)
    rows = read_manifest(tmp_path, labeled=True)
    assert isinstance(rows, pl.DataFrame)
    assert rows.columns == list(SCHEMA)
