"""nst-asr lm: train, convert, prune, perplexity from the command line, and KenLM's programs where they are."""

import json
import shutil
import stat
from pathlib import Path

import numpy as np
import pytest
from speech.ngram.small_text import sentences, written

from nst_asr.cli import main
from nst_asr.speech.ngram.arpa import read_arpa
from nst_asr.speech.ngram.coverage import CoverageError, refuse_unknown
from nst_asr.speech.ngram.made_of import eightgrams_path, made_of_path
from nst_asr.speech.ngram.perplexity import perplexity
from nst_asr.speech.tokenizer import TokenizerPlan, train


@pytest.fixture
def text(tmp_path: Path) -> Path:
    return written(tmp_path / "text.txt", sentences(300))


def lm(*words: object) -> int:
    return main(["lm", *map(str, words)])


def program(folder: Path, name: str, script: str) -> None:
    """An executable of that name in a folder for PATH."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod((folder / name).stat().st_mode | stat.S_IEXEC)


def test_training_writes_the_model_and_what_it_was_made_of(tmp_path: Path, text: Path) -> None:
    arpa = tmp_path / "lm.arpa.gz"
    assert lm("train", text, "--out", arpa, "--order", 3, "--prune", 0, 0, 1, "--engine", "own") == 0
    made_of = json.loads(made_of_path(arpa).read_text())
    model = read_arpa(arpa)
    assert made_of["ngrams"] == [len(order) for order in model.orders]
    assert (made_of["order"], made_of["prune"], made_of["engine"]) == (3, [0, 0, 1], "own")
    assert (made_of["units"], made_of["letters"]) == ("words", "lower")
    assert (made_of["text"][0]["name"], made_of["text"][0]["bytes"]) == ("text.txt", text.stat().st_size)
    assert made_of["sentences"] == 300
    assert made_of["words"] == len(" ".join(sentences(300)).split())
    assert len(np.load(eightgrams_path(arpa))) == made_of["eightgrams"] > 0


def test_training_twice_gives_the_same_bytes(tmp_path: Path, text: Path) -> None:
    for name in ("a.arpa.gz", "b.arpa.gz"):
        assert lm("train", text, "--out", tmp_path / name, "--engine", "own") == 0
    assert (tmp_path / "a.arpa.gz").read_bytes() == (tmp_path / "b.arpa.gz").read_bytes()


def test_fall_back_discounts_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny = written(tmp_path / "tiny.txt", ["a b"])
    assert lm("train", tiny, "--out", tmp_path / "lm.arpa", "--fallback", 0.25, 1, 1, "--engine", "own") == 0
    assert "order 1: D1 0.2500, D2 1.0000, D3+ 1.0000 (fall-back: no n-gram has the count 2)" in capsys.readouterr().err


def test_a_model_of_pieces_knows_every_unit_and_is_asked_in_pieces(
    tmp_path: Path, text: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tokenizer = train([*sentences(300), "zzz yyy"], TokenizerPlan(kind="unigram", pieces=40))
    tokenizer.save(tmp_path / "model")
    arpa = tmp_path / "pieces.arpa"
    assert lm("train", text, "--out", arpa, "--tokenizer", tmp_path / "model", "--order", 4, "--engine", "own") == 0
    known = read_arpa(arpa).names
    refuse_unknown(known, tokenizer.names[1:], "lm", "units")
    capsys.readouterr()
    assert lm("perplexity", arpa, text, "--tokenizer", tmp_path / "model", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["tokens"] == sum(len(tokenizer.encode(each)) for each in sentences(300))
    assert found["words"] == len(" ".join(sentences(300)).split())
    assert found["perplexity_of_words"] == pytest.approx(10 ** (-found["logprob"] / (found["words"] + 300)))
    with pytest.raises(CoverageError, match=r"2 of the 3 words of the lexicon: 'bo', 'never'.*--tokenizer"):
        refuse_unknown(known, ["</s>", "bo", "never"], "lm", "words of the lexicon")


def test_words_in_another_case_are_not_covered_and_converting_helps(tmp_path: Path, text: Path) -> None:
    lower, upper = tmp_path / "lower.arpa", tmp_path / "upper.arpa"
    assert lm("train", text, "--out", lower, "--engine", "own") == 0
    with pytest.raises(CoverageError, match=r"2 of the 2 words: 'BA', 'BE'.*lower case: .*--upper"):
        refuse_unknown(read_arpa(lower).names, ["BA", "BE"], "lm", "words")
    assert lm("convert", lower, upper, "--upper") == 0
    refuse_unknown(read_arpa(upper).names, ["BA", "BE"], "lm", "words")
    assert json.loads(made_of_path(upper).read_text())["letters"] == "upper"
    shouted = written(tmp_path / "shouted.txt", [each.upper() for each in sentences(300)])
    assert perplexity(read_arpa(upper), [shouted]) == perplexity(read_arpa(lower), [text])


def test_a_case_that_makes_two_words_one_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mixed = written(tmp_path / "mixed.txt", ["The cat saw the dog"])
    assert lm("train", mixed, "--out", tmp_path / "lm.arpa", "--engine", "own") == 0
    assert lm("convert", tmp_path / "lm.arpa", tmp_path / "lower.arpa", "--lower") == 1
    assert "such as The and the" in capsys.readouterr().err
    assert not (tmp_path / "lower.arpa").exists()


def test_pruning_says_what_went_and_perplexity_what_it_cost(
    tmp_path: Path, text: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arpa, small = tmp_path / "lm.arpa", tmp_path / "small.arpa"
    assert lm("train", text, "--out", arpa, "--engine", "own") == 0
    capsys.readouterr()
    assert lm("prune", arpa, small, "--threshold", "1e-4") == 0
    sizes = [[len(order) for order in read_arpa(path).orders] for path in (arpa, small)]
    said = capsys.readouterr().out.split("\n")
    assert said[:3] == [f"{k}-grams: {old} -> {new}" for k, old, new in zip((1, 2, 3), *sizes, strict=True)]
    assert sizes[0][2] > sizes[1][2]
    assert lm("perplexity", small, text) == 0
    out = capsys.readouterr().out
    assert f"perplexity without unknown tokens: {perplexity(read_arpa(small), [text]).perplexity_known:.2f}" in out
    assert lm("prune", arpa, arpa, "--threshold", "1e-4") == 1
    assert "the same file" in capsys.readouterr().err


def test_unknown_words_are_counted(tmp_path: Path, text: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lm("train", text, "--out", tmp_path / "lm.arpa", "--engine", "own") == 0
    capsys.readouterr()
    assert lm("perplexity", tmp_path / "lm.arpa", written(tmp_path / "t.txt", ["ba strange be", "new"])) == 0
    assert "2 sentences, 4 words, 4 tokens, 2 of them unknown to the model (50.00 %)" in capsys.readouterr().out
    assert lm("perplexity", tmp_path / "lm.arpa", written(tmp_path / "u.txt", ["BA BE"])) == 1
    assert "--upper" in capsys.readouterr().err


def test_lmplz_is_asked_where_it_is_on_the_path_and_gives_the_same_format(
    tmp_path: Path, text: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert lm("train", text, "--out", tmp_path / "own.arpa", "--order", 2) == 0
    assert "engine: own" in capsys.readouterr().err
    # a program that has what lmplz would have written, and keeps what it was told
    canned = tmp_path / "canned.arpa"
    canned.write_text((tmp_path / "own.arpa").read_text().replace("-99.0\t<s>", "0\t<s>"))
    script = (
        f'echo "$@" > {tmp_path}/told; cat > {tmp_path}/read; while [ "$1" != --arpa ]; do shift; done; cp {canned} $2'
    )
    program(tmp_path / "bin", "lmplz", script)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    assert lm("train", text, "--out", tmp_path / "other.arpa", "--order", 2, "--prune", 0, 1) == 0
    assert "engine: lmplz" in capsys.readouterr().err
    assert (tmp_path / "other.arpa").read_bytes() == (tmp_path / "own.arpa").read_bytes()
    told = (tmp_path / "told").read_text()
    assert "-o 2 " in told
    assert "--prune 0 1 --discount_fallback 0.5 1.0 1.5" in told
    assert (tmp_path / "read").read_text() == text.read_text()
    assert json.loads(made_of_path(tmp_path / "other.arpa").read_text())["engine"] == "lmplz"


@pytest.mark.skipif(shutil.which("lmplz") is None, reason="KenLM's lmplz is not on the PATH")
@pytest.mark.parametrize("options", [(), ("--prune", 0, 0, 1), ("--vocabulary", 12)], ids=str)
def test_both_engines_give_the_same_model(tmp_path: Path, text: Path, options: tuple[object, ...]) -> None:
    for engine in ("own", "lmplz"):
        assert lm("train", text, "--out", tmp_path / engine, "--order", 3, "--engine", engine, *options) == 0
    own, other = read_arpa(tmp_path / "own"), read_arpa(tmp_path / "lmplz")
    assert [len(order) for order in own.orders] == [len(order) for order in other.orders]
    for seed in range(3):
        held_out = written(tmp_path / "held_out.txt", sentences(50, seed=seed))
        assert perplexity(own, [held_out]).logprob == pytest.approx(perplexity(other, [held_out]).logprob, rel=1e-5)


def test_lmplz_that_is_missing_or_fails_is_an_error(
    tmp_path: Path, text: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert lm("train", text, "--out", tmp_path / "lm.arpa", "--engine", "lmplz") == 1
    assert "no lmplz on the PATH" in capsys.readouterr().err
    program(tmp_path / "bin", "lmplz", "echo it went wrong; exit 3")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    assert lm("train", text, "--out", tmp_path / "lm.arpa", "--engine", "lmplz") == 1
    assert "lmplz ended with status 3: it went wrong" in capsys.readouterr().err
    assert not (tmp_path / "lm.arpa").exists()


def test_a_binary_is_built_by_kenlms_program_alone(
    tmp_path: Path, text: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arpa, binary = tmp_path / "lm.arpa", tmp_path / "lm.bin"
    assert lm("train", text, "--out", arpa, "--order", 2, "--engine", "own") == 0
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert lm("convert", arpa, binary) == 1
    assert "build_binary" in capsys.readouterr().err
    words = "<unk>\\0<s>\\0</s>\\0ba\\0"
    program(tmp_path / "bin", "build_binary", f"printf 'mmap lm http://kheafield.com/code tables{words}' > $3")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    assert lm("convert", arpa, binary) == 0
    assert binary.read_bytes().startswith(b"mmap lm")
    assert made_of_path(binary).exists()


def test_plans_and_files_that_cannot_be_used_are_one_line(
    tmp_path: Path, text: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, said in (
        (("train", tmp_path / "none.txt", "--out", tmp_path / "x.arpa"), "no such file"),
        (("train", text, "--out", tmp_path / "x.arpa", "--order", 9), "order = 9"),
        (("train", text, "--out", tmp_path / "x.arpa", "--prune", 2, 1), "prune = 2 1"),
        (("train", text, "--out", tmp_path / "x.bin"), "lm convert"),
        (("train", text, "--out", tmp_path / "x.arpa", "--tokenizer", tmp_path), "tokenizer.json"),
        (("convert", text, tmp_path / "x.arpa"), "begins"),
    ):
        assert lm(*words) == 1
        error = capsys.readouterr().err
        assert said in error
        assert error.startswith("nst-asr: ")
        assert not (tmp_path / "x.arpa").exists()
