"""nst-asr prepare-images: one command from images to the sets of a run, everything decoded once."""

import argparse
import json
import sys
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from nst_asr.corpus import Corpus, Labeled, Truth, Unlabeled, guard
from nst_asr.rows import ManifestError, read_truth
from nst_asr.unusable import UnusableError
from nst_asr.vision.corpora.summary import Summary
from nst_asr.vision.images import check, digest, read
from nst_asr.vision.leakage import class_differences, shared_images
from nst_asr.vision.manifests import read_manifest
from nst_asr.vision.prepare import add_prepare_images, prepare_images
from tests.vision import pictures


def prepare(kind: str, source: Path, out: Path, *options: str) -> Summary:
    parser = argparse.ArgumentParser()
    add_prepare_images(parser.add_subparsers(), lambda _: 0)
    return prepare_images(parser.parse_args(["prepare-images", kind, str(source), "--out", str(out), *options]))


ALL = ("--hold-out", "dev=9", "--hold-out", "test=0.2", "--labeled-number", "12")


def test_one_command_makes_the_sets_of_a_run(tmp_path: Path) -> None:
    source, out = pictures.class_folders(tmp_path / "in", 20), tmp_path / "out" / "labeled.tsv"
    summary = prepare("folder", source, out, *ALL)
    assert sorted(path.name for path in out.parent.iterdir()) == [
        *("dev.tsv", "labeled.bad.tsv", "labeled.summary.json", "labeled.tsv", "test.tsv"),
        *("unlabeled.truth.tsv", "unlabeled.tsv"),
    ]
    labeled = Labeled(read_manifest(out, labeled=True))
    pool = Unlabeled(read_manifest(out.parent / "unlabeled.tsv", labeled=False))
    dev, test = (Labeled(read_manifest(out.parent / f"{name}.tsv", labeled=True), name) for name in ("dev", "test"))
    assert [len(part.rows) for part in (labeled, pool, dev, test)] == [12, 27, 9, 12]
    truth = Truth(read_truth(out.parent / "unlabeled.truth.tsv"))
    assert truth.rows["id"].to_list() == pool.rows["id"].to_list()
    assert truth.rows["label"].to_list() == [name.split("/")[0] for name in pool.rows["id"]]
    corpus = Corpus(labeled, pool, dev)
    assert not shared_images(corpus, test)
    assert class_differences(labeled, [dev, test]) == []
    assert {*guard(corpus, test)} >= set()
    assert summary.sets["labeled"].images == 12
    assert summary.sets["unlabeled"].classes is None
    assert json.loads((out.parent / "labeled.summary.json").read_text())["sets"]["dev"]["classes"] == 3
    assert summary.describe().splitlines()[0] == f"labeled: 12 images of 3 classes in {out}"
    assert "3 classes: blue 20, green 20, red 20" in summary.describe()


def test_digests_are_written_so_that_a_run_need_not_decode_again(tmp_path: Path) -> None:
    prepare("folder", pictures.class_folders(tmp_path / "in", 2), tmp_path / "m.parquet")
    rows = read_manifest(tmp_path / "m.parquet", labeled=True)
    assert rows["digest"].to_list() == [digest(read(path)) for path in rows["path"]]
    assert check(rows, decode=False).rows.equals(rows)


def test_the_same_command_writes_the_same_files(tmp_path: Path) -> None:
    source = pictures.class_folders(tmp_path / "in", 20)
    for name in ("a", "b"):
        prepare("folder", source, tmp_path / name / "labeled.tsv", *ALL)
    for path in (tmp_path / "a").iterdir():
        if path.suffix == ".tsv":
            assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_a_larger_labeled_number_contains_the_smaller_and_leaves_dev_and_test_alone(tmp_path: Path) -> None:
    source = pictures.class_folders(tmp_path / "in", 20)
    for number in ("12", "20"):
        prepare("folder", source, tmp_path / number / "labeled.tsv", *ALL[:4], "--labeled-number", number)
    small, large = (set(read_manifest(tmp_path / n / "labeled.tsv", labeled=True)["id"]) for n in ("12", "20"))
    assert small < large
    for name in ("dev.tsv", "test.tsv"):
        assert (tmp_path / "12" / name).read_bytes() == (tmp_path / "20" / name).read_bytes()


