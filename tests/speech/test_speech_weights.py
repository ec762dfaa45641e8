"""The weight of an utterance reaches the gradient of the CTC loss."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from nst_asr.corpus import Labeled, Unlabeled
from nst_asr.curriculum import Curriculum
from nst_asr.key import Key
from nst_asr.mix import MixPlan, mix
from nst_asr.speech.model import load
from nst_asr.speech.noise import NoisePlan
from nst_asr.speech.objective import SpeechObjective
from nst_asr.speech.plan import SpeechFit
from tests.speech import recognisers

WEIGHTS = {"u0": 0.5, "u1": 2.0, "u2": 0.25, "u3": 1.25}


def objective(folder: Path, weights: dict[str, float]) -> SpeechObjective:
    """A batch of two labeled and four pseudo-labeled utterances, without noise."""
    torch.manual_seed(0)
    model = load(recognisers.recogniser(folder / "model", seed=0).path)
    rows = recognisers.rows(folder / "audio").with_columns(group=pl.lit("s"))
    text = pl.Series("label", [" ".join(recognisers.WORDS[: 1 + i % 3]) for i in range(len(rows))])
    copies = pl.DataFrame({"copies": [1] * 4, "weight": [weights[name] for name in rows["id"][:4]]})
    seen = Labeled(rows[4:].with_columns(text[4:]))
    labels = rows[:4].select("id").with_columns(text[:4])
    data = mix(seen, Unlabeled(rows[:4]), labels, copies, MixPlan(pooled=True))
    total = float(rows["size"].sum())
    return SpeechObjective(
        model=model.conformer,
        batches=Curriculum(data, total, Key(0), ()),
        noise=NoisePlan(dropout=0.0),
        fit=SpeechFit(updates=1, batch=total, warmup=0),
        tokenizer=model.tokenizer,
        features=model.features,
        statistics=model.statistics,
        device=torch.device("cpu"),
        key=Key(0),
    )


def gradient(made: SpeechObjective, piece: object) -> np.ndarray:
    made.model.zero_grad()
    made.loss(piece).backward()  # type: ignore[arg-type, no-untyped-call]
    return torch.cat([p.grad.flatten() for p in made.model.parameters() if p.grad is not None]).numpy().astype(float)


def test_the_gradient_of_a_batch_is_the_weighted_sum_of_those_of_its_utterances(tmp_path: Path) -> None:
    made = objective(tmp_path, WEIGHTS)
    (piece,) = made.load(0)
    piece = replace(piece, noised=False)
    found = dict(zip(piece.ids, piece.weights.tolist(), strict=True))
    assert {name: weight for name, weight in found.items() if name in WEIGHTS} == WEIGHTS
    assert found["u4"] == found["u5"] == 1.0
    assert piece.count == pytest.approx(
        sum(weight * len(tokens) for weight, tokens in zip(piece.weights.tolist(), piece.tokens, strict=True))
    )
    alone = [gradient(made, replace(piece, weights=one)) for one in torch.eye(len(piece.ids))]
    expected = sum(weight * each for weight, each in zip(piece.weights.tolist(), alone, strict=True))
    np.testing.assert_allclose(gradient(made, piece), expected, rtol=1e-3, atol=1e-3 * float(np.abs(expected).max()))
    plain = gradient(made, replace(piece, weights=torch.ones(len(piece.ids))))
    assert float(np.abs(plain - expected).max()) > 0.05 * float(np.abs(expected).max())
