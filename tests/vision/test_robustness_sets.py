"""Readers of published layouts, on small ones written here."""

from pathlib import Path

import av
import numpy as np
import pytest

from nst_asr.vision.corruptions import CORRUPTIONS
from nst_asr.vision.perturbations import PERTURBATIONS
from nst_asr.vision.robustness_sets import (
    ArraySet,
    RobustnessSetError,
    Videos,
    array_set,
    batches,
    files,
    imagenet_c,
    imagenet_p,
    refuse_lacking,
    video,
)
from nst_asr.vision.robustness_sets import pictures as read_pictures
from tests.vision import pictures

CLASSES = ("n01", "n02", "n03")


def write_video(path: Path, frames: np.ndarray) -> Path:
    """An mp4 without loss of anything but colour detail."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=1, options={"crf": "0"})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv444p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


def arrays(folder: Path, images: int = 4, side: int = 8) -> Path:
    """A CIFAR-C layout of fog alone: at severity s every byte of image k is 10 s + k."""
    folder.mkdir()
    values = np.array([[10 * severity + place for place in range(images)] for severity in range(1, 6)], np.uint8)
    np.save(folder / "fog.npy", np.broadcast_to(values.reshape(-1, 1, 1, 1), (5 * images, side, side, 3)))
    np.save(folder / "labels.npy", np.arange(images) % 3)
    return folder


def test_class_folders_are_read_by_name_whatever_is_missing_among_them(tmp_path: Path) -> None:
    for name, number in (("n03", 2), ("n01", 1)):
        for place in range(number):
            pictures.write(tmp_path / name / f"{place}.JPEG", np.full((4, 5, 3), 100, np.uint8))
    (tmp_path / "n03" / "notes.txt").write_text("x")
    (tmp_path / "README.txt").write_text("x")
    found = files(tmp_path, CLASSES)
    assert [(file.path.parent.name, file.path.name, file.label) for file in found] == [
        ("n01", "0.JPEG", 0),
        ("n03", "0.JPEG", 2),
        ("n03", "1.JPEG", 2),
    ]
    (images, labels), (rest, last) = read_pictures(found, 2)
    assert [image.shape for image in images] == [(4, 5, 3), (4, 5, 3)]
    assert labels.tolist() == [0, 2]
    assert (len(rest), last.tolist()) == (1, [2])


def test_a_class_folder_that_the_model_does_not_know_is_named(tmp_path: Path) -> None:
    (tmp_path / "n01").mkdir()
    (tmp_path / "n99").mkdir()
    with pytest.raises(
        RobustnessSetError, match=r"the model has no class n99 \(1 such folders\); its classes are called"
    ):
        files(tmp_path, CLASSES)


def test_a_folder_that_is_missing_or_empty_is_named(tmp_path: Path) -> None:
    with pytest.raises(RobustnessSetError, match="gone: no such folder"):
        files(tmp_path / "gone", CLASSES)
    (tmp_path / "n01").mkdir()
    with pytest.raises(RobustnessSetError, match=r"no class folders with \.jpeg"):
        files(tmp_path, CLASSES)


@pytest.mark.parametrize("group", ["", "weather/"])
def test_imagenet_c_is_corruption_severity_class(tmp_path: Path, group: str) -> None:
    pictures.write(tmp_path / f"{group}fog/3/n02/a.JPEG", np.zeros((224, 224, 3), np.uint8))
    (found,) = imagenet_c(tmp_path, "fog", 3, CLASSES)
    assert (found.path.name, found.label) == ("a.JPEG", 1)
    with pytest.raises(RobustnessSetError, match="no such folder"):
        imagenet_c(tmp_path, "fog", 4, CLASSES)
    with pytest.raises(RobustnessSetError, match="no folder snow"):
        imagenet_c(tmp_path, "snow", 1, CLASSES)


def test_every_corruption_that_a_set_lacks_is_named(tmp_path: Path) -> None:
    for name in CORRUPTIONS:
        if name not in ("fog", "snow"):
            (tmp_path / name).mkdir()
    with pytest.raises(RobustnessSetError, match="no snow, fog; unpack all 15 of them"):
        refuse_lacking(tmp_path, CORRUPTIONS)
    (tmp_path / "weather" / "fog").mkdir(parents=True)
    np.save(tmp_path / "snow.npy", np.zeros(1))
    refuse_lacking(tmp_path, CORRUPTIONS)
    with pytest.raises(RobustnessSetError, match="unpack all 10 of them"):
        refuse_lacking(tmp_path, PERTURBATIONS)


def test_frames_of_a_video_come_back_in_order(tmp_path: Path) -> None:
    frames = np.stack([np.full((16, 24, 3), 20 * place, np.uint8) for place in range(7)])
    write_video(tmp_path / "tilt" / "n02" / "a.mp4", frames)
    (found,) = imagenet_p(tmp_path, "tilt", CLASSES)
    assert found.label == 1
    (back,) = Videos([found])
    assert back.dtype == np.uint8
    assert back.shape == frames.shape
    assert np.abs(back.astype(int) - frames).max() <= 3


def test_a_video_that_is_damaged_or_too_short_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"nothing")
    with pytest.raises(RobustnessSetError, match=r"a\.mp4: no video that can be read"):
        video(tmp_path / "a.mp4")
    write_video(tmp_path / "b.mp4", np.zeros((1, 16, 16, 3), np.uint8))
    with pytest.raises(RobustnessSetError, match=r"b\.mp4: 1 frames"):
        video(tmp_path / "b.mp4")


def test_severities_are_slices_of_an_array_that_stays_on_disk(tmp_path: Path) -> None:
    found = array_set(arrays(tmp_path / "c"), CLASSES)
    for severity in (1, 5):
        images, labels = found.corrupted("fog", severity)
        assert images[:, 0, 0, 0].tolist() == [10 * severity + place for place in range(4)]
        assert labels.tolist() == [0, 1, 2, 0]
        assert not images.flags.owndata
    parts = list(batches(*found.corrupted("fog", 2), 3))
    assert [np.shape(part[0]) for part in parts] == [(3, 8, 8, 3), (1, 8, 8, 3)]


def test_labels_that_are_repeated_for_each_severity_are_read_once(tmp_path: Path) -> None:
    # as in published CIFAR-10-C: 50,000 labels, the 10,000 five times
    folder = arrays(tmp_path / "c", images=5)
    once = array_set(folder, CLASSES).labels
    np.save(folder / "labels.npy", np.tile(np.load(folder / "labels.npy"), 5))
    found = array_set(folder, CLASSES)
    assert once is not None
    assert found.labels is not None
    assert found.labels.tolist() == once.tolist()


def test_classes_are_matched_by_name_where_they_are_named(tmp_path: Path) -> None:
    folder = arrays(tmp_path / "c")
    (folder / "classes.txt").write_text("n03\nn01\nn02\n")
    found = array_set(folder, CLASSES)
    assert found.labels is not None
    assert found.labels.tolist() == [2, 0, 1, 2]
    (folder / "classes.txt").write_text("n03\nn01\nbird of prey\n")
    with pytest.raises(RobustnessSetError, match="the model has no class 'bird of prey'"):
        array_set(folder, CLASSES)


def test_labels_beyond_the_model_s_classes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RobustnessSetError, match="labels from 0 to 2, but 2 classes"):
        array_set(arrays(tmp_path / "c"), ("n01", "n02"))


def test_arrays_of_another_number_type_or_shape_are_named(tmp_path: Path) -> None:
    folder = arrays(tmp_path / "c")
    np.save(folder / "snow.npy", np.zeros((7, 8, 8, 3), np.uint8))
    np.save(folder / "frost.npy", np.zeros((20, 8, 8, 3)))
    (folder / "contrast.npy").write_bytes(b"nothing")
    found = array_set(folder, CLASSES)
    with pytest.raises(RobustnessSetError, match=r"snow\.npy: 7 images, 4 labels"):
        found.corrupted("snow", 1)
    with pytest.raises(RobustnessSetError, match=r"frost\.npy: float64"):
        found.corrupted("frost", 1)
    with pytest.raises(RobustnessSetError, match=r"contrast\.npy: no \.npy file that can be read"):
        found.corrupted("contrast", 1)
    with pytest.raises(RobustnessSetError, match=r"pixelate\.npy: missing"):
        found.corrupted("pixelate", 1)
    with pytest.raises(RobustnessSetError, match=r"expected uint8 \(N, frames, H, W, 3\)"):
        found.sequences("fog")


def test_without_labels_there_are_sequences_and_no_errors(tmp_path: Path) -> None:
    np.save(tmp_path / "tilt.npy", np.zeros((2, 3, 8, 8, 3), np.uint8))
    found = array_set(tmp_path, CLASSES)
    assert found == ArraySet(tmp_path, None)
    assert found.sequences("tilt").shape == (2, 3, 8, 8, 3)
    np.save(tmp_path / "fog.npy", np.zeros((5, 8, 8, 3), np.uint8))
    with pytest.raises(RobustnessSetError, match=r"no labels\.npy"):
        found.corrupted("fog", 1)
