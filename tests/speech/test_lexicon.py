from pathlib import Path

import numpy as np
import pytest
from small_ngrams import SmallNgram

from nst_asr.speech import beam
from nst_asr.speech.beam import LmPlan
from nst_asr.speech.lexicon import LexiconError, compiled, read, spelt
from nst_asr.speech.ngram.coverage import CoverageError
from nst_asr.speech.tokenizer import SPACE, Tokenizer, TokenizerPlan, train

PIECES = Tokenizer("unigram", ("<blank>", SPACE + "a", "b", SPACE + "b", "a"))
CHARS = Tokenizer("char", ("<blank>", "a", SPACE, "b"))
KNOWN = {"a": 0, "ab": 1, "b": 2}
UNIGRAM = np.log([0.5, 0.2, 0.3])


def lexicon(folder: Path, text: str) -> Path:
    path = folder / "lexicon.txt"
    path.write_text(text, encoding="utf-8")
    return path


def refused(folder: Path, text: str, tokenizer: Tokenizer = PIECES) -> str:
    with pytest.raises(LexiconError) as error:
        compiled(read(lexicon(folder, text), tokenizer), KNOWN, UNIGRAM, tokenizer, "small.arpa")
    return str(error.value)


def test_a_file_gives_words_and_their_units(tmp_path: Path) -> None:
    found = read(lexicon(tmp_path, f"ab {SPACE}a b\r\n\nb\t{SPACE}b\nb {SPACE}a\n"), PIECES)
    assert [(s.word, s.units) for s in found] == [("ab", (1, 2)), ("b", (3,)), ("b", (1,))]


def test_the_space_at_the_end_of_a_spelling_in_characters_is_left_out(tmp_path: Path) -> None:
    found = read(lexicon(tmp_path, f"ab a b {SPACE}\nb b\n"), CHARS)
    assert [s.units for s in found] == [(1, 3), (3,)]


def test_the_tree_knows_words_and_the_best_longer_one(tmp_path: Path) -> None:
    spellings = read(lexicon(tmp_path, f"a {SPACE}a\nab {SPACE}a b\nb {SPACE}b\n"), PIECES)
    words = compiled(spellings, KNOWN, UNIGRAM, PIECES, "small.arpa")
    assert words.word.tolist() == [-1, 0, 1, 2]  # the root, and the ends of a, ab and b
    assert words.ahead.tolist() == pytest.approx([np.log(0.5), np.log(0.2), -np.inf, -np.inf])
    assert words.begins.tolist() == [False, True, False, True, False]


def test_words_are_spelt_as_the_tokenizer_spells_them(caplog: pytest.LogCaptureFixture) -> None:
    tokenizer = train(["one two three"], TokenizerPlan(kind="char"))
    found = spelt(["one", "xylophone", "two"], tokenizer, "small.arpa")
    assert [tokenizer.decode(s.units) for s in found] == ["one", "two"]
    assert "1 of its words cannot be spelt: xylophone" in caplog.text
    with pytest.raises(LexiconError, match=r"can spell none of its words, such as 'ONE TWO'"):
        spelt(["ONE", "TWO"], tokenizer, "small.arpa")


def test_lines_that_spell_nothing_are_refused_with_their_number(tmp_path: Path) -> None:
    assert "line 2: the word 'ab' has no spelling" in refused(tmp_path, f"b {SPACE}b\nab\n")
    assert "line 1: the word 'ab' has no spelling" in refused(tmp_path, f"ab {SPACE}\n", CHARS)
    assert "line 1: 'ab' is spelt with 'x' 'y', no units of the model" in refused(tmp_path, f"ab {SPACE}a x y\n")
    assert "'<blank>', no units of the model" in refused(tmp_path, f"ab {SPACE}a <blank>\n")
    assert "an empty lexicon" in refused(tmp_path, " \n\n")


def test_two_words_of_one_spelling_are_refused_with_both_lines(tmp_path: Path) -> None:
    message = refused(tmp_path, f"ab {SPACE}a b\nb {SPACE}b\na {SPACE}a b\n")
    assert "line 3: 'a' is spelt as 'ab' is (" in message
    assert "line 1)" in message
    assert "line 2: 'b' is spelt as 'b' is" in refused(tmp_path, f"b {SPACE}b\nb {SPACE}b\n")


def test_units_that_would_be_a_border_between_words_are_refused(tmp_path: Path) -> None:
    assert "a word begins with a unit that starts with" in refused(tmp_path, "ab a b\n")
    assert "no other unit of it does" in refused(tmp_path, f"ab {SPACE}a {SPACE}b\n")
    assert "has the unit between words in it" in refused(tmp_path, f"ab a {SPACE} b\n", CHARS)


def test_words_that_the_language_model_does_not_know_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CoverageError, match=r"does not know 2 of the 2 words of the lexicon: 'aba', 'bb'\."):
        refused(tmp_path, f"aba {SPACE}a b a\nbb {SPACE}b b\nbb {SPACE}b a\n")


def test_units_that_are_words_take_no_lexicon(tmp_path: Path) -> None:
    words = Tokenizer("word", ("<blank>", "a", "b"))
    assert "units are words already" in refused(tmp_path, "a a\n", words)
    plan = LmPlan(path=SmallNgram(["a", "b"], 1, seed=0).write(tmp_path / "a.arpa"), weight=1.0, lexicon="vocabulary")
    with pytest.raises(LexiconError, match="leave lexicon out"):
        beam.load(plan, words)


def test_a_lexicon_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(LexiconError, match="no such lexicon"):
        read(tmp_path / "none.txt", PIECES)
