"""The set writer: its layout read back, what follows from ids, resuming, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from nst_asr.key import Key
from nst_asr.vision.corruptions import CORRUPTIONS, corrupt
from nst_asr.vision.manifests import read_manifest
from nst_asr.vision.perturbations import PERTURBATIONS, perturbed
from nst_asr.vision.robustness_sets import array_set, refuse_lacking
from tests.vision import pictures
from tools import make_corrupted


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pictures.class_folders(tmp_path_factory.mktemp("images"), 2)


@pytest.fixture(scope="module")
def made(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sets of all six images, seed 0."""
    return written(images, tmp_path_factory.mktemp("made") / "out")


def written(images: Path, out: Path, *arguments: str) -> Path:
    assert make_corrupted.main([str(images), str(out), "--size", "8", *arguments]) == 0
    return out


def test_the_layout_reads_back_and_is_what_corrupt_and_perturbed_give(images: Path, made: Path) -> None:
    refuse_lacking(made / "corrupted", CORRUPTIONS)
    refuse_lacking(made / "perturbed", PERTURBATIONS)
    rows = read_manifest(images, labeled=True)
    corrupted, sequences = (array_set(made / name, pictures.CLASSES) for name in ("corrupted", "perturbed"))
    clean = corrupted.clean()
    assert clean is not None
    assert [pictures.CLASSES[k] for k in clean[1]] == rows["label"].to_list()
    assert (made / "corrupted" / "classes.txt").read_text().split() == sorted(pictures.CLASSES)
    for place, name in enumerate(rows["id"]):
        seed = Key(0)["image", name].number()
        snow, _ = corrupted.corrupted("snow", 4)
        np.testing.assert_array_equal(snow[place], corrupt(clean[0][place], "snow", 4, seed))
        tilt = sequences.sequences("tilt")
        np.testing.assert_array_equal(tilt[place], perturbed(clean[0][place], "tilt", seed))
    assert clean[0].shape == (6, 8, 8, 3)


def test_some_images_are_the_same_ones_with_the_same_noise(tmp_path: Path, images: Path, made: Path) -> None:
    some = written(images, tmp_path / "some", "--number", "4")
    clean, fewer = (np.load(out / "corrupted" / "clean.npy") for out in (made, some))
    noisy, noisy_fewer = (np.load(out / "corrupted" / "gaussian_noise.npy") for out in (made, some))
    places = [next(k for k in range(6) if (clean[k] == image).all()) for image in fewer]
    assert places == sorted(places)
    np.testing.assert_array_equal(noisy_fewer.reshape(5, 4, 8, 8, 3), noisy.reshape(5, 6, 8, 8, 3)[:, places])


def test_files_that_are_there_are_kept_and_missing_ones_made_the_same(images: Path, made: Path) -> None:
    folder = made / "corrupted"
    before = {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.glob("*.npy")}
    (folder / "frost.npy").unlink()
    written(images, made)
    for name, (time, content) in before.items():
        assert (folder / name).read_bytes() == content
        assert ((folder / name).stat().st_mtime_ns == time) == (name != "frost.npy")


def test_a_folder_of_another_seed_is_refused(images: Path, made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert make_corrupted.main([str(images), str(made), "--size", "8", "--seed", "1"]) == 1
    assert "made with seed 0, now 1; write to another folder" in capsys.readouterr().err


def test_too_many_images_and_no_manifest_are_errors(
    tmp_path: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make_corrupted.main([str(images), str(tmp_path / "out"), "--number", "7"]) == 1
    assert "--number 7: there are 6 images" in capsys.readouterr().err
    assert make_corrupted.main([str(tmp_path / "gone"), str(tmp_path / "out")]) == 1
    assert "gone: no such manifest" in capsys.readouterr().err
