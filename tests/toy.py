"""The toy task: points on a line, two classes, a model of two means. It runs the whole loop in about a second."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from nst_asr import score as scoring
from nst_asr.config import Record
from nst_asr.corpus import Block, Corpus, Labeled, Truth, Unlabeled
from nst_asr.key import Key
from nst_asr.labels import SCHEMA
from nst_asr.mix import Batches, Mix
from nst_asr.plan import Decoding, Plan, TrainPlan
from nst_asr.score import Score
from nst_asr.task import Model, Shares

NAMES = ("left", "right")


class ToyNoise(Record):
    jitter: float = 0.1

    def components(self) -> dict[str, float]:
        return {"jitter": self.jitter}


class ToyTrain(TrainPlan):
    noise: ToyNoise = ToyNoise()


class ToyDecode(Decoding):
    pass


class ToyPlan(Plan[ToyTrain, ToyDecode]):
    pass


@dataclass(frozen=True)
class ToyLabeler:
    model: Path

    @property
    def fingerprint(self) -> str:
        return Model(self.model).hash

    def __call__(self, block: Block) -> pl.DataFrame:
        means = json.loads((self.model / "means.json").read_text())
        distance = np.abs(block.rows["x"].to_numpy()[:, None] - np.array([means[name] for name in NAMES]))
        probability = np.exp(-distance) / np.exp(-distance).sum(1, keepdims=True)
        best = distance.argmin(1)
        rows = [
            dict.fromkeys(SCHEMA)
            | {"id": name, "size": 1.0, "label": NAMES[k], "tokens": [int(k)], "logprob": float(np.log(p[k]))}
            | {"confidence": float(p[k]), "entropy_confidence": float(p[k])}
            for name, k, p in zip(block.rows["id"], best, probability, strict=True)
        ]
        return pl.DataFrame(rows, schema=SCHEMA)


@dataclass(frozen=True)
class Toy:
    def train(self, data: Mix, plan: ToyTrain, *, init: Path | None, out: Path, key: Key) -> Model:
        batches, points = Batches(data, plan.fit.batch, key["batches"]), {name: [0.0] for name in NAMES}
        for step in range(plan.fit.updates):
            for draw in batches[step]:
                row = draw.source.rows.row(draw.row, named=True)
                noise = key["noise", step, draw.id].generator().normal(0, plan.noise.jitter)
                points[row["label"]].append(row["x"] + noise)
        (out / "means.json").write_text(json.dumps({name: float(np.mean(xs)) for name, xs in points.items()}))
        (out / "HASH").write_text(str(key.number()))
        return Model(out)

    def labeler(self, teachers: Sequence[Model], plan: ToyDecode) -> ToyLabeler:
        return ToyLabeler(teachers[0].path)

    def tune(self, teachers: Sequence[Model], dev: Labeled, plan: ToyDecode) -> dict[str, Any]:
        return {"plan": plan.model_dump(mode="json")}

    def score(self, model: Model, data: Labeled, plan: ToyDecode) -> Score:
        heard = ToyLabeler(model.path)(Block(0, data.without_labels().rows))
        return scoring.score(data.rows.select("id", "group", "label"), heard.select("id", "label"))

    def shares(self, data: Labeled, teachers: Sequence[Model]) -> Shares:
        return Shares(np.array([(data.rows["label"] == name).sum() for name in NAMES]), NAMES)


def rows(prefix: str, count: int, seed: int) -> pl.DataFrame:
    """Points with their class: the left ones around -1, the right ones around 1."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, count)
    return pl.DataFrame(
        {
            "id": [f"{prefix}{i}" for i in range(count)],
            "size": [1.0] * count,
            "group": [f"{prefix}-{i % 7}" for i in range(count)],
            "x": label * 2.0 - 1 + rng.normal(0, 0.6, count),
            "label": [NAMES[k] for k in label],
        },
        schema_overrides={"size": pl.Float32},
    )


def corpus(seed: int = 0) -> tuple[Corpus, Labeled, Truth]:
    """Corpus, test set and the pool's truth."""
    pool = rows("pool", 300, seed + 1)
    parts = Corpus(
        Labeled(rows("labeled", 6, seed)), Unlabeled(pool.drop("label")), Labeled(rows("dev", 80, seed + 2), "dev")
    )
    return parts, Labeled(rows("test", 100, seed + 3)), Truth(pool.select("id", "label"))


def plan(**changes: object) -> ToyPlan:
    """Two generations."""
    from nst_asr import config
    from nst_asr.plan import expand

    content = {
        "recipe": "toy",
        "label": {},
        "teacher": {"fit": {"updates": 5, "batch": 6.0, "warmup": 0}, "noise": {"jitter": 0.1}},
        "generation": {"mix": {"pseudo_share": 0.5}, "student": {"fit": {"batch": 12.0}, "noise": {"jitter": 0.2}}},
        "generations": 2,
        "block": 64,
    }
    return config.parse(ToyPlan, expand(config.merge(content, changes)))
