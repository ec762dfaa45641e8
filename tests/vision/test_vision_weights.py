"""The weight of an image reaches the gradient of the cross-entropy."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from nst_asr.corpus import Labeled, Unlabeled
from nst_asr.mix import Mix, MixPlan, mix
from nst_asr.vision.objective import ImageObjective, ImagePiece
from nst_asr.vision.plan import LossPlan
from tests.vision import pictures
from tests.vision.test_objective import objective

WEIGHTS = [0.25, 0.5, 1.0, 2.25] * 3


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Mix:
    folder: Path = tmp_path_factory.mktemp("weighed")
    pool = pictures.rows(folder, 4, first=50)
    copies = pl.DataFrame({"copies": [1] * 12, "weight": WEIGHTS})
    labels, seen = pool.select("id", "label"), Labeled(pictures.rows(folder, 4))
    return mix(seen, Unlabeled(pool.drop("label")), labels, copies, MixPlan(ratio=3))


def gradient(model: torch.nn.Module, loss: torch.Tensor) -> np.ndarray:
    model.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]).numpy()


@pytest.mark.parametrize("pseudo", ["pooled", "ratio"])
def test_the_gradient_is_that_of_the_weighted_mean(data: Mix, pseudo: str) -> None:
    made = objective(data, LossPlan.model_validate({"pseudo": pseudo}))
    (piece,) = made.load(0)
    by_id = dict(zip(data.sources[1].rows["id"], WEIGHTS, strict=True))
    weight = torch.tensor([by_id.get(name, 1.0) for name in piece.ids])
    of_pool = torch.tensor([name in by_id for name in piece.ids])
    made.model.train()
    each = torch.nn.functional.cross_entropy(
        made.model(made.classifier.normalise(piece.images)), piece.targets, reduction="none"
    )
    if pseudo == "pooled":
        expected = (weight * each).sum() / weight.sum()
    else:  # the mean over labeled images, and that over the others weighed by their number (of weights)
        mean = (weight * each)[of_pool].sum() / weight[of_pool].sum()
        expected = each[~of_pool].mean() + mean * weight[of_pool].sum() / (~of_pool).sum()
    by_hand = gradient(made.model, expected)
    found = gradient(made.model, made.loss(piece) / piece.count)
    np.testing.assert_allclose(found, by_hand, rtol=1e-3, atol=1e-4 * float(np.abs(by_hand).max()))
    plain = gradient(made.model, unweighted(made, piece))
    assert float(np.abs(plain - by_hand).max()) > 0.01 * float(np.abs(by_hand).max())


def unweighted(made: ImageObjective, piece: ImagePiece) -> torch.Tensor:
    logits = made.model(made.classifier.normalise(piece.images))
    return torch.nn.functional.cross_entropy(logits, piece.targets)
