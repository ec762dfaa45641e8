"""The robustness tool, with a net that reads the class off the brightness, so that every answer is known."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nst_asr.vision.corruptions import CORRUPTIONS
from nst_asr.vision.model import Classifier
from nst_asr.vision.nets import NetPlan
from nst_asr.vision.perturbations import PERTURBATIONS
from nst_asr.vision.robustness import ALEXNET_ERRORS, ALEXNET_FLIPS, mean_corruption_error, mean_flip_rate
from tests.vision import pictures
from tests.vision.test_robustness_sets import write_video
from tools import score_robustness

CLASSES = tuple(f"n{place:02d}" for place in range(8))
STEP = 30  # of brightness from one class to the next


class Brightness(nn.Module):
    """Logits that fall with the distance from a class's brightness; `shift` makes it miss by so many classes."""

    def __init__(self, shift: int) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.tensor(float(shift)))

    def forward(self, images: Tensor) -> Tensor:
        found = images.mean((1, 2, 3)) * 255 / STEP + self.shift
        return -((found[:, None] - torch.arange(len(CLASSES))) ** 2)


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Folders by name: `exact` reads the brightness, `next` takes each class for the next one."""

    def load(folder: Path, device: str) -> Classifier:
        net = Brightness(1 if folder.name == "next" else 0)
        plain = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
        return Classifier(net, NetPlan(name="convnet5"), CLASSES, 8, 0.875, *plain)

    monkeypatch.setattr(score_robustness, "load", load)
    return lambda name: f"models/{name}"


def grey(label: int, *shape: int) -> np.ndarray:
    return np.full((*shape, 3), STEP * label, np.uint8)


def scored(tmp_path: Path, *arguments: str) -> dict[str, Any]:
    """What the tool writes as JSON."""
    assert score_robustness.main([*arguments, "--device", "cpu", "--json", str(tmp_path / "out.json")]) == 0
    found: dict[str, Any] = json.loads((tmp_path / "out.json").read_text())
    return found


def cifar_c(folder: Path, wrong: int) -> Path:
    """Eight images, a class each; at severity s of each corruption `wrong` x s of forty are made a class brighter."""
    folder.mkdir()
    for name in CORRUPTIONS:
        rows = []
        for severity in range(1, 6):
            rows += [grey(k + (k < wrong * severity), 8, 8) for k in range(7)] + [grey(7, 8, 8)]
        np.save(folder / f"{name}.npy", np.stack(rows))
    np.save(folder / "labels.npy", np.arange(8))
    return folder


def test_errors_of_a_cifar_set_by_hand(tmp_path: Path, models: Callable[[str], str]) -> None:
    folder = cifar_c(tmp_path / "c", 1)
    found = scored(tmp_path, models("exact"), "--cifar-c", str(folder))["cifar-c"][models("exact")]
    assert found["errors"]["fog"] == [1 / 8, 2 / 8, 3 / 8, 4 / 8, 5 / 8]
    assert found["top1"] == pytest.approx(5 / 8)
    assert found["top5"] == 1  # a class too bright is among the five best
    assert "mce" not in found


def test_mce_is_relative_to_the_baseline_which_has_100(
    tmp_path: Path, models: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = cifar_c(tmp_path / "c", 1)
    arguments = [models("exact"), models("next"), "--cifar-c", str(folder), "--baseline", models("next")]
    found = scored(tmp_path, *arguments)["cifar-c"]
    # `next` is wrong on all but the last class, which has no next, and never right on what was made brighter
    assert found[models("next")]["errors"]["snow"] == [7 / 8] * 5
    assert found[models("next")]["mce"] == pytest.approx(100)
    assert found[models("exact")]["mce"] == pytest.approx(100 * 15 / 35)
    said = capsys.readouterr().out
    assert "| % | exact | next |" in said
    assert "| **mCE** | 42.9 | 100.0 |" in said


def test_clean_images_are_scored_where_the_set_has_them(tmp_path: Path, models: Callable[[str], str]) -> None:
    folder = cifar_c(tmp_path / "c", 1)
    np.save(folder / "clean.npy", np.stack([grey(k, 8, 8) for k in (0, 1, 2, 3, 4, 5, 0, 0)]))
    found = scored(tmp_path, models("exact"), "--cifar-c", str(folder))["cifar-c"][models("exact")]
    assert found["clean_error"] == 2 / 8


def test_flips_of_a_cifar_set_by_hand(tmp_path: Path, models: Callable[[str], str]) -> None:
    folder = tmp_path / "p"
    folder.mkdir()
    first = np.stack([grey(k, 8, 8) for k in (1, 2, 2, 2, 2)])  # one flip of four; from the first frame four of four
    steady = np.stack([grey(4, 8, 8)] * 5)
    for name in PERTURBATIONS:
        np.save(folder / f"{name}.npy", np.stack([first, steady]))
    np.save(folder / "labels.npy", np.array([2, 4]))
    arguments = [models("exact"), "--cifar-p", str(folder), "--baseline", models("next")]
    found = scored(tmp_path, *arguments)["cifar-p"][models("exact")]
    assert found["flips"]["tilt"] == 1 / 8
    assert found["flips"]["shot_noise"] == 4 / 8
    assert found["top1"] == pytest.approx(9 / 10)
    assert found["mfr"] == pytest.approx(100)  # the baseline calls each frame another name, as steadily


def test_imagenet_a_is_guessed_among_its_own_classes(tmp_path: Path, models: Callable[[str], str]) -> None:
    # 116 is nearest to n04 (120), which is not in the set; of those that are, to n03 (90)
    pictures.write(tmp_path / "a" / "n03" / "x.png", np.full((20, 30, 3), 116, np.uint8))
    pictures.write(tmp_path / "a" / "n05" / "x.png", grey(5, 16, 16))
    pictures.write(tmp_path / "a" / "n07" / "x.png", grey(1, 16, 16))
    found = scored(tmp_path, models("exact"), "--imagenet-a", str(tmp_path / "a"))["imagenet-a"][models("exact")]
    assert found == {"images": 3, "classes": 3, "top1": pytest.approx(2 / 3), "top5": 1}


def test_imagenet_c_is_measured_by_alexnet(tmp_path: Path, models: Callable[[str], str]) -> None:
    for name in CORRUPTIONS:
        for severity in range(1, 6):
            place = tmp_path / "c" / name / str(severity)
            pictures.write(place / "n01" / "a.png", grey(1, 24, 24))
            pictures.write(place / "n06" / "a.png", grey(6 if severity < 3 else 0, 24, 24))
    found = scored(tmp_path, models("exact"), "--imagenet-c", str(tmp_path / "c"))["imagenet-c"][models("exact")]
    assert found["errors"]["frost"] == [0, 0, 0.5, 0.5, 0.5]
    assert found["ce"]["frost"] == pytest.approx(100 * 0.3 / ALEXNET_ERRORS["frost"])
    assert found["mce"] == pytest.approx(mean_corruption_error(found["errors"]))
    assert (found["top1"], found["top5"]) == (pytest.approx(0.7), pytest.approx(0.7))


def test_imagenet_p_is_measured_by_alexnet(tmp_path: Path, models: Callable[[str], str]) -> None:
    for name in PERTURBATIONS:
        frames = np.stack([grey(k, 16, 16) for k in (3, 3, 4, 4)])
        write_video(tmp_path / "p" / name / "n03" / "a.mp4", frames)
    found = scored(tmp_path, models("exact"), "--imagenet-p", str(tmp_path / "p"))["imagenet-p"][models("exact")]
    assert found["flips"]["gaussian_noise"] == pytest.approx(2 / 3)
    assert found["flips"]["rotate"] == pytest.approx(1 / 3)
    assert found["fr"]["rotate"] == pytest.approx(100 / 3 / ALEXNET_FLIPS["rotate"])
    assert found["mfr"] == pytest.approx(mean_flip_rate(found["flips"]))
    assert found["top1"] == pytest.approx(0.5)


def test_a_set_that_lacks_a_corruption_is_named(
    tmp_path: Path, models: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = cifar_c(tmp_path / "c", 1)
    (folder / "fog.npy").unlink()
    assert score_robustness.main([models("exact"), "--cifar-c", str(folder), "--device", "cpu"]) == 1
    assert "no fog; unpack all 15" in capsys.readouterr().err


def test_no_set_is_a_mistake_of_usage_and_no_model_folder_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        score_robustness.main(["model"])
    assert "--cifar-c, --cifar-p, --imagenet-a" in capsys.readouterr().err
    assert score_robustness.main([str(tmp_path), "--cifar-c", str(tmp_path), "--device", "cpu"]) == 1
    assert str(tmp_path) in capsys.readouterr().err
