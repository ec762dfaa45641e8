"""Ids are compared before any audio is opened, and a shared hash is no shared id."""

import pytest

from nst_asr.lines import ManifestError
from nst_asr.speech.corpora import count
from nst_asr.speech.corpora.utterance import Defect, Utterance


def corpus(*names: str) -> list[Utterance | Defect]:
    return [Utterance(name, "a.wav", f"list, line {line}") for line, name in enumerate(names, start=1)]


def test_utterances_and_defects_are_counted() -> None:
    assert count.count_unique(lambda: [*corpus("a", "b"), Defect("c", "no text")], "here") == 3


def test_an_id_that_occurs_twice_is_named_with_both_places() -> None:
    with pytest.raises(ManifestError, match="b occurs twice: list, line 2 and list, line 4"):
        count.count_unique(lambda: corpus("a", "b", "c", "b"), "here")


def test_two_ids_with_one_hash_are_two_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(count, "hash", len, raising=False)
    assert count.count_unique(lambda: corpus("a", "b", "cc"), "here") == 3
    with pytest.raises(ManifestError, match="cc occurs twice"):
        count.count_unique(lambda: corpus("a", "b", "cc", "cc"), "here")


def test_a_corpus_with_nothing_but_defects_is_empty() -> None:
    with pytest.raises(ManifestError, match="here: no utterance in it"):
        count.count_unique(lambda: [Defect("c", "no text")], "here")
