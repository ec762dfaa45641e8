"""The loop on (tiny) audio with language models, through the commands that users give."""

import json
from pathlib import Path

import polars as pl
import pytest

from benchmarks.kills import contents
from nst_asr import cli
from nst_asr.speech.tokenizer import Tokenizer
from tests.speech import tones

LM = [
    *("label.beam=8", "label.lm.lexicon=null", "label.lm.nbest=4", "label.tuning.highest_weight=1.0"),
    *("label.tuning.weight_step=0.25", "label.tuning.anchors=[0.5]", "label.tuning.bonus_step=1.0"),
    *("teacher.fit.updates=40", "generation.student.fit.updates=10", "generation.filter={}"),
]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    tones.write_corpus(folder)
    (folder / "text.txt").write_text("low mid high\nmid\nhigh low\nmid low\nlow\nhigh high mid\n" * 5)
    return folder


@pytest.fixture(scope="module")
def arpa(corpus: Path) -> Path:
    assert cli.main(["lm", "train", str(corpus / "text.txt"), "--out", str(corpus / "lm.arpa"), "--order", "2"]) == 0
    return corpus / "lm.arpa"


def command(corpus: Path, exp: Path, arpa: Path) -> list[str]:
    return [*tones.arguments(corpus, exp), *LM, f"label.lm.path={arpa}"]


@pytest.fixture(scope="module")
def finished(corpus: Path, arpa: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    exp = tmp_path_factory.mktemp("exp")
    assert cli.main(command(corpus, exp, arpa)) == 0
    return exp


def test_weights_are_found_and_labels_are_made_with_them(finished: Path) -> None:
    found = json.loads((finished / "gen1/0-fusion.json").read_text())
    assert found["rows"] == 9
    assert found["rate_decoded"] <= max(trial["decoded"] for trial in found["trials"])
    labels = pl.read_parquet(finished / "gen1/1-labels/part-*.parquet")
    assert labels["label_without_lm"].null_count() == 0
    assert (labels["score"].null_count() == 0) == (found["weight"] > 0)
    for name in ("gen0/score-lm.json", "gen0/test-lm.json", "gen1/5-score-lm.json", "oracle/test-lm.json"):
        assert (finished / name).exists()


def test_a_run_that_was_stopped_after_its_teacher_ends_as_one_that_was_not(
    finished: Path, corpus: Path, arpa: Path, tmp_path: Path
) -> None:
    assert cli.main([*command(corpus, tmp_path / "exp", arpa), "--only", "teacher"]) == 0
    (tmp_path / "exp/gen0/score-lm.json").unlink()
    (tmp_path / "exp/gen0/fusion.json").unlink()
    assert cli.main(command(corpus, tmp_path / "exp", arpa)) == 0
    assert contents(tmp_path / "exp") == contents(finished)


def test_a_language_model_that_changes_under_a_run_is_noticed(
    finished: Path, corpus: Path, arpa: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, made_of = arpa.read_text(), corpus / "lm.arpa.made-of.json"
    described = made_of.read_text()
    try:
        made_of.unlink()
        arpa.write_text(before.replace("-0.", "-1.", 1))
        assert cli.main(command(corpus, finished, arpa)) == 1
        assert "another teacher, dev set, decoding or language model" in capsys.readouterr().err
    finally:
        arpa.write_text(before)
        made_of.write_text(described)


def test_transcripts_in_the_text_of_a_language_model_stop_the_run(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dev = corpus / "dev.tsv"
    lines = dev.read_text().splitlines()
    long = " ".join(["low", "mid", "high", "low"] * 3)
    changed = [lines[0], *("\t".join([*line.split("\t")[:3], long]) for line in lines[1:])]
    (corpus / "long.tsv").write_text("\n".join(changed) + "\n")
    (corpus / "leaky.txt").write_text(f"mid {long}\n" * 4)
    leaky = corpus / "leaky.arpa"
    assert cli.main(["lm", "train", str(corpus / "leaky.txt"), "--out", str(leaky), "--order", "2"]) == 0
    arguments = command(corpus, tmp_path / "exp", leaky)
    arguments[arguments.index("--dev") + 1] = str(corpus / "long.tsv")
    assert cli.main(arguments) == 1
    err = capsys.readouterr().err
    assert "dev: 9 of 9 utterances" in err
    assert "--allow-overlap" in err
    assert "low mid high low" in err


def test_a_missing_or_unfit_language_model_stops_the_run_before_it_trains(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = command(corpus, tmp_path / "exp", corpus / "nowhere.arpa")
    assert cli.main([*nowhere, "--only", "tokenizer"]) == 0  # in whose units a language model is trained
    assert cli.main(nowhere) == 1
    assert "nowhere.arpa: no such language model" in capsys.readouterr().err
    assert cli.main(command(corpus, tmp_path / "exp", corpus)) == 1
    assert "a folder; name an ARPA file in lm.path" in capsys.readouterr().err
    (corpus / "bad.arpa").write_text("\\data\\\nngram 1=3\n")
    assert cli.main(command(corpus, tmp_path / "exp", corpus / "bad.arpa")) == 1
    assert "bad.arpa" in capsys.readouterr().err
    assert not (tmp_path / "exp" / "gen0").exists()


def test_a_neural_language_model_is_trained_by_its_verb_and_rescores(
    finished: Path, corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = str(corpus / "text.txt")
    train = ["lm", "train-neural", text, "--held-out", text, "--tokenizer", str(finished / "tokenizer")]
    settings = ["net.width=8", "net.layers=1", "fit.updates=20", "fit.warmup=2", "fit.batch=60", "longest=20"]
    assert cli.main([*train, "--out", str(tmp_path / "lm"), "--device", "cpu", *settings, "fit.threads=1"]) == 0
    assert "perplexity" in capsys.readouterr().out
    assert Tokenizer.load(tmp_path / "lm").names == Tokenizer.load(finished / "tokenizer").names
    exp, settings = tmp_path / "exp", [*LM[3:], "label.beam=8", f"label.rescore.path={tmp_path / 'lm'}"]
    assert cli.main([*tones.arguments(corpus, exp), *settings, "--only", "teacher"]) == 0
    found = json.loads((exp / "gen0/fusion.json").read_text())
    assert found["weight"] == 0
    assert len(found["surface"]["neural_weight"]) == 4
    assert (exp / "gen0/score-lm.json").exists()
