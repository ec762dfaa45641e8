"""WebDataset shards: addresses and classes by key; compressed, damaged and class-less ones are named."""

import gzip
import tarfile
from pathlib import Path

import numpy as np
import pytest

from nst_asr.lines import ManifestError
from nst_asr.vision.corpora import tars
from nst_asr.vision.corpora.picture import Defect, Picture, Reading
from nst_asr.vision.corpora.shards import shard_paths, shards
from nst_asr.vision.images import read
from tests.vision import pictures

PNG = pictures.encoded(pictures.image("red", 0))


def offsets(archive: Path) -> list[int]:
    with tarfile.open(archive) as tar:
        return [member.offset for member in tar.getmembers()]


def classes(found: Reading) -> dict[str, str | None]:
    return {each.id: each.label for each in found if isinstance(each, Picture)}


@pytest.mark.parametrize("kind", ["cls", "txt", "json"])
def test_examples_are_grouped_by_key_with_their_class(tmp_path: Path, kind: str) -> None:
    archive = pictures.shard(tmp_path / "a.tar", 2, kind=kind)
    found = [each for each in shards(archive, labeled=True) if isinstance(each, Picture)]
    assert [each.label for each in found] == ["blue", "green", "red"] * 2
    assert found[4].id == "a/green0001"
    assert (read(found[4].path) == pictures.image("green", 1)).all()
    assert set(classes(shards(archive, labeled=False)).values()) == {None}


