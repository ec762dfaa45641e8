"""Kaldi data directories: tables joined by id, whatever their order; what is no audio file is refused by line."""

import random
from pathlib import Path

import pytest
from lhotse.kaldi import load_kaldi_data_dir

from nst_asr.lines import ManifestError
from nst_asr.speech.corpora.kaldi import kaldi
from nst_asr.speech.corpora.utterance import Defect
from tests.speech.small_corpora import record, utterances, write


def segmented(folder: Path, *, windows: bool = False, shuffle: bool = False) -> Path:
    """Two recordings and three segments, one of them to the end of its recording."""
    tables = {
        "wav.scp": [f"r{i} {record(folder / 'with space' / f'r {i}.wav', 2.0 + i)}" for i in (1, 2)],
        "segments": ["u1 r1 0.25 1.5", "u2 r2 0 2.5", "u3 r2 2.5 -1"],
        "text": ["u1 one two", "u2 three", "u3 four  five"],
        "utt2spk": ["u1 ann", "u2 bob", "u3 bob"],
    }
    for name, lines in tables.items():
        if shuffle:
            random.Random(1).shuffle(lines)
        write(folder / name, "\n".join(lines) + "\n", windows=windows)
    return folder


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("windows", [False, True])
def test_segments_are_stretches_of_their_recordings(windows: bool, shuffle: bool, tmp_path: Path) -> None:
    found = utterances(kaldi(segmented(tmp_path, windows=windows, shuffle=shuffle), texts=True))
    assert [(u.id, u.start, u.seconds, u.speaker, u.text) for u in found] == [
        ("u1", 0.25, 1.25, "ann", "one two"),
        ("u2", 0.0, 2.5, "bob", "three"),
        ("u3", 2.5, None, "bob", "four  five"),
    ]
    assert [Path(u.path).name for u in found] == ["r 1.wav", "r 2.wav", "r 2.wav"]
    assert all(Path(u.path).is_file() for u in found)


def test_it_says_what_lhotse_says(tmp_path: Path) -> None:
    recordings, supervisions, _ = load_kaldi_data_dir(segmented(tmp_path), 8000)
    expected = {
        s.id: (recordings[s.recording_id].sources[0].source, s.start, s.speaker, s.text) for s in supervisions or ()
    }
    found = utterances(kaldi(tmp_path, texts=True))
    assert {u.id: (u.path, u.start, u.speaker, u.text) for u in found} == {
        name: (path, start, speaker, " ".join((text or "").split()) if name != "u3" else "four  five")
        for name, (path, start, speaker, text) in expected.items()
    }
    lengths = {s.id: s.duration for s in supervisions or ()}
    assert lengths["u1"] == found[0].seconds
    assert lengths["u3"] == pytest.approx(4.0 - 2.5)


def test_without_segments_recordings_are_utterances(tmp_path: Path) -> None:
    record(tmp_path / "a.wav")
    write(tmp_path / "wav.scp", "a a.wav\nb gone.wav\n")
    write(tmp_path / "text", "a one\n")
    write(tmp_path / "utt2spk", "a a\nb bob\n")
    first, second = utterances(kaldi(tmp_path, texts=True))
    assert (first.path, first.text, first.seconds) == (str(tmp_path / "a.wav"), "one", None)
    assert first.speaker is None, "a speaker with the utterance's own name is Kaldi's way to say unknown"
    assert (second.text, second.speaker) == (None, "bob")
    assert [u.text for u in utterances(kaldi(tmp_path, texts=False))] == [None, None]


def test_relative_paths_are_relative_to_the_working_directory_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("here", "data"):
        record(tmp_path / folder / "a.wav")
    record(tmp_path / "data" / "b.wav")
    write(tmp_path / "data" / "wav.scp", "a a.wav\nb b.wav\n")
    monkeypatch.chdir(tmp_path / "here")
    paths = [u.path for u in utterances(kaldi(tmp_path / "data", texts=True))]
    assert paths == [str(tmp_path / "here" / "a.wav"), str(tmp_path / "data" / "b.wav")]


def test_a_text_for_no_audio_is_a_defect(tmp_path: Path) -> None:
    segmented(tmp_path)
    write(tmp_path / "text", "u0 nobody\nu1 one two\n")
    first, *_ = kaldi(tmp_path, texts=True)
    assert isinstance(first, Defect)
    assert (first.id, first.kind) == ("u0", "text for no audio")
    assert "text, line 1" in first.reason


@pytest.mark.parametrize(
    ("table", "content", "message"),
    [
        ("wav.scp", "r1 sph2pipe -f wav a.sph |\nr2 b.wav\n", r"wav.scp, line 1: r1 is a pipe, .*lhotse"),
        ("wav.scp", "r1 a.wav\nr2 raw.ark:1234\n", r"wav.scp, line 2: r2 lies in an archive"),
        ("wav.scp", "r1\nr2 b.wav\n", "wav.scp, line 1: r1 has no file"),
        ("wav.scp", "r1 a.wav\nr2 b.wav\nr1 c.wav\n", "wav.scp, line 3: r1 occurs twice"),
        ("wav.scp", "r1 a.wav\n", "segments, line 2: u2 belongs to the recording r2, which wav.scp does not have"),
        ("segments", "u1 r1 0 1\nu1 r1 1 2\n", "segments, line 2: u1 occurs twice"),
        ("segments", "u1 r1 0 1 A\n", "segments, line 1: u1 .*Channels"),
        ("segments", "u1 r1 0\n", "segments, line 1: .*expected `utterance recording start end`"),
        ("segments", "u1 r1 zero 1\n", "segments, line 1: u1 has 'zero' where seconds"),
        ("segments", "u1 r1 nan 1\n", "segments, line 1: u1 has 'nan' where seconds"),
        ("segments", "u1 r1 1 0.5\n", "segments, line 1: u1 begins at 1 s and ends at 0.5 s"),
        ("text", "u1 one\nu1 two\n", "text, line 2: u1 occurs twice"),
    ],
)
def test_what_cannot_be_read_is_refused_by_line(table: str, content: str, message: str, tmp_path: Path) -> None:
    write(segmented(tmp_path) / table, content)
    with pytest.raises(ManifestError, match=message):
        list(kaldi(tmp_path, texts=True))


def test_a_folder_without_wav_scp_is_no_data_directory(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"no Kaldi data directory.*no wav.scp"):
        list(kaldi(tmp_path, texts=True))
