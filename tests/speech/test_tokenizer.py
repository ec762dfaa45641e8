"""Tokenizers: round trip, blank apart, what is unknown is named, the same units for the same texts."""

import pickle
from pathlib import Path
from typing import Any

import pytest

from nst_asr import config
from nst_asr.config import ConfigError
from nst_asr.key import Key
from nst_asr.speech.tokenizer import Tokenizer, TokenizerError, TokenizerPlan, train

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
PLANS = [
    TokenizerPlan(kind="unigram", pieces=24),
    TokenizerPlan(kind="bpe", pieces=30),
    TokenizerPlan(kind="char"),
    TokenizerPlan(kind="word"),
]


def texts(count: int = 200) -> list[str]:
    rng = Key(0)["texts"].generator()
    return [" ".join(rng.choice(WORDS, size=int(rng.integers(1, 8)))) for _ in range(count)]


each_kind = pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.kind)


@each_kind
def test_decoding_gives_back_what_was_encoded(plan: TokenizerPlan) -> None:
    tokenizer = train(texts(), plan)
    for text in texts():
        units = tokenizer.encode(text)
        assert tokenizer.decode(units) == text
        assert all(0 < unit < tokenizer.size for unit in units)
    assert tokenizer.encode("  one \t two ") == tokenizer.encode("one two")
    assert (tokenizer.encode(""), tokenizer.decode([])) == ([], "")


@each_kind
def test_a_saved_or_pickled_tokenizer_is_the_same(plan: TokenizerPlan, tmp_path: Path) -> None:
    tokenizer = train(texts(), plan)
    tokenizer.encode("one")
    tokenizer.save(tmp_path)
    for copy in (Tokenizer.load(tmp_path), pickle.loads(pickle.dumps(tokenizer)), train(texts(), plan)):
        assert copy == tokenizer
        assert copy.fingerprint == tokenizer.fingerprint
        assert copy.encode("nine one") == tokenizer.encode("nine one")


@each_kind
def test_other_texts_give_another_fingerprint(plan: TokenizerPlan) -> None:
    assert train([*texts(), "oh double"], plan).fingerprint != train(texts(), plan).fingerprint


@each_kind
def test_what_is_unknown_is_named_with_the_id(plan: TokenizerPlan) -> None:
    tokenizer = train(texts(), plan)
    with pytest.raises(TokenizerError, match=r"utt7: .* does not know .* in 'one Ähm two'"):
        tokenizer.encode("one Ähm two", id="utt7")
    assert tokenizer.unknown("one Ähm two Ähm") == ("Ähm" if plan.kind == "word" else "Äm")
    assert tokenizer.unknown("six four") == ""


def test_names_are_the_units_in_order_and_the_blank_comes_first() -> None:
    assert train(["b a", "c a"], TokenizerPlan(kind="word")).names == ("<blank>", "a", "b", "c")
    characters = train(["b a", "c a"], TokenizerPlan(kind="char"))
    assert characters.names[0] == "<blank>"
    assert sorted(characters.names[1:]) == ["a", "b", "c", "▁"]
    assert [characters.names[unit] for unit in characters.encode("a b")] == ["a", "▁", "b"]


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_more_pieces_than_the_texts_give_are_refused_with_the_most_they_give(kind: Any) -> None:
    with pytest.raises(TokenizerError, match=r"pieces = 5000: the texts give \d+") as caught:
        train(texts(), TokenizerPlan(kind=kind, pieces=5000))
    most = int(str(caught.value).split("give ")[1].split()[0])
    assert train(texts(), TokenizerPlan(kind=kind, pieces=most)).size == most + 1


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_fewer_pieces_than_characters_are_refused(kind: Any) -> None:
    with pytest.raises(TokenizerError, match="pieces = 5: the texts have 16 characters"):
        train(texts(), TokenizerPlan(kind=kind, pieces=5))


@pytest.mark.parametrize("pieces", [16, 17, 25])
@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_the_vocabulary_has_the_pieces_asked_for_and_the_blank(kind: Any, pieces: int) -> None:
    tokenizer = train(texts(), TokenizerPlan(kind=kind, pieces=pieces))
    assert tokenizer.size == len(tokenizer.names) == pieces + 1


def test_long_transcripts_are_not_passed_over() -> None:
    tokenizer = train(["one", "two " * 3000 + "q"], TokenizerPlan(kind="char"))
    assert tokenizer.unknown("q") == ""


def test_texts_of_other_scripts_come_back_as_they_were_written() -> None:
    # é as one character and as two: what normalisation would make the same
    written = ["caf\u00e9 ﬁn", "cafe\u0301 Ⅷ", "東京 に", "naïve №5"]
    for plan in (TokenizerPlan(kind="char"), TokenizerPlan(kind="word"), TokenizerPlan(kind="bpe", pieces=24)):
        tokenizer = train(written, plan)
        assert [tokenizer.decode(tokenizer.encode(text)) for text in written] == written


def test_nothing_to_learn_from_is_an_error() -> None:
    with pytest.raises(TokenizerError, match="every transcript is empty"):
        train(["", "  "], TokenizerPlan(kind="char"))
    with pytest.raises(TokenizerError, match=r"U\+2581"):
        train(["a▁b"], TokenizerPlan(kind="char"))


def test_only_units_of_text_decode() -> None:
    tokenizer = train(texts(), TokenizerPlan(kind="word"))
    for number in (0, 11, -1):
        with pytest.raises(TokenizerError, match=f"{number} is no unit of text; these are 1 to 10"):
            tokenizer.decode([1, number])


def test_training_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    train(texts(), TokenizerPlan(kind="unigram", pieces=20))
    assert capfd.readouterr() == ("", "")


def test_a_folder_without_a_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match=r"no tokenizer\.json in it"):
        Tokenizer.load(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"kind": "char", "pieces": 30}, "leave pieces out"),
        ({"kind": "bpe"}, "pieces is missing"),
        ({"kind": "words"}, "kind = 'words'"),
    ],
)
def test_plans_that_cannot_be_are_refused(content: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config.parse(TokenizerPlan, content)