def test_a_number_is_a_line_of_classes_txt_where_there_is_one(tmp_path: Path) -> None:
    archive = pictures.tar(tmp_path / "a.tar", {"x.png": PNG, "x.cls": b"2\n", "y.png": PNG, "y.json": b"0"})
    assert classes(shards(archive, labeled=True)) == {"a/x": "2", "a/y": "0"}
    (tmp_path / "classes.txt").write_text("tench\ngoldfish\ngreat white shark\n")
    assert classes(shards(archive, labeled=True)) == {"a/x": "great white shark", "a/y": "tench"}
    (tmp_path / "classes.txt").write_text("tench\ngoldfish\n")
    (first, _) = shards(archive, labeled=True)
    assert isinstance(first, Picture)
    assert first.lacking.endswith(r"a.tar: class 2, but classes.txt names 2 (0 to 1)")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("x.json", b'{"caption": "a dog"}', "no key label or cls or class or class_name"),
        ("x.json", b"{", "Expecting property name"),
        ("x.json", b"[1, 2]", r"\[1, 2\] is no class"),
        ("x.json", b'{"label": 1.5}', "1.5 is no class"),
        ("x.cls", b" \n", "it is empty"),
        ("x.txt", b"\xff\xfe", "can't decode"),
    ],
)
def test_a_class_that_cannot_be_read_is_no_class(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (found,) = shards(pictures.tar(tmp_path / "a.tar", {"x.png": PNG, name: content}), labeled=True)
    assert isinstance(found, Picture)
    assert found.label is None
    assert found.lacking.startswith(f"no class: {name} in {tmp_path}/a.tar: ")
    assert np.char.find(found.lacking, reason.replace("\\", "")) > 0


def test_a_member_without_a_class_and_a_key_of_two_images_are_named(tmp_path: Path) -> None:
    archive = pictures.tar(tmp_path / "a.tar", {"x.png": PNG, "y.png": PNG, "y.jpg": PNG, "y.cls": b"1"})
    first, second = shards(archive, labeled=True)
    assert isinstance(first, Picture)
    assert first.lacking == f"no class: there is no .cls, .json or .txt beside x.png in {tmp_path}/a.tar"
    assert second == Defect("a/y", f"two images of one key: y.png and y.jpg in {tmp_path}/a.tar")


def test_keys_end_at_the_first_dot_and_further_images_of_a_key_are_passed_over(tmp_path: Path) -> None:
    members = {"d.1/x.png": PNG, "d.1/x.seg.png": PNG, "d.1/x.cls": b"a", ".y.png": PNG, "z.txt": b"a", "w": b""}
    assert classes(shards(pictures.tar(tmp_path / "a.tar", members), labeled=True)) == {"a/d.1/x": "a"}


def test_no_image_is_read_and_members_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = pictures.tar(tmp_path / "a.tar", ((f"{i:05d}.jpg", b"no image") for i in range(3000)))
    kept = []
    original = tarfile.TarFile.next

    def following(tar: tarfile.TarFile) -> tarfile.TarInfo | None:
        kept.append(len(tar.members))  # type: ignore[attr-defined]
        return original(tar)

    monkeypatch.setattr(tarfile.TarFile, "next", following)
    stream = shards(archive, labeled=False)
    assert isinstance(next(stream), Picture)
    assert len(kept) < 10, "a stream reads no further than it is asked to"
    assert sum(1 for _ in stream) == 2999
    assert max(kept) <= 1


def test_sources_are_files_folders_patterns_and_brace_lists(tmp_path: Path) -> None:
    paths = [pictures.tar(tmp_path / f"{part}-{i:03d}.tar", {}) for part in ("a", "b") for i in range(9, 12)]
    assert shard_paths(tmp_path) == paths
    assert shard_paths(tmp_path / "b-*.tar") == paths[3:]
    assert shard_paths(tmp_path / "{b,a}-{009..010}.tar") == [*paths[3:5], *paths[:2]]
    assert shard_paths(paths[0]) == paths[:1]
    with pytest.raises(ManifestError, match=r"a-012\.tar: no such shard"):
        shard_paths(tmp_path / "a-{009..012}.tar")
    with pytest.raises(ManifestError, match=r"c-\*\.tar: no \.tar there"):
        shard_paths(tmp_path / "c-*.tar")


def test_a_compressed_shard_is_refused_by_name_and_by_content(tmp_path: Path) -> None:
    archive = pictures.shard(tmp_path / "a.tar", 1)
    packed = gzip.compress(archive.read_bytes())
    archive.unlink()
    (tmp_path / "a.tar.gz").write_bytes(packed)
    with pytest.raises(ManifestError, match=r"its shards are compressed, such as a\.tar\.gz; unpack"):
        list(shards(tmp_path, labeled=True))
    for name in ("a.tar.gz", "b.tar"):
        (tmp_path / name).write_bytes(packed)
        with pytest.raises(ManifestError, match=rf"{name}: compressed with gzip.*gunzip {name}"):
            list(shards(tmp_path / name, labeled=True))


def test_a_tar_that_is_cut_off_is_refused_wherever_it_ends(tmp_path: Path) -> None:
    whole = pictures.shard(tmp_path / "a.tar", 2).read_bytes()
    places = offsets(tmp_path / "a.tar")
    for end in (100, 700, places[3] + 100, places[3] + 512 + 100, places[-1] + 513):
        (tmp_path / "b.tar").write_bytes(whole[:end])
        with pytest.raises(ManifestError, match=r"b\.tar: .*copy it again"):
            list(shards(tmp_path / "b.tar", labeled=False))
    (tmp_path / "b.tar").write_bytes(whole[: places[3]])
    assert len(list(shards(tmp_path / "b.tar", labeled=False))) == 2, "some writers leave out the zeros at the end"


def test_a_damaged_header_in_the_middle_is_not_taken_for_the_end(tmp_path: Path) -> None:
    archive = pictures.shard(tmp_path / "a.tar", 2)
    data = bytearray(archive.read_bytes())
    place = offsets(archive)[4]
    data[place + 150] ^= 0xFF
    archive.write_bytes(data)
    with pytest.raises(ManifestError, match=rf"a\.tar: damaged or truncated at byte {place}"):
        list(shards(archive, labeled=False))


def test_an_empty_file_is_no_tar(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"")
    with pytest.raises(ManifestError, match="no whole uncompressed tar"):
        list(tars.members(tmp_path / "a.tar"))


def test_long_names_are_read(tmp_path: Path) -> None:
    name = "/".join(["a" * 60] * 4)
    assert list(classes(shards(pictures.tar(tmp_path / "s.tar", {f"{name}.png": PNG}), labeled=False))) == [f"s/{name}"]
