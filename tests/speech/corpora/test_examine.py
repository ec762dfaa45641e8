"""Utterances held against their audio: stretches that can be used, or a defect of one kind."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from nst_asr.key import Key
from nst_asr.speech.corpora.examine import Examined, examine
from nst_asr.speech.corpora.utterance import Defect, Utterance
from tests.speech.small_corpora import record


def stretch(path: Path, start: float = 0.0, seconds: float | None = None) -> tuple[float, float]:
    found = examine(Utterance("u", str(path), "here", start, seconds))
    assert isinstance(found, Examined)
    return found.stretches[0].start, found.stretches[0].seconds


def kind(utterance: Utterance, *, decode: bool = False) -> str:
    found = examine(utterance, decode=decode)
    assert isinstance(found, Defect)
    return found.kind


def test_a_file_is_as_long_as_its_samples(tmp_path: Path) -> None:
    assert stretch(record(tmp_path / "a.wav", 1.23)) == (0.0, 1.23)


def test_a_stretch_that_ends_a_little_late_ends_with_its_file(tmp_path: Path) -> None:
    path = record(tmp_path / "a.wav", 2.0)
    assert stretch(path, 1.0, 0.5) == (1.0, 0.5)
    assert stretch(path, 1.0, 1.04) == (1.0, 1.0)
    assert stretch(path, 1.5) == (1.5, 0.5)


def test_what_is_wrong_has_a_kind(tmp_path: Path) -> None:
    path = str(record(tmp_path / "a.wav", 2.0))
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("not audio")
    whole = record(tmp_path / "whole.flac", 2.0).read_bytes()
    (tmp_path / "half.flac").write_bytes(whole[: len(whole) // 2])
    assert kind(Utterance("u", str(tmp_path / "gone.wav"), "here")) == "no such file"
    assert kind(Utterance("u", str(tmp_path / "empty.wav"), "here")) == "an empty file"
    assert kind(Utterance("u", str(tmp_path / "text.wav"), "here")) == "not an audio file that can be read"
    assert "truncated" in kind(Utterance("u", str(tmp_path / "half.flac"), "here"))
    assert kind(Utterance("u", path, "here", announced=2.06)) == "wrong duration"
    assert kind(Utterance("u", path, "here", announced=1.94)) == "wrong duration"
    assert kind(Utterance("u", path, "here", start=1.0, seconds=1.06)) == "segment beyond the end"
    assert kind(Utterance("u", path, "here", start=2.0)) == "segment beyond the end"
    assert kind(Utterance("u", path, "here", start=1.0, seconds=0.0)) == "segment of no length"
    assert isinstance(examine(Utterance("u", path, "here", announced=2.04)), Examined)


def test_the_reason_names_place_and_file(tmp_path: Path) -> None:
    path = record(tmp_path / "a.wav", 2.0)
    found = examine(Utterance("u", str(path), "segments, line 7", start=1.0, seconds=3.0))
    assert isinstance(found, Defect)
    assert found.reason == f"segment beyond the end: segments, line 7 says 1.00 s to 4.00 s, {path} lasts 2.00 s"


def test_samples_are_looked_at_where_that_is_wanted(tmp_path: Path) -> None:
    wave = np.zeros(8000 * 70, dtype=np.float32)
    wave[8000 * 65] = np.nan  # in the second piece that is decoded
    soundfile.write(tmp_path / "nan.wav", wave, 8000, subtype="FLOAT")
    utterance = Utterance("u", str(tmp_path / "nan.wav"), "here")
    assert isinstance(examine(utterance), Examined)
    assert kind(utterance, decode=True) == "a sample that is no number"
    before = Utterance("u", str(tmp_path / "nan.wav"), "here", start=0.0, seconds=64.0)
    assert isinstance(examine(before, decode=True), Examined)


@pytest.mark.parametrize("cut", [None, 30.0])
def test_a_short_file_is_not_cut(cut: float | None, tmp_path: Path) -> None:
    found = examine(Utterance("u", str(record(tmp_path / "a.wav", 2.0)), "here"), cut=cut)
    assert isinstance(found, Examined)
    assert [(piece.id, piece.start, piece.seconds) for piece in found.stretches] == [("u", 0.0, 2.0)]


def talk(path: Path, *bursts: tuple[float, float], seconds: float) -> Utterance:
    """Noise so faint as to be silence, with bursts (begin, end) of a loud one."""
    wave = Key(0).generator().normal(0, 1e-4, round(8000 * seconds))
    for begin, end in bursts:
        wave[round(8000 * begin) : round(8000 * end)] *= 1000
    soundfile.write(path, wave, 8000)
    return Utterance("u", str(path), "here")


def test_a_long_file_becomes_its_voiced_stretches(tmp_path: Path) -> None:
    utterance = talk(tmp_path / "a.wav", (3, 8), (14, 19), (30, 34), seconds=40.0)
    found = examine(utterance, cut=8.0, decode=True)
    assert isinstance(found, Examined)
    assert len(found.stretches) == 3
    for piece, (begin, end) in zip(found.stretches, ((3, 8), (14, 19), (30, 34)), strict=True):
        assert begin - 0.5 < piece.start <= begin
        assert end <= piece.start + piece.seconds < end + 0.5
        centiseconds = round(100 * piece.start), round(100 * (piece.start + piece.seconds))
        assert piece.id == f"u-{centiseconds[0]:07d}-{centiseconds[1]:07d}"


def test_a_long_stretch_is_cut_within_its_own_bounds(tmp_path: Path) -> None:
    talk(tmp_path / "a.wav", (3, 8), (14, 19), (30, 34), seconds=40.0)
    found = examine(Utterance("u", str(tmp_path / "a.wav"), "here", start=5.0, seconds=12.0), cut=8.0)
    assert isinstance(found, Examined)
    first, second = found.stretches
    assert first.start == 5.0
    assert second.start + second.seconds == pytest.approx(17.0)


def test_a_long_file_without_speech_is_a_defect(tmp_path: Path) -> None:
    found = examine(talk(tmp_path / "a.wav", seconds=40.0), cut=30.0)
    assert isinstance(found, Defect)
    assert found.kind == "no speech found"
