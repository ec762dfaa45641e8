"""CIFAR-10's binary batches are read where they lie; scikit-learn's digits are written once."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from nst_asr.lines import ManifestError
from nst_asr.vision.corpora.cifar import cifar10
from nst_asr.vision.corpora.digits import digits, write_digits
from nst_asr.vision.corpora.picture import Picture, Reading
from nst_asr.vision.images import read
from tests.vision import pictures


def found(reading: Reading) -> list[Picture]:
    return [each for each in reading if isinstance(each, Picture)]


def test_records_are_addressed_in_their_batches(tmp_path: Path) -> None:
    rows = found(cifar10(pictures.cifar(tmp_path), labeled=True))
    assert len(rows) == 36
    assert (rows[7].id, rows[7].label, rows[7].held) == ("data_batch_2/00001", "horse", "")
    assert rows[7].path == f"{tmp_path}/data_batch_2.bin@{3073 + 1}+3072"
    raw = (tmp_path / "data_batch_2.bin").read_bytes()[3073 + 1 : 2 * 3073]
    assert (read(rows[7].path) == np.frombuffer(raw, np.uint8).reshape(3, 32, 32).transpose(1, 2, 0)).all()


def test_the_test_batch_is_a_set_of_its_own_and_keeps_its_classes(tmp_path: Path) -> None:
    pool = found(cifar10(pictures.cifar(tmp_path), labeled=False))
    assert {each.label for each in pool if not each.held} == {None}
    assert [each.label for each in pool if each.held][:3] == ["airplane", "automobile", "bird"]
    assert {each.id for each in pool if each.held == "test"} == {f"test_batch/{place:05d}" for place in range(6)}
    (tmp_path / "test_batch.bin").unlink()
    assert not [each for each in found(cifar10(tmp_path, labeled=True)) if each.held]


def test_a_folder_that_is_not_cifar_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="none: no such folder"):
        list(cifar10(tmp_path / "none", labeled=True))
    with pytest.raises(ManifestError, match=r"batches\.meta\.txt: no such file"):
        list(cifar10(tmp_path, labeled=True))
    pictures.cifar(tmp_path)
    (tmp_path / "data_batch_4.bin").rename(tmp_path / "x")
    with pytest.raises(ManifestError, match=r"no data_batch_4\.bin in it"):
        list(cifar10(tmp_path, labeled=True))


def test_a_batch_that_is_cut_off_or_of_other_classes_is_named(tmp_path: Path) -> None:
    batch = pictures.cifar(tmp_path) / "data_batch_1.bin"
    whole = batch.read_bytes()
    batch.write_bytes(whole[:-1])
    with pytest.raises(ManifestError, match=r"data_batch_1\.bin: 18437 bytes, no whole number of records of 3073"):
        list(cifar10(tmp_path, labeled=True))
    batch.write_bytes(whole[:3073] + b"\x63" + whole[3074:])
    with pytest.raises(ManifestError, match=r"image 1 is of class 99, but batches\.meta\.txt names 10"):
        list(cifar10(tmp_path, labeled=True))


def test_the_digits_are_scikit_learns(tmp_path: Path) -> None:
    rows = found(digits(tmp_path / "digits.tar", labeled=True))
    known = load_digits()
    assert [each.id for each in rows] == [f"{number:04d}" for number in range(1797)]
    assert [each.label for each in rows] == [str(label) for label in known.target]
    for place in (0, 1000, 1796):
        image = read(rows[place].path)
        assert image.shape == (8, 8, 3)
        assert (np.round(image[..., 1] / 255 * 16) == known.images[place]).all()
    assert {each.label for each in found(digits(tmp_path / "digits.tar", labeled=False))} == {None}


def test_the_digits_are_written_once_and_always_the_same(tmp_path: Path) -> None:
    first = write_digits(tmp_path / "a.tar").read_bytes()
    assert write_digits(tmp_path / "b.tar").read_bytes() == first
    (tmp_path / "a.tar").write_bytes(b"there")
    assert write_digits(tmp_path / "a.tar").read_bytes() == b"there"
