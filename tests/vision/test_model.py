"""Classifiers: from pixels to classes, to a folder and back, and from published weights."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from nst_asr.store import StoreError
from nst_asr.vision import efficientnet, model
from nst_asr.vision.model import Classifier, ModelError, from_published, load
from nst_asr.vision.nets import NetPlan, build

CLASSES = ("cat", "dog", "frog")
MEAN, STD = (0.5, 0.4, 0.3), (0.25, 0.2, 0.1)
B0 = NetPlan(name="efficientnet_b0")


def classifier(name: str = "resnet9", classes: tuple[str, ...] = CLASSES, seed: int = 0) -> Classifier:
    """A net whose running statistics are not those that it began with."""
    plan = NetPlan(name=name)
    torch.manual_seed(seed)
    net = build(plan, len(classes), dropout=0.5, survival=1.0 if "conv" in name else 0.8)
    net.train()(torch.randn(8, 3, 8, 8))
    return Classifier(net, plan, classes, 8, 1.0, MEAN, STD)


def images(count: int = 5, side: int = 8) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def b0() -> torch.nn.Module:
    torch.manual_seed(0)
    return timm.create_model("tf_efficientnet_b0", num_classes=3).eval()


def test_images_are_normalised_by_hand() -> None:
    seen = classifier().normalise(torch.from_numpy(images()))
    assert seen.is_contiguous(memory_format=torch.channels_last)
    by_hand = (images().astype(np.float64) / 255 - MEAN) / STD
    np.testing.assert_allclose(seen.numpy(), by_hand.transpose(0, 3, 1, 2), rtol=1e-5, atol=1e-6)


def test_logits_are_those_of_evaluation_whatever_the_mode() -> None:
    made = classifier()
    made.net.train()
    first, second = made.logits(images()), made.logits(torch.from_numpy(images()))
    assert torch.equal(first, second)
    assert (first.dtype, first.shape) == (torch.float32, (5, 3))
    assert torch.equal(first, made.net.eval()(made.normalise(torch.from_numpy(images()))))
    torch.testing.assert_close(first[2:3], made.logits(images()[2:3]))


def test_probabilities_by_hand() -> None:
    made = classifier()
    for temperature in (1.0, 2.5):
        powers = [[math.exp(value / temperature) for value in row] for row in made.logits(images()).tolist()]
        by_hand = [[value / sum(row) for value in row] for row in powers]
        torch.testing.assert_close(made.probabilities(images(), temperature), torch.tensor(by_hand))
    with pytest.raises(ModelError, match="temperature = 0"):
        made.probabilities(images(), 0)


@pytest.mark.parametrize("wrong", [images(side=9), images()[0], images().astype(np.float32), images()[..., :1]])
def test_images_of_another_kind_are_refused(wrong: np.ndarray) -> None:
    with pytest.raises(ModelError, match=r"expected uint8 \(B, 8, 8, 3\)"):
        classifier().logits(wrong)


def test_another_resolution_may_be_set() -> None:
    assert replace(classifier(), resolution=9).logits(images(side=9)).shape == (5, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": ("cat", "cat")}, "the class 'cat' occurs twice"),
        ({"classes": ()}, "there are no classes"),
        ({"crop": 1.1}, r"crop = 1\.1"),
        ({"resolution": 0}, "resolution = 0"),
        ({"std": (0.2, 0.0, 0.2)}, r"std = .*is a channel the same everywhere"),
    ],
)
def test_a_classifier_that_cannot_be_used_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        replace(classifier(), **change)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["convnet5", "resnet20", "efficientnet_b0"])
def test_a_classifier_comes_back_from_its_folder_bit_for_bit(tmp_path: Path, name: str) -> None:
    made = classifier(name)
    made.save(tmp_path, {"teacher": "none"})
    before = torch.random.get_rng_state()
    again = load(tmp_path)
    assert torch.equal(torch.random.get_rng_state(), before)  # drew nothing
    assert replace(again, net=made.net) == made
    assert torch.equal(again.logits(images()), made.logits(images()))
    ours, theirs = made.net.state_dict(), again.net.state_dict()
    assert all(torch.equal(ours[key], theirs[key]) and ours[key].dtype == theirs[key].dtype for key in ours)
    counts = [value for key, value in load_file(tmp_path / "weights.safetensors").items() if key.endswith("tracked")]
    assert {(value.dtype, int(value)) for value in counts} == {(torch.int64, 1)}


def test_the_description_says_what_the_model_is(tmp_path: Path) -> None:
    classifier("convnet5").save(tmp_path, {"teacher": "none"})
    content = json.loads((tmp_path / "model.json").read_text())
    assert content["architecture"] == {"name": "convnet5", "width": 1.0}
    assert (content["classes"], content["lineage"]) == ([*CLASSES], {"teacher": "none"})
    assert content["parameters"] == 112_938 - 7 * 97  # three classes instead of ten


def test_the_hash_changes_with_what_decides_and_with_nothing_else(tmp_path: Path) -> None:
    made = classifier()

    def sealed(name: str, changed: Classifier, lineage: str = "first") -> str:
        changed.save(tmp_path / name, {"from": lineage})
        assert (tmp_path / name / "HASH").read_text().strip() == model.folder_hash(tmp_path / name)
        return model.folder_hash(tmp_path / name)

    first = sealed("first", made)
    assert sealed("lineage", made, "second") == first
    hashes = [
        first,
        sealed("class", replace(made, classes=("cat", "dog", "toad"))),
        sealed("order", replace(made, classes=("dog", "cat", "frog"))),
        sealed("crop", replace(made, crop=0.875)),
        sealed("resolution", replace(made, resolution=16)),
        sealed("mean", replace(made, mean=(0.5, 0.4, 0.31))),
    ]
    with torch.no_grad():
        next(made.net.parameters())[0, 0, 0, 0] += 1e-3
    hashes.append(sealed("weight", made))
    assert len(set(hashes)) == len(hashes)


def test_averaged_weights_are_saved_as_whole_numbers_where_they_count(tmp_path: Path) -> None:
    made = classifier()
    made.net.load_state_dict({key: value.float() for key, value in made.net.state_dict().items()})
    made.save(tmp_path, {})
    assert torch.equal(load(tmp_path).logits(images()), made.logits(images()))


def truncate(folder: Path) -> None:
    weights = folder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def flip(folder: Path) -> None:
    weights = folder / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-5] ^= 1
    weights.write_bytes(content)


def unlink(folder: Path) -> None:
    (folder / "weights.safetensors").unlink()


def rename(folder: Path) -> None:
    text = (folder / "model.json").read_text()
    (folder / "model.json").write_text(text.replace("frog", "toad"))


def halve(folder: Path) -> None:
    (folder / "model.json").write_text((folder / "model.json").read_text()[:100])


@pytest.mark.parametrize("damage", [truncate, flip, unlink, rename, halve])
def test_a_damaged_folder_is_named(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    classifier("convnet5").save(tmp_path, {})
    damage(tmp_path)
    with pytest.raises(StoreError, match=rf"{tmp_path}: a damaged model folder"):
        load(tmp_path)


def test_a_folder_whose_weights_are_those_of_another_net_is_named(tmp_path: Path) -> None:
    replace(classifier("convnet5"), architecture=NetPlan(name="convnet6")).save(tmp_path, {})
    with pytest.raises(StoreError, match=r"(?s)a damaged model folder .*Missing key"):
        load(tmp_path)


def test_an_unfinished_folder_is_no_model(tmp_path: Path) -> None:
    classifier("convnet5").save(tmp_path, {})
    (tmp_path / "HASH").unlink()
    with pytest.raises(StoreError, match=r"not a model folder \(no HASH\)"):
        load(tmp_path)


def old_pth(path: Path, state: dict[str, Tensor]) -> Path:
    """As published: a plain file of torch, without counts of batches."""
    torch.save({name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}, path)
    return path


def test_published_weights_become_a_classifier(tmp_path: Path, b0: torch.nn.Module) -> None:
    save_file(b0.state_dict(), tmp_path / "b0.safetensors")
    torch.save({"state_dict": b0.state_dict()}, tmp_path / "b0.pth")
    paths = [tmp_path / "b0.safetensors", tmp_path / "b0.pth", old_pth(tmp_path / "old.pth", b0.state_dict())]
    for path in paths:
        made = from_published(path, B0, CLASSES)
        assert (made.resolution, made.crop) == (224, 0.875)
        assert made.mean == (0.485, 0.456, 0.406)
        made = replace(made, resolution=64)
        with torch.inference_mode():
            theirs = b0(made.normalise(torch.from_numpy(images(2, 64))))
        torch.testing.assert_close(made.logits(images(2, 64)), theirs, rtol=1e-3, atol=1e-4)
    made.save(tmp_path / "model", {"published": "b0"})
    assert torch.equal(load(tmp_path / "model").logits(images(2, 64)), made.logits(images(2, 64)))


def test_resolution_and_crop_of_published_weights_may_be_given(tmp_path: Path, b0: torch.nn.Module) -> None:
    made = from_published(old_pth(tmp_path / "b0.pth", b0.state_dict()), B0, CLASSES, resolution=32, crop=1.0)
    assert (made.resolution, made.crop) == (32, 1.0)


def test_published_resolutions_and_crops_are_known() -> None:
    seen = {name: efficientnet.published(name) for name in efficientnet.NAMES}
    assert [each.resolution for each in seen.values()] == [224, 240, 260, 300, 380, 456, 528, 600, 672, 800]
    assert (seen["efficientnet_b7"].crop, seen["efficientnet_l2"].crop) == (0.949, 0.96)


def test_how_published_weights_do_not_fit_is_said(tmp_path: Path, b0: torch.nn.Module) -> None:
    path, state = tmp_path / "b0.pth", dict(b0.state_dict())
    old_pth(path, state)
    with pytest.raises(ModelError, match=r"b0\.pth: its classifier has 3 classes, 2 names were given"):
        from_published(path, B0, ("cat", "dog"))
    with pytest.raises(ModelError, match=r"not the weights of efficientnet_b1: lacks blocks\.0\.1\."):
        from_published(path, NetPlan(name="efficientnet_b1"), CLASSES)
    with pytest.raises(ModelError, match="resnet9: weights are published for EfficientNets"):
        from_published(path, NetPlan(name="resnet9"), CLASSES)
    with pytest.raises(ModelError, match="has besides extra"):
        from_published(old_pth(path, state | {"extra": torch.zeros(1)}), B0, CLASSES)
    with pytest.raises(ModelError, match=r"another shape conv_stem\.weight \(1,\), expected \(32, 3, 3, 3\)"):
        from_published(old_pth(path, state | {"conv_stem.weight": torch.zeros(1)}), B0, CLASSES)


def test_a_file_that_holds_no_weights_is_named(tmp_path: Path) -> None:
    for name, content in (("a.pth", b"no"), ("a.safetensors", b"no"), ("b.pth", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ModelError, match=f"{name}: not weights that can be read"):
            from_published(tmp_path / name, B0, CLASSES)
    torch.save([1], tmp_path / "list.pth")
    with pytest.raises(ModelError, match=r"list\.pth: holds no named weights"):
        from_published(tmp_path / "list.pth", B0, CLASSES)
    with pytest.raises(ModelError, match=r"none\.pth: not weights that can be read"):
        from_published(tmp_path / "none.pth", B0, CLASSES)
