"""The loss of a batch of images: the paper's and the pooled one, and how a batch is cut."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from nst_asr.corpus import Labeled, Unlabeled
from nst_asr.key import Key
from nst_asr.mix import Batches, Mix, MixPlan, mix
from nst_asr.plan import FitPlan
from nst_asr.vision.gallery import Gallery
from nst_asr.vision.model import Classifier
from nst_asr.vision.nets import NetPlan, build
from nst_asr.vision.noise import NoisePlan
from nst_asr.vision.objective import ImageObjective, ImagePiece
from nst_asr.vision.plan import LossPlan
from nst_asr.vision.randaugment import RandAugmentPlan
from tests.vision import pictures

CLASSES = pictures.CLASSES


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Mix:
    folder = tmp_path_factory.mktemp("pictures")
    pool = pictures.rows(folder, 20, first=50)
    labels = pool.select("id", "label").with_columns(
        soft_index=pl.Series([[0, 1]] * len(pool), dtype=pl.List(pl.Int32)),
        soft_prob=pl.Series([[0.75, 0.25]] * len(pool), dtype=pl.List(pl.Float16)),
    )
    seen, unseen = Labeled(pictures.rows(folder, 6)), Unlabeled(pool.drop("label"))
    return mix(seen, unseen, labels, None, MixPlan(ratio=3))


def objective(data: Mix, loss: LossPlan | None = None, noise: NoisePlan | None = None, **fit: object) -> ImageObjective:
    plan = FitPlan.model_validate({"updates": 10, "batch": 16.0, "warmup": 0} | fit)
    torch.manual_seed(0)
    net = build(NetPlan(name="convnet5", width=0.25), len(CLASSES))
    classifier = Classifier(net, NetPlan(name="convnet5", width=0.25), CLASSES, 16, 1.0, (0.5,) * 3, (0.25,) * 3)
    batches = Batches(data, plan.batch, Key(0)["batches"])
    return ImageObjective(classifier, batches, noise, plan, loss or LossPlan(), Gallery(10), Key(0))


def losses(made: ImageObjective, piece: ImagePiece) -> np.ndarray:
    """Cross-entropy of each image, by torch's own function."""
    made.model.train()
    logits = made.model(made.classifier.normalise(piece.images))
    return torch.nn.functional.cross_entropy(logits, piece.targets, reduction="none").detach().numpy()


def value(made: ImageObjective) -> tuple[float, np.ndarray, np.ndarray]:
    """The loss of batch 0, and those of its labeled and pseudo-labeled images."""
    (piece,) = made.load(0)
    each = losses(made, piece)
    pseudo = np.array([name in set(made.batches.streams[1].source.rows["id"]) for name in piece.ids])
    return float(made.loss(piece).detach()) / piece.count, each[~pseudo], each[pseudo]


def test_pooled_is_the_mean_over_all_images(data: Mix) -> None:
    found, labeled, pseudo = value(objective(data))
    assert (len(labeled), len(pseudo)) == (4, 12)
    assert found == pytest.approx(np.concatenate([labeled, pseudo]).mean(), rel=1e-5)


@pytest.mark.parametrize(("weight", "factor"), [("ratio", 3.0), (1.0, 1.0), (0.5, 0.5)])
def test_otherwise_it_is_the_labeled_mean_plus_the_weighted_pseudo_mean(
    data: Mix, weight: str | float, factor: float
) -> None:
    found, labeled, pseudo = value(objective(data, LossPlan.model_validate({"pseudo": weight})))
    assert found == pytest.approx(labeled.mean() + factor * pseudo.mean(), rel=1e-5)


def test_labeled_images_have_smoothed_classes_and_the_others_the_teachers_shares(data: Mix) -> None:
    (piece,) = objective(data, LossPlan(label_smoothing=0.3)).load(0)
    assert piece.targets[4:].tolist() == [[0.75, 0.25, 0.0]] * 12
    np.testing.assert_allclose(np.sort(piece.targets[:4].numpy(), axis=1), [[0.1, 0.1, 0.8]] * 4, rtol=1e-6)


@pytest.mark.parametrize(("accumulate", "world"), [(1, 2), (2, 1), (2, 2), (3, 1), (20, 1)])
def test_however_a_batch_is_cut_it_holds_the_same_images(data: Mix, accumulate: int, world: int) -> None:
    noise = NoisePlan(crop="pad", rand_augment=RandAugmentPlan(ops=2, magnitude=9))
    (whole,) = objective(data, noise=noise).load(3)
    cut = objective(data, noise=noise, accumulate=accumulate)
    pieces = [piece for rank in range(world) for piece in cut.load(3, rank, world)]
    assert len(pieces) == min(accumulate * world, 16)
    assert sum(piece.count for piece in pieces) == whole.count
    found = {(name, image.numpy().tobytes()) for p in pieces for name, image in zip(p.ids, p.images, strict=True)}
    assert found == {(name, image.numpy().tobytes()) for name, image in zip(whole.ids, whole.images, strict=True)}
    if len(pieces) <= 4:  # labeled and pseudo-labeled images are dealt to each alike
        labeled = set(data.sources[0].rows["id"])
        assert {sum(name in labeled for name in p.ids) for p in pieces} <= {1, 2, 4 // len(pieces)}


def test_images_do_not_depend_on_the_number_of_readers(data: Mix) -> None:
    noise = NoisePlan(crop="pad", rand_augment=RandAugmentPlan(), cutout=4)
    (one,), (three,) = (objective(data, noise=noise, loaders=n).load(2) for n in (1, 3))
    assert torch.equal(one.images, three.images)
    assert one.ids == three.ids


def test_another_step_or_seed_noises_otherwise_and_without_noise_images_are_clean(data: Mix) -> None:
    noise = NoisePlan(crop="pad", flip=0.5)
    made = objective(data, noise=noise)
    assert not torch.equal(made.load(0)[0].images, made.load(1)[0].images)
    (clean,) = objective(data, noise=None).load(0)
    label, number = clean.ids[0].rsplit("-", 1)
    np.testing.assert_array_equal(clean.images[0].numpy(), pictures.image(label, int(number)))


def test_an_image_that_went_away_is_named(data: Mix, tmp_path: Path) -> None:
    rows = pictures.rows(tmp_path, 6)
    Path(rows["path"][0]).unlink()
    made = objective(mix(Labeled(rows)), batch=18.0)
    fails: Callable[[], object] = lambda: made.load(0)  # noqa: E731 - named for the reader
    with pytest.raises(ValueError, match=rows["path"][0]):
        fails()
