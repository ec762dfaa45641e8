"""What a classifier says of a pool: rows of the label table, hard and soft."""

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from nst_asr.corpus import Block, Unlabeled
from nst_asr.labels import SCHEMA, label
from nst_asr.store import StoreError
from nst_asr.task import Model
from nst_asr.vision.labeler import VisionLabeler, table
from nst_asr.vision.model import Classifier, load
from nst_asr.vision.nets import NetPlan, build
from nst_asr.vision.plan import LabelPlan
from tests.vision import pictures

CLASSES = pictures.CLASSES


def teacher(folder: Path, seed: int = 0, classes: tuple[str, ...] = CLASSES) -> Model:
    torch.manual_seed(seed)
    plan = NetPlan(name="resnet6", width=0.25)
    net = build(plan, len(classes), dropout=0.5, survival=0.5)
    Classifier(net, plan, classes, 16, 1.0, (0.5,) * 3, (0.25,) * 3).save(folder, {})
    return Model(folder)


def labeler(*teachers: Model, **plan: object) -> VisionLabeler:
    settings = LabelPlan.model_validate({"batch": 7} | plan)
    return VisionLabeler(tuple(t.path for t in teachers), tuple(t.hash for t in teachers), settings, "cpu")


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    return pictures.rows(tmp_path_factory.mktemp("pool"), 10).drop("label")


def test_the_rows_of_the_table_follow_from_the_probabilities() -> None:
    rows = pl.DataFrame({"id": ["a", "b"], "size": [1.0, 1.0]}, schema_overrides={"size": pl.Float32})
    sure = np.array([[0.5, 0.25, 0.25], [0.0, 0.0, 1.0]])
    found = table(rows, sure, np.array([[0.4, 0.35, 0.25], [0.0, 0.0, 1.0]]), CLASSES, 2)
    assert found.schema == pl.Schema(SCHEMA)
    assert found["label"].to_list() == ["blue", "red"]
    assert found["tokens"].to_list() == [[0], [2]]
    assert found["confidence"].to_list() == [0.5, 1.0]
    assert found["logprob"].to_list() == pytest.approx([math.log(0.5), 0.0])
    assert found["entropy_confidence"].to_list() == pytest.approx([1 - 1.5 * math.log(2) / math.log(3), 1.0], abs=1e-6)
    assert found["soft_index"].to_list() == [[0, 1], [2, 0]]
    assert found["soft_prob"].to_list()[0] == pytest.approx([0.4 / 0.75, 0.35 / 0.75], abs=1e-3)
    assert table(rows, sure, sure, CLASSES, 0)["soft_index"].null_count() == 2


def test_labels_do_not_depend_on_blocks_readers_or_workers(pool: pl.DataFrame, tmp_path: Path) -> None:
    model = teacher(tmp_path / "model")
    whole = labeler(model, soft=3)(Block(0, pool))
    again = labeler(model, soft=3, loaders=3)(Block(0, pool))
    assert whole.equals(again)
    workers = label(labeler(model, soft=3, batch=8), Unlabeled(pool), tmp_path / "labels", block=8, workers=2)
    assert workers.scan().collect()["label"].to_list() == whole["label"].to_list()
    assert labeler(model, loaders=3).fingerprint == labeler(model).fingerprint != labeler(model, soft=3).fingerprint


def test_the_label_path_sees_no_noise_though_the_net_was_trained_with_it(pool: pl.DataFrame, tmp_path: Path) -> None:
    made = labeler(teacher(tmp_path / "model"), soft=3)
    first = made(Block(0, pool))
    torch.manual_seed(5)
    assert made(Block(0, pool)).equals(first)
    (model,) = made.classifiers()
    assert not model.net.training
    assert not any(module.training for module in model.net.modules())


def test_soft_labels_are_the_distribution_at_their_temperature(pool: pl.DataFrame, tmp_path: Path) -> None:
    model = teacher(tmp_path / "model")
    images = np.stack([pictures.image(*(name.rsplit("-", 1)[0], int(name.rsplit("-", 1)[1]))) for name in pool["id"]])
    for temperature in (1.0, 4.0):
        found = labeler(model, soft=3, temperature=temperature)(Block(0, pool))
        expected = load(model.path).probabilities(images, temperature).numpy()
        for row, index, share in zip(expected, found["soft_index"], found["soft_prob"], strict=True):
            np.testing.assert_allclose(row[index.to_numpy()], share.cast(pl.Float32).to_numpy(), atol=2e-3)
    with pytest.raises(ValueError, match="temperature = 4 has no effect on hard labels"):
        LabelPlan(temperature=4.0)


def test_several_teachers_vote_with_the_mean_of_their_probabilities(pool: pl.DataFrame, tmp_path: Path) -> None:
    models = [teacher(tmp_path / str(seed), seed) for seed in (0, 1)]
    both = labeler(*models)(Block(0, pool))
    images = np.stack([pictures.image(*(name.rsplit("-", 1)[0], int(name.rsplit("-", 1)[1]))) for name in pool["id"]])
    mean = np.mean([load(model.path).probabilities(images).numpy() for model in models], axis=0)
    np.testing.assert_allclose(both["confidence"].to_numpy(), mean.max(1), rtol=1e-5)


def test_teachers_of_other_classes_are_no_ensemble(pool: pl.DataFrame, tmp_path: Path) -> None:
    models = [teacher(tmp_path / "a"), teacher(tmp_path / "b", classes=("blue", "green", "mauve"))]
    with pytest.raises(StoreError, match="the same classes in the same order"):
        labeler(*models)(Block(0, pool))
