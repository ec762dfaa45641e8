"""The guard against transcripts in a language model's text: by the text, and by what is kept beside the model."""

import json
import logging
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from speech.ngram.small_text import sentences, written

from nst_asr.speech import text_leakage
from nst_asr.speech.ngram.convert import convert, prune_arpa
from nst_asr.speech.ngram.made_of import eightgrams_path, made_of_path
from nst_asr.speech.ngram.model import NgramError
from nst_asr.speech.ngram.train import NgramPlan, train_arpa
from nst_asr.speech.text_leakage import TextLeakError, refuse_shared_text, shared_text

BOOK = [
    "it was the best of times it was the worst of times",
    "it was the age of wisdom",
    "it was the age of foolishness it was the epoch of belief",
]
LEAKED = "and it was the worst of times it was the end"  # eight words of the first and the second line


def rows(*labels: str) -> pl.DataFrame:
    return pl.DataFrame({"id": [f"u{n}" for n in range(len(labels))], "label": list(labels)})


@pytest.fixture
def lm(tmp_path: Path) -> Path:
    train_arpa([written(tmp_path / "book.txt", BOOK)], tmp_path / "book.arpa", NgramPlan(order=2))
    return tmp_path / "book.arpa"


CLEAN = rows("the times were good and wise and very old indeed", "too short", "it was the best of times it were")


def test_clean_sets_pass_with_their_shares(tmp_path: Path, lm: Path) -> None:
    for found in (shared_text([tmp_path / "book.txt"], {"dev": CLEAN}), refuse_shared_text(lm, {"dev": CLEAN})):
        assert [(each.name, each.utterances, each.too_short, each.shared, each.share) for each in found] == [
            ("dev", 3, 1, 0, 0.0)
        ]
        assert "0 of 2 utterances" in found[0].describe()


def test_a_set_in_the_text_is_refused_with_ids_and_words(tmp_path: Path, lm: Path) -> None:
    sets = {"dev": CLEAN, "test": rows("short one", LEAKED, "nothing of this stands in that book at all")}
    for refuse in (lambda: shared_text([tmp_path / "book.txt"], sets), lambda: refuse_shared_text(lm, sets)):
        with pytest.raises(TextLeakError) as caught:
            refuse()
        message = str(caught.value)
        assert "test: 1 of 2 utterances of eight words or more (50.00 %)" in message
        assert "u1: it was the worst of times it was" in message
        assert "dev:" not in message


def test_the_limit_is_a_share_that_may_be_reached(tmp_path: Path, lm: Path) -> None:
    sets = {"dev": rows(LEAKED, "nothing of this stands in that book at all")}
    assert refuse_shared_text(lm, sets, 0.5)[0].share == 0.5
    assert shared_text([tmp_path / "book.txt"], sets, limit=0.5)[0].share == 0.5
    with pytest.raises(TextLeakError, match=r"At most 49 % may"):
        refuse_shared_text(lm, sets, 0.49)


def test_eight_words_over_a_line_end_are_found_and_over_two_utterances_are_not(tmp_path: Path) -> None:
    text = [written(tmp_path / "book.txt", BOOK)]
    assert shared_text(text, {"dev": rows("the worst of times it was the age")}, limit=1)[0].shared == 1
    halves = rows("it was the best", "of times it was", "it was the worst of times x y")
    assert shared_text(text, {"dev": halves}, limit=1)[0].shared == 0


def test_a_collision_of_hashes_accuses_nobody_when_the_text_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_leakage, "_hash", lambda name: 7)  # all words alike
    text = [written(tmp_path / "book.txt", BOOK)]
    assert shared_text(text, {"dev": rows("one two three four five six seven eight nine")}, limit=0)[0].shared == 0


def test_of_many_utterances_those_that_share_words_are_found(tmp_path: Path) -> None:
    book, others = sentences(2000, seed=1), sentences(500, seed=2)
    stream = " ".join(book).split()
    known = {tuple(stream[n : n + 8]) for n in range(len(stream) - 7)}

    def shares(label: str) -> bool:
        words = label.split()
        return any(tuple(words[n : n + 8]) in known for n in range(len(words) - 7))

    labels = [*others, *book[::40]]
    found = shared_text([written(tmp_path / "book.txt", book)], {"dev": rows(*labels)}, limit=1)[0]
    assert found.shared == sum(map(shares, labels)) > 10
    assert found.too_short == sum(len(label.split()) < 8 for label in labels)


def test_other_letters_are_refused_with_the_way_out(tmp_path: Path, lm: Path) -> None:
    upper = rows(LEAKED.upper())
    with pytest.raises(TextLeakError, match=r"lower case .* dev in upper case.*convert"):
        refuse_shared_text(lm, {"dev": upper})
    with pytest.raises(TextLeakError, match="in lower case"):
        shared_text([tmp_path / "book.txt"], {"dev": upper})


def test_a_converted_or_pruned_model_still_shows_what_its_text_was(tmp_path: Path, lm: Path) -> None:
    convert(lm, tmp_path / "upper.arpa.gz", "upper")
    prune_arpa(tmp_path / "upper.arpa.gz", tmp_path / "small.arpa", 1e-3)
    with pytest.raises(TextLeakError, match="IT WAS THE WORST OF TIMES IT WAS"):
        refuse_shared_text(tmp_path / "small.arpa", {"dev": rows(LEAKED.upper())})
    steps = json.loads(made_of_path(tmp_path / "small.arpa").read_text())["steps"]
    assert [step["verb"] for step in steps] == ["convert", "prune"]


def test_a_model_of_unknown_text_is_named_in_the_log(
    tmp_path: Path, lm: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made_of_path(lm).unlink()
    with caplog.at_level(logging.WARNING, "nst_asr"):
        assert refuse_shared_text(lm, {"dev": rows(LEAKED)}) == []
    assert "cannot be seen" in caplog.text


def test_what_stands_beside_another_file_is_not_believed(tmp_path: Path, lm: Path) -> None:
    lm.write_text(lm.read_text() + "\n")
    with pytest.raises(NgramError, match="describes another file"):
        refuse_shared_text(lm, {"dev": CLEAN})


def test_damaged_hashes_are_refused(tmp_path: Path, lm: Path) -> None:
    np.save(eightgrams_path(lm), np.arange(3, dtype=np.uint64))
    with pytest.raises(NgramError, match="8grams"):
        refuse_shared_text(lm, {"dev": CLEAN})
    eightgrams_path(lm).write_bytes(b"no array")
    with pytest.raises(NgramError, match="not readable"):
        refuse_shared_text(lm, {"dev": CLEAN})


def test_hashes_stay_the_same_from_version_to_version(lm: Path) -> None:
    hashes = np.load(eightgrams_path(lm))
    assert (len(hashes), (hashes[1:] > hashes[:-1]).all()) == (23, True)
    assert hashes[0] == 0x14FDFD412A8EE81  # files beside models of earlier versions must stay readable