def test_what_cannot_be_used_is_left_out_with_its_reason(tmp_path: Path) -> None:
    source = pictures.class_folders(tmp_path / "in", 4)
    (source / "red" / "0001.png").write_bytes(b"")
    (source / "blue" / "0002.png").write_text("no image")
    data = (source / "green" / "0003.png").read_bytes()
    (source / "green" / "0003.png").write_bytes(data[: len(data) // 2])
    pictures.write(source / "stray.png", pictures.image("red", 9))
    with pytest.raises(UnusableError, match=r"4 of 13 images cannot be used, more than the share of 0\.01"):
        prepare("folder", source, tmp_path / "m.tsv")
    assert not (tmp_path / "m.tsv").exists()
    summary = prepare("folder", source, tmp_path / "m.tsv", "--max-bad-share", "0.5")
    assert summary.bad == 4
    lines = [line.split("\t") for line in (tmp_path / "m.bad.tsv").read_text().splitlines()]
    assert [name for name, _ in lines] == ["id", "stray", "blue/0002", "green/0003", "red/0001"]
    assert "not in a class folder" in lines[1][1]
    assert "not an image that can be read" in lines[2][1]
    assert "truncated" in lines[3][1]
    assert "an empty file (0 bytes)" in lines[4][1]
    assert len(read_manifest(tmp_path / "m.tsv", labeled=True)) == 9


def test_odd_images_are_used_as_rgb(tmp_path: Path) -> None:
    folder = tmp_path / "in" / "odd"
    pictures.write(folder / "grey.png", pictures.image("red", 0)[..., 0])
    pictures.write(folder / "dot.png", pictures.image("red", 0)[:1, :1])
    for name, mode in (("cmyk.jpg", "CMYK"), ("palette.gif", "P"), ("alpha.webp", "RGBA"), ("deep.png", "I;16")):
        Image.new(mode, (5, 4)).save(folder / name)
    summary = prepare("folder", tmp_path / "in", tmp_path / "m.tsv")
    assert (summary.bad, summary.sets["labeled"].images) == (0, 6)


def test_a_pool_has_no_labels_and_its_truth_is_aside(tmp_path: Path) -> None:
    pictures.class_folders(tmp_path / "in", 2)
    pictures.write(tmp_path / "in" / "stray.png", pictures.image("red", 9))
    summary = prepare("folder", tmp_path / "in", tmp_path / "p.tsv", "--unlabeled", "--truth", str(tmp_path / "t.tsv"))
    assert summary.sets["unlabeled"].images == 7
    assert summary.truth == 6
    assert "label" not in (tmp_path / "p.tsv").read_text().splitlines()[0].split("\t")
    assert len(read_truth(tmp_path / "t.tsv")) == 6
    plain = prepare("folder", tmp_path / "in", tmp_path / "q.tsv", "--unlabeled")
    assert plain.truth is None
    assert (tmp_path / "q.tsv").read_bytes() == (tmp_path / "p.tsv").read_bytes()


def test_copies_of_held_out_images_leave_the_training_data(tmp_path: Path) -> None:
    source = pictures.class_folders(tmp_path / "in", 20)
    for path in sorted(source.glob("*/*.png")):
        (source / path.parent.name / f"copy-{path.name}").write_bytes(path.read_bytes())
    summary = prepare("folder", source, tmp_path / "labeled.tsv", *ALL)
    assert [summary.sets[name].images for name in ("dev", "test", "labeled")] == [9, 12, 12]
    assert summary.copies == 21
    assert summary.sets["unlabeled"].images == 120 - 9 - 12 - 12 - 21
    held = {*read_manifest(tmp_path / "dev.tsv", labeled=True)["digest"]}
    assert not held & {*read_manifest(tmp_path / "unlabeled.tsv", labeled=False)["digest"]}
    assert "left out of the training data, as held-out images have their pixels: 21" in summary.describe()


def test_the_same_pixels_in_two_classes_are_a_warning(tmp_path: Path) -> None:
    source = pictures.class_folders(tmp_path / "in", 2)
    pictures.write(source / "red" / "x.bmp", pictures.image("blue", 0))
    (warning,) = prepare("folder", source, tmp_path / "m.tsv").warnings
    assert warning == "2 images have the pixels of images of another class: blue/0000 (blue) and red/x (red)"


def test_shards_stay_where_they_are(tmp_path: Path) -> None:
    for number in range(2):
        pictures.shard(tmp_path / "in" / f"s{number}.tar", 5, first=5 * number)
    before = [path.stat().st_mtime_ns for path in sorted((tmp_path / "in").iterdir())]
    summary = prepare(
        "shards", tmp_path / "in" / "s{0..1}.tar", tmp_path / "out" / "labeled.tsv", "--hold-out", "dev=6"
    )
    assert summary.sets["labeled"].images == 24
    rows = read_manifest(tmp_path / "out" / "labeled.tsv", labeled=True)
    assert rows["path"].str.contains(rf"^{tmp_path}/in/s\d\.tar@\d+\+\d+$").all()
    assert [path.stat().st_mtime_ns for path in sorted((tmp_path / "in").iterdir())] == before
    assert len(list((tmp_path / "in").iterdir())) == 2


def test_an_example_without_a_class_is_listed(tmp_path: Path) -> None:
    members = [("a.png", pictures.encoded(pictures.image("red", 0))), ("b.png", b""), ("b.cls", b"red")]
    pictures.tar(tmp_path / "s.tar", [*members, ("c.png", members[0][1]), ("c.cls", b"red")])
    prepare("shards", tmp_path / "s.tar", tmp_path / "m.tsv", "--max-bad-share", "0.9")
    bad = (tmp_path / "m.bad.tsv").read_text()
    assert "s/a\tno class: there is no .cls, .json or .txt beside a.png" in bad
    assert "s/b\t" in bad
    assert read_manifest(tmp_path / "m.tsv", labeled=True)["id"].to_list() == ["s/c"]


def test_a_damaged_shard_stops_at_once(tmp_path: Path) -> None:
    archive = pictures.shard(tmp_path / "s.tar", 3)
    archive.write_bytes(archive.read_bytes()[:3000])
    with pytest.raises(ManifestError, match=r"s\.tar: .*copy it again"):
        prepare("shards", archive, tmp_path / "m.tsv")
    assert [path.name for path in tmp_path.iterdir()] == ["s.tar"]


def test_cifar_brings_its_own_test_set(tmp_path: Path) -> None:
    source = pictures.cifar(tmp_path / "in", 40)
    summary = prepare("cifar10", source, tmp_path / "labeled.tsv", "--hold-out", "dev=20", "--labeled-number", "50")
    sizes = {name: size.images for name, size in summary.sets.items()}
    assert sizes == {"labeled": 50, "unlabeled": 130, "dev": 20, "test": 40}
    test = read_manifest(tmp_path / "test.tsv", labeled=True)
    assert test["id"].to_list() == [f"test_batch/{place:05d}" for place in range(40)]
    with pytest.raises(ManifestError, match=r"test=20: .* has a test set of its own, of 40 images"):
        prepare("cifar10", source, tmp_path / "x" / "labeled.tsv", "--hold-out", "test=20")


def test_a_training_image_of_cifar_that_is_in_its_test_set_is_left_out(tmp_path: Path) -> None:
    source = pictures.cifar(tmp_path / "in", 20)
    record = (source / "test_batch.bin").read_bytes()[:3073]
    whole = (source / "data_batch_3.bin").read_bytes()
    (source / "data_batch_3.bin").write_bytes(record + whole[3073:])
    summary = prepare("cifar10", source, tmp_path / "labeled.tsv")
    assert summary.copies == 1
    assert "data_batch_3/00000" not in set(read_manifest(tmp_path / "labeled.tsv", labeled=True)["id"])


def test_the_digits_need_nothing_but_a_place(tmp_path: Path) -> None:
    options = ("--hold-out", "dev=200", "--hold-out", "test=500", "--labeled-number", "100")
    summary = prepare("digits", tmp_path / "digits.tar", tmp_path / "labeled.tsv", *options)
    assert {name: size.images for name, size in summary.sets.items()} == {
        **{"labeled": 100, "unlabeled": 997},
        **{"dev": 200, "test": 500},
    }
    assert sorted(summary.classes) == list("0123456789")
    labels = read_manifest(tmp_path / "labeled.tsv", labeled=True)["label"].value_counts()["count"]
    assert labels.min() >= 9  # type: ignore[operator]


def test_two_images_of_one_name_are_both_named(tmp_path: Path) -> None:
    source = pictures.class_folders(tmp_path / "in", 1)
    pictures.write(source / "red" / "0000.bmp", pictures.image("red", 1))
    with pytest.raises(ManifestError, match=r"red/0000 names two images: .*0000\.bmp and .*0000\.png; rename"):
        prepare("folder", source, tmp_path / "m.tsv")


def test_a_name_with_a_tab_needs_parquet(tmp_path: Path) -> None:
    pictures.write(tmp_path / "in" / "red" / "a\tb.png", pictures.image("red", 1))
    with pytest.raises(ManifestError, match=r"a tab or line end in its id has no place in a TSV; use \.parquet"):
        prepare("folder", tmp_path / "in", tmp_path / "m.tsv")
    assert prepare("folder", tmp_path / "in", tmp_path / "m.parquet").bad == 0


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--unlabeled", "--hold-out", "dev=1"), "--hold-out needs classes"),
        (("--unlabeled", "--labeled-number", "1"), "exclude each other"),
        (("--truth", "t.tsv"), "--truth needs a pool"),
        (("--unlabeled", "--truth", "t.txt"), r"--truth t\.txt: a name ending in \.tsv"),
        (("--max-bad-share", "2"), "expected a share from 0 to 1"),
        (("--threads", "0"), "expected at least 1"),
        (("--hold-out", "dev=0"), "expected a number of images"),
        (("--hold-out", "dev=50"), "there are 9 images"),
        (("--labeled-number", "9"), "there are 9 images"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_written(
    tmp_path: Path, options: tuple[str, ...], problem: str
) -> None:
    source = pictures.class_folders(tmp_path / "in", 3)
    with pytest.raises(ManifestError, match=problem):
        prepare("folder", source, tmp_path / "out" / "m.tsv", *options)
    assert not (tmp_path / "out" / "m.tsv").exists()


def test_outputs_that_collide_are_refused(tmp_path: Path) -> None:
    source = pictures.class_folders(tmp_path / "in", 3)
    with pytest.raises(ManifestError, match="have one name"):
        prepare("folder", source, tmp_path / "dev.tsv", "--hold-out", "dev=2")
    with pytest.raises(ManifestError, match=r"a name ending in \.tsv or \.parquet"):
        prepare("folder", source, tmp_path / "m.csv")
    (tmp_path / "m.tsv").mkdir()
    with pytest.raises(ManifestError, match="there is a folder of that name"):
        prepare("folder", source, tmp_path / "m.tsv")


def test_a_place_that_cannot_be_written_to_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ManifestError, match=r"nothing can be written to its folder \((File exists|Not a directory)\)"):
        prepare("folder", tmp_path / "none", tmp_path / "file" / "m.tsv")


def test_a_package_that_is_missing_is_named_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(
        ManifestError, match=r"sklearn.* is not installed; images need: pip install 'nst-asr\[vision\]'"
    ):
        prepare("digits", tmp_path / "d.tar", tmp_path / "m.tsv")


def test_a_pool_that_holds_a_test_image_under_another_name_is_found_by_the_guard(tmp_path: Path) -> None:
    prepare("folder", pictures.class_folders(tmp_path / "in", 4), tmp_path / "a" / "labeled.tsv", "--hold-out", "dev=3")
    dev = Labeled(read_manifest(tmp_path / "a" / "dev.tsv", labeled=True), "dev")
    pictures.write(tmp_path / "web" / "found.bmp", read(dev.rows["path"][0]))
    prepare("folder", tmp_path / "web", tmp_path / "pool.tsv", "--unlabeled")
    pool = Unlabeled(read_manifest(tmp_path / "pool.tsv", labeled=False))
    labeled = Labeled(read_manifest(tmp_path / "a" / "labeled.tsv", labeled=True))
    (line,) = shared_images(Corpus(labeled, pool, dev), None)
    assert f"found ({tmp_path}/web/found.bmp) those of {dev.rows['id'][0]}" in line
    assert isinstance(pool.rows, pl.DataFrame)
