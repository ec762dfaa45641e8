"""Images of a folder or a tar of one: classes from the first level, what is no image or hidden passed over."""

from pathlib import Path

import pytest

from nst_asr.lines import ManifestError
from nst_asr.vision.corpora.folder import folder
from nst_asr.vision.corpora.picture import Defect, Picture, fit_to_write
from nst_asr.vision.images import read
from tests.vision import pictures

RED = pictures.image("red", 0)


def named(source: Path, *, labeled: bool = True) -> dict[str, str | None]:
    return {each.id: each.label for each in folder(source, labeled=labeled) if isinstance(each, Picture)}


def test_a_class_is_the_first_folder_and_ids_come_in_the_order_of_names(tmp_path: Path) -> None:
    for name in ("dog/z.png", "cat/deep/er/b.PNG", "cat/a.bmp"):
        pictures.write(tmp_path / name, RED)
    assert named(tmp_path) == {"cat/a": "cat", "cat/deep/er/b": "cat", "dog/z": "dog"}
    assert list(named(tmp_path)) == ["cat/a", "cat/deep/er/b", "dog/z"]
    assert set(named(tmp_path, labeled=False).values()) == {None}


def test_what_is_no_image_and_what_is_hidden_is_passed_over(tmp_path: Path) -> None:
    for name in ("cat/a.png", ".cache/b.png", "cat/.c.png", "__MACOSX/cat/d.png"):
        pictures.write(tmp_path / name, RED)
    (tmp_path / "cat" / "notes.txt").write_text("x")
    (tmp_path / "cat" / "Thumbs.db").write_text("x")
    assert named(tmp_path) == {"cat/a": "cat"}


def test_an_image_beside_the_class_folders_lacks_a_class(tmp_path: Path) -> None:
    pictures.write(tmp_path / "a.png", RED)
    (found,) = folder(tmp_path, labeled=True)
    assert isinstance(found, Picture)
    assert found.label is None
    assert found.lacking == f"not in a class folder: {tmp_path}/a.png"
    assert list(fit_to_write([found], labeled=True)) == [Defect("a", found.lacking)]
    assert list(fit_to_write([found], labeled=False)) == [found]


def test_linked_folders_are_entered_once_and_loops_end(tmp_path: Path) -> None:
    pictures.write(tmp_path / "far" / "a.png", RED)
    (tmp_path / "in" / "cat").mkdir(parents=True)
    (tmp_path / "in" / "cat" / "linked").symlink_to(tmp_path / "far")
    (tmp_path / "in" / "cat" / "loop").symlink_to(tmp_path / "in")
    assert named(tmp_path / "in") == {"cat/linked/a": "cat"}


def test_a_tar_of_class_folders_is_read_where_it_lies(tmp_path: Path) -> None:
    members = {
        f"./train/{label}/{number}.png": pictures.encoded(pictures.image(label, number))
        for label in ("red", "blue")
        for number in range(2)
    }
    archive = pictures.tar(tmp_path / "a.tar", members | {"train/.hidden.png": b"", "train/README": b"x"})
    found = {each.id: each for each in folder(archive, labeled=True) if isinstance(each, Picture)}
    assert {name: each.label for name, each in found.items()} == {
        **{"red/0": "red", "red/1": "red"},
        **{"blue/0": "blue", "blue/1": "blue"},
    }
    assert (read(found["blue/1"].path) == pictures.image("blue", 1)).all()


def test_images_at_the_top_of_a_tar_lack_a_class(tmp_path: Path) -> None:
    archive = pictures.tar(tmp_path / "a.tar", {"a.png": pictures.encoded(RED)})
    assert named(archive) == {"a": None}


def test_a_name_that_is_not_utf_8_is_a_defect(tmp_path: Path) -> None:
    strange = Picture("b\udce9b\xe9", "/x/b\udce9.png", None)
    (found,) = fit_to_write([strange], labeled=False)
    assert found == Defect("b\\xe9b\xe9", "a name that is not UTF-8: /x/b\\xe9.png; rename it (convmv)")


def test_a_class_of_several_words_becomes_one(tmp_path: Path) -> None:
    (found,) = fit_to_write([Picture("a", "a.png", "great  white shark")], labeled=True)
    assert isinstance(found, Picture)
    assert found.label == "great_white_shark"


def test_a_source_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"none: no such folder or \.tar"):
        list(folder(tmp_path / "none", labeled=True))
    pictures.write(tmp_path / "a.png", RED)
    with pytest.raises(ManifestError, match=r"a\.png: a tar is expected, named \*\.tar"):
        list(folder(tmp_path / "a.png", labeled=True))
