"""Text as integers: what a word is, what is refused, and pieces of a tokenizer."""

import gzip
from pathlib import Path

import pytest
from speech.ngram.small_text import sentences, written

from nst_asr.speech.ngram import text as text_module
from nst_asr.speech.ngram.model import NgramError
from nst_asr.speech.ngram.text import Words, coded, read_words, spelt
from nst_asr.speech.tokenizer import TokenizerError, TokenizerPlan, train


def lines(words: Words) -> list[str]:
    """The sentences again."""
    found, start = [], 0
    for length in words.lengths:
        found.append(" ".join(words.names[code] for code in words.codes[start : start + length]))
        start += length
    return found


def test_the_sentences_of_several_files_are_all_there_in_order(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("\ufeffone  two\r\n\r\n \t\nthree\tone".encode())
    (tmp_path / "b.gz").write_bytes(gzip.compress("five\nétwo ß\n".encode()))
    words = read_words([tmp_path / "a.txt", tmp_path / "b.gz"])
    assert lines(words) == ["one two", "three one", "five", "étwo ß"]
    assert list(words.names) == sorted(set(" ".join(lines(words)).split()))


def test_pieces_of_a_file_are_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "a.txt", sentences(200))
    whole = read_words([path])
    monkeypatch.setattr(text_module, "_PIECE", 50)
    small = read_words([path])
    assert (lines(small), small.names) == (lines(whole), whole.names) == (sentences(200), whole.names)


@pytest.mark.parametrize("word", ["<s>", "</s>", "<unk>"])
def test_the_models_own_words_are_refused_with_their_line(tmp_path: Path, word: str) -> None:
    path = written(tmp_path / "a.txt", ["one", f"x{word}", f"two {word} three"])
    with pytest.raises(NgramError, match=rf"a\.txt, line 3: the word {word}"):
        read_words([path])


def test_what_is_no_utf8_is_refused_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_module, "_PIECE", 8)
    (tmp_path / "a.txt").write_bytes(b"one\ntwo\nthree\nf\xfcnf\n")
    with pytest.raises(NgramError, match=r"a\.txt, line 4: not UTF-8"):
        read_words([tmp_path / "a.txt"])


def test_a_damaged_packed_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"one two\n" * 100)[:-6])
    with pytest.raises(NgramError, match=r"a\.gz: damaged"):
        read_words([tmp_path / "a.gz"])


@pytest.mark.parametrize(
    "plan",
    [
        TokenizerPlan(kind="unigram", pieces=30),
        TokenizerPlan(kind="bpe", pieces=30),
        TokenizerPlan(kind="char"),
        TokenizerPlan(kind="word"),
    ],
    ids=lambda plan: plan.kind,
)
def test_pieces_of_words_are_the_pieces_of_sentences(plan: TokenizerPlan) -> None:
    tokenizer = train(sentences(300), plan)
    text = sentences(100, seed=1)
    found, left_out = spelt(coded(text), tokenizer)
    assert left_out == 0
    assert lines(found) == [" ".join(tokenizer.names[unit] for unit in tokenizer.encode(each)) for each in text]


def test_a_few_sentences_that_cannot_be_spelt_are_left_out_and_many_are_refused() -> None:
    tokenizer = train(sentences(300), TokenizerPlan(kind="char"))
    text = sentences(300)
    found, left_out = spelt(coded([*text, "ba X1 ba"]), tokenizer)
    assert (left_out, len(found.lengths)) == (1, 300)
    with pytest.raises(TokenizerError, match="'X1'"):
        spelt(coded([*text[:50], "ba X1 ba"]), tokenizer)
