"""What a fourth reader found wrong with several processes, run folders and lessons, held as tests."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
import toy
import yaml

from nst_asr import config
from nst_asr.config import ConfigError
from nst_asr.corpus import Labeled, Unlabeled
from nst_asr.key import Key
from nst_asr.mix import Batches, MixPlan, mix
from nst_asr.run import open_run
from nst_asr.speech.conformer import Conformer, ConformerPlan
from nst_asr.speech.plan import SpeechTrain
from nst_asr.store import StoreError


def test_a_folder_made_before_a_key_existed_can_be_gone_on_with(tmp_path: Path) -> None:
    parts, _, _ = toy.corpus()
    open_run(tmp_path, toy.plan(), {"labeled": parts.labeled})
    (tmp_path / "gen0" / "student").mkdir(parents=True)
    old = config.load_yaml((tmp_path / "plan.yaml").read_text())
    del old["teacher"]["fit"]["loaders"], old["teacher"]["fit"]["recompute"]
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(old))
    open_run(tmp_path, toy.plan(), {"labeled": parts.labeled})


def test_what_changes_speed_alone_is_no_other_plan(tmp_path: Path) -> None:
    parts, _, _ = toy.corpus()
    open_run(tmp_path, toy.plan(), {"labeled": parts.labeled})
    (tmp_path / "gen0" / "student").mkdir(parents=True)
    faster = config.merge(toy.plan().model_dump(mode="json"), {"teacher": {"fit": {"loaders": 4, "log_every": 5}}})
    open_run(tmp_path, config.parse(toy.ToyPlan, faster), {"labeled": parts.labeled})
    other = config.merge(faster, {"teacher": {"fit": {"updates": 7}}})
    with pytest.raises(StoreError, match=r"teacher\.fit\.updates: 5 -> 7"):
        open_run(tmp_path, config.parse(toy.ToyPlan, other), {"labeled": parts.labeled})


def test_a_manifest_that_changed_after_it_was_checked_is_refused(tmp_path: Path) -> None:
    """The old check was kept, and the new rows silently left out."""
    parts, _, _ = toy.corpus()
    open_run(tmp_path, toy.plan(), {"labeled": parts.labeled})
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "labeled.parquet").touch()
    with pytest.raises(StoreError, match="labels of `labeled` have changed"):
        open_run(tmp_path, toy.plan(), {"labeled": Labeled(toy.rows("labeled", 12, 0))})


def test_lessons_as_long_as_the_training_are_refused() -> None:
    plan = {"fit": {"updates": 5, "batch": 8.0, "warmup": 1}, "curriculum": [{"updates": 5}]}
    with pytest.raises(ConfigError, match="the curriculum takes 5 of 5 updates"):
        config.parse(SpeechTrain, plan)


def test_a_lesson_recomputes_too() -> None:
    """It trains in evaluation mode, which once kept every activation."""
    model = Conformer(ConformerPlan(width=16, blocks=2, heads=2, kernel=5, channels=4), 12, 5, recompute=True).eval()
    kept: list[int] = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor.numel())
        return tensor

    sums = []
    for recompute in (True, False):
        model.recompute = recompute
        kept.clear()
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            model(torch.randn(2, 200, 12), torch.tensor([200, 200]))
        sums.append(sum(kept))
    assert sums[0] < 0.6 * sums[1]


def test_streamed_blocks_are_those_of_the_manifest_whatever_the_filter_leaves() -> None:
    rng = np.random.default_rng(0)
    names = {"id": [f"p{i}" for i in range(400)], "size": [1.0] * 400, "group": ["g"] * 400}
    pool = Unlabeled(pl.DataFrame(names, schema_overrides={"size": pl.Float32}))
    labeled = Labeled(pool.rows.with_columns(id="a" + pl.col("id"), label=pl.lit("x")).head(20))
    labels = pool.rows.select("id").with_columns(label=pl.lit("y"))
    copies = pl.DataFrame({"copies": rng.integers(0, 3, 400), "weight": np.ones(400, np.float32)})
    plan = MixPlan(pseudo_share=0.5, order="streamed", block=50, together=1, window=1)
    batches = Batches(mix(labeled, pool, labels, copies, plan), 10, Key(0))
    total = int(copies["copies"].sum())
    drawn = [d for step in range(total // 5) for d in batches[step] if d.source.name == "pseudo"]
    blocks = [int(draw.id[1:]) // 50 for draw in drawn if draw.lap == 0]
    visits = [block for block, before in zip(blocks, [-1, *blocks], strict=False) if block != before]
    assert len(visits) == len(set(visits)) == 8
