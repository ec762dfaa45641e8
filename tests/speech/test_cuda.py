"""The same on a GPU: skipped where there is none."""

from pathlib import Path

import pytest
import torch

from nst_asr import cli
from nst_asr.corpus import Block, Unlabeled
from nst_asr.score import read_score
from nst_asr.speech.corpora.manifests import read_manifest
from nst_asr.speech.labeler import SpeechLabeler
from nst_asr.speech.plan import Decode
from nst_asr.task import Model
from tests.speech import tones

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")


def test_a_run_on_a_gpu_learns_and_labels_as_a_cpu_does(tmp_path: Path) -> None:
    tones.write_corpus(tmp_path)
    arguments = tones.arguments(tmp_path, tmp_path / "exp")
    arguments[arguments.index("--device") + 1] = "cuda"
    assert cli.main([*arguments, "teacher.fit.updates=200"]) == 0
    assert read_score(tmp_path / "exp" / "gen0" / "score.json").rate < 0.7
    teacher = Model(tmp_path / "exp" / "gen0" / "student")
    pool = Unlabeled(read_manifest(tmp_path / "unlabeled.tsv", labeled=False))
    here, there = (
        SpeechLabeler((teacher.path,), (teacher.hash,), Decode(), d)(Block(0, pool.rows)) for d in ("cpu", "cuda")
    )
    assert here["label"].to_list() == there["label"].to_list()
    assert (here["logprob"] - there["logprob"]).abs().max() < 0.05  # type: ignore[operator]
