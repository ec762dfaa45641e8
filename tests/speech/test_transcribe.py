import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from small_ngrams import SmallNgram

from nst_asr import cli
from nst_asr.config import ConfigError
from nst_asr.speech.conformer import Conformer, ConformerPlan
from nst_asr.speech.features import FeaturePlan, FeatureStatistics
from nst_asr.speech.model import Recogniser
from nst_asr.speech.plan import Decode
from nst_asr.speech.tokenizer import Tokenizer
from nst_asr.speech.transcribe import TranscribeError, plan_of

WORDS = Tokenizer("word", ("<blank>", "a", "b", "c"))


@pytest.fixture
def untrained(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    plan, features = ConformerPlan(width=16, blocks=1, heads=2, channels=4), FeaturePlan(rate=8000, mels=20)
    statistics = FeatureStatistics(torch.zeros(20), torch.ones(20))
    Recogniser(Conformer(plan, 20, WORDS.size), plan, features, statistics, WORDS).save(tmp_path / "model", {})
    wave = np.random.default_rng(0).normal(size=16000).astype(np.float32) * 0.1
    soundfile.write(tmp_path / "a.wav", wave, 8000)
    return tmp_path


def test_a_language_model_on_the_command_line_gives_text_with_and_without_it(
    untrained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ngram = SmallNgram(WORDS.names[1:], 2, seed=0)
    arpa = ngram.write(untrained / "small.arpa")
    command = ["transcribe", str(untrained / "model"), str(untrained / "a.wav"), "--json"]
    assert cli.main(command) == 0
    alone = json.loads(capsys.readouterr().out)
    assert "score" not in alone
    assert cli.main([*command, "--lm", str(arpa), "--lm-weight", "0.8", "--lm-bonus", "1.5", "--beam", "64"]) == 0
    heard = json.loads(capsys.readouterr().out)
    assert heard["text_without_lm"] == alone["text"]
    words = heard["text"].split()
    assert heard["lm_logprob"] == pytest.approx(ngram.sentence(words), abs=1e-4)
    acoustic = heard["score"] - 0.8 * heard["lm_logprob"] - 1.5 * len(words)
    assert acoustic <= heard["logprob"] + 1e-3  # the search saw some of the alignments


def test_a_language_model_that_does_not_fit_is_refused_in_one_line(
    untrained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arpa = SmallNgram(["x", "y"], 2, seed=0).write(untrained / "small.arpa")
    command = ["transcribe", str(untrained / "model"), str(untrained / "a.wav"), "--lm", str(arpa)]
    assert cli.main(command) == 1
    assert "does not know 3 of the 3 units of the tokenizer: 'a', 'b', 'c'." in capsys.readouterr().err
    assert cli.main([*command, "--lexicon", "vocabulary"]) == 1
    assert "there is nothing to spell; leave lexicon out" in capsys.readouterr().err


def test_options_become_a_plan() -> None:
    assert plan_of() == Decode()
    assert plan_of(4) == Decode(beam=4)
    plan = plan_of(lm=Path("a.arpa"), lexicon="words.txt")
    assert plan.lm is not None
    assert (plan.beam, plan.lm.numbers, plan.lm.lexicon) == (16, (0.5, 0.0), Path("words.txt"))
    with pytest.raises(TranscribeError, match="--lm-weight and --lexicon without a language model"):
        plan_of(4, weight=1.0, lexicon="vocabulary")
    with pytest.raises(ConfigError, match="beam = 1 is greedy"):
        plan_of(1, lm=Path("a.arpa"))
    with pytest.raises(ConfigError, match=r"lm\.weight"):
        plan_of(lm=Path("a.arpa"), weight=-1.0)
