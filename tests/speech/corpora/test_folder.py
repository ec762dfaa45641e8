"""Folders of audio: in the order of names, with the texts beside them; TSVs that list files."""

from pathlib import Path

import pytest

from nst_asr.lines import ManifestError
from nst_asr.speech.corpora.folder import audio_below, listed
from nst_asr.speech.corpora.utterance import Defect
from tests.speech.small_corpora import record, utterances, write


def test_a_text_belongs_to_the_audio_of_its_name(tmp_path: Path) -> None:
    record(tmp_path / "b" / "one two.wav")
    record(tmp_path / "a.flac")
    write(tmp_path / "b" / "one two.txt", "first line \nsecond\n", windows=True)
    found = utterances(audio_below(tmp_path, texts=True))
    assert [(u.id, u.text) for u in found] == [("a", None), ("b/one two", "first line second")]
    assert [u.text for u in utterances(audio_below(tmp_path, texts=False))] == [None, None]


def test_a_text_among_audio_that_belongs_to_none_is_a_defect(tmp_path: Path) -> None:
    record(tmp_path / "in" / "a.wav")
    write(tmp_path / "in" / "b.txt", "lost\n")
    write(tmp_path / "README.txt", "what all this is\n")
    _, *defects = audio_below(tmp_path, texts=True)
    assert [(each.id, isinstance(each, Defect)) for each in defects] == [("in/b", True)]


def test_the_order_is_that_of_sorted_paths(tmp_path: Path) -> None:
    paths = [
        record(tmp_path / name, 0.01) for name in ("b.wav", "b/c.wav", "b b.wav", "a/z.WAV", "a/y/x.ogg", "ü.flac")
    ]
    assert [u.path for u in utterances(audio_below(tmp_path, texts=True))] == [str(path) for path in sorted(paths)]


def test_a_linked_folder_is_entered_once(tmp_path: Path) -> None:
    record(tmp_path / "elsewhere" / "a.wav")
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "corpus")
    assert [u.id for u in utterances(audio_below(tmp_path / "corpus", texts=True))] == ["link/a"]


def test_a_text_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    record(tmp_path / "a.wav")
    (tmp_path / "a.txt").write_bytes("zw\u00f6lf".encode("latin-1"))
    with pytest.raises(ManifestError, match=r"a\.txt, line 1: not UTF-8"):
        list(audio_below(tmp_path, texts=True))


@pytest.mark.parametrize("seconds", ["nan", "inf", "-1", "0", "1,5"])
def test_seconds_that_are_no_length_are_named(seconds: str, tmp_path: Path) -> None:
    path = write(tmp_path / "m.tsv", f"id\tpath\tseconds\nu1\ta.wav\t{seconds}\n")
    with pytest.raises(ManifestError, match=f"m.tsv, line 2: seconds is '{seconds}'"):
        list(listed(path))
