"""Normalisation by name: what each does, that the fast way is the slow one, rules of a file, Whisper's package."""

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest

from nst_asr.scoring import whisper
from nst_asr.scoring.normalisation import NAMED, normalisation
from nst_asr.scoring.rules import read_rules
from nst_asr.scoring.texts import ScoringError
from nst_asr.speech.transcripts import normalise
from tests.scoring.scored import only, refused, scored, write


def changed(name: str, *texts: str) -> list[str]:
    ids = pl.Series([f"u{place}" for place in range(len(texts))], dtype=pl.String)
    return normalisation(name).change(ids, pl.Series(texts, dtype=pl.String)).to_list()


def test_each_name_does_what_it_says() -> None:
    assert changed("none", "A  b\u2019s") == ["A  b\u2019s"]
    assert changed("nfc", "e\u0301") == ["é"]
    assert changed("ignore-case", "ÄRGER Über") == ["ärger über"]
    assert changed("characters", "ab 漢字", "e\u0301 x", "") == ["a b 漢 字", "é x", ""]
    assert changed("librispeech", "well-known: été", "o'neil", "a b") == ["WELL KNOWN ETE", "O'NEIL", "A B"]
    assert changed("lower", "Well-known: Été") == ["well known été"]


def test_the_fast_way_of_librispeech_is_the_slow_one() -> None:
    draw = np.random.default_rng(0)
    texts = ["".join(draw.choice(list("aB' .-é"), draw.integers(0, 9))) for _ in range(3000)]
    assert changed("librispeech", *texts) == [normalise(text, "librispeech") for text in texts]


def test_what_a_normalisation_refuses_is_named_by_file_and_id(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = write(tmp_path / "ref", "u1 a\nu2 5 b\n"), write(tmp_path / "hyp", "u1 a\nu2 five b\n")
    said = refused(capsys, *files, "--normalise", "librispeech")
    assert f"{files[0]}: u2: " in said
    assert "spell numbers out first" in said


def test_rules_are_applied_in_their_order(tmp_path: Path) -> None:
    tsv = tmp_path / "rules.tsv"
    write(tsv, "# comments, and nothing for what is said aside\n\\[[^]]*\\]\n(\\w+)ing\\b\t\\1in\nin$\tout\n")
    change, number = read_rules(tsv)
    assert (change("[uh] going  walking"), number) == ("goin walkout", 3)
    write(tmp_path / "rules.yaml", "- ['\\[[^]]*\\]', '']\n- ['(\\w+)ing\\b', '\\1in']\n- ['in$', 'out']\n")
    same, _ = read_rules(tmp_path / "rules.yaml")
    assert same("[uh] going  walking") == "goin walkout"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.tsv", "a\tb\nfo(o\tbar\n", "line 2: 'fo(o' -> 'bar' is no rule"),
        ("x.tsv", "fo(o)\t\\2\n", "line 1: 'fo(o)' -> '\\\\2' is no rule"),
        ("x.tsv", "a\tb\tc\n", "line 1: more than one tab"),
        ("x.tsv", "# nothing\n", "no rule in it"),
        ("x.yaml", "a: b\n", "no list"),
        ("x.yaml", "- [a, 1]\n", "rule 1: ['a', 1]"),
        ("x.yaml", "- [a\n", "no YAML"),
    ],
)
def test_rules_that_are_none_are_named(name: str, text: str, message: str, tmp_path: Path) -> None:
    write(tmp_path / name, text)
    with pytest.raises(ScoringError) as caught:
        read_rules(tmp_path / name)
    assert message in str(caught.value)


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(ScoringError, match="neither a file of rules nor one of none, nfc"):
        normalisation("whisper")
    assert next(iter(NAMED)) == "none"


def test_whispers_normaliser_is_that_of_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("whisper_normalizer.english")
    module.EnglishTextNormalizer = lambda: str.upper  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "whisper_normalizer", ModuleType("whisper_normalizer"))
    monkeypatch.setitem(sys.modules, "whisper_normalizer.english", module)
    monkeypatch.setattr(whisper, "version", lambda package: "7.0")
    found = normalisation("whisper-english")
    assert found.about == "Whisper's normaliser of English, of whisper-normalizer 7.0"
    assert changed("whisper-english", "colour") == ["COLOUR"]


def test_without_whispers_package_the_error_says_which_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("whisper_normalizer", "whisper_normalizer.english", "whisper", "whisper.normalizers"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ScoringError, match="pip install whisper-normalizer"):
        normalisation("whisper-english")


def test_whispers_own_examples() -> None:
    pytest.importorskip("whisper_normalizer", reason="whisper-normalizer is not installed")
    assert changed("whisper-english", "Mr. Smith's colour isn't twenty dollars") == ["mister smith is color is not $20"]


def test_the_output_says_what_was_done_and_to_how_many(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = write(tmp_path / "ref.txt", "u1 A b\nu2 c\n"), write(tmp_path / "hyp.txt", "u1 a b\nu2 c\n")
    found = scored(tmp_path, *files, "--normalise", "nfc", "--normalise", "ignore-case")
    assert only(found)["score"]["errors"] == 0
    assert [step["name"] for step in found["normalisation"]] == ["nfc", "ignore-case"]
    assert [step["changed_references"] for step in found["normalisation"]] == [0, 1]
    assert found["normalisation"][1]["changed_hypotheses"] == {files[1]: 0}
    assert "changed 1 references, 0 of hyp.txt" in capsys.readouterr().out
    assert only(scored(tmp_path, *files))["score"]["errors"] == 1
    assert "normalised  none: texts as they stand" in capsys.readouterr().out
