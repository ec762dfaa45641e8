"""What a third reader found wrong with preparing corpora, held as tests: odd names, odd places, long work."""

import io
import json
import os
import sys
import threading
import time
from pathlib import Path

import pytest
import soundfile

from nst_asr.speech.corpora.look_ahead import look_ahead
from nst_asr.speech.corpora.manifests import read_truth
from nst_asr.speech.corpora.rows import read_rows
from tests.speech.six_kinds import as_kaldi, bad, corpus, prepare
from tests.speech.small_corpora import record, write

Captured = pytest.CaptureFixture[str]


def test_a_file_name_that_is_not_utf8_is_left_out_by_name(tmp_path: Path) -> None:
    first = record(tmp_path / "in" / "a.wav")
    try:
        os.link(first, os.fsencode(tmp_path / "in") + b"/caf\xe9.wav")
    except OSError:
        pytest.skip("this file system takes no such name")
    for out in (tmp_path / "p.tsv", tmp_path / "p.parquet"):
        assert prepare("folder", tmp_path / "in", out, "--unlabeled", "--max-bad-share", "0.5") == 0
        assert read_rows(out)["id"].to_list() == ["a"]
        assert bad(out)["caf\\xe9"].startswith("a name that is not UTF-8: ")


def test_a_tab_is_refused_by_its_line_before_any_audio_is_opened(tmp_path: Path, capsys: Captured) -> None:
    record(tmp_path / "a.wav")
    entries = [{"id": name, "audio_filepath": "a.wav", "text": "one"} for name in ("u", "v\tw")]
    source = write(tmp_path / "m.json", "".join(json.dumps(entry) + "\n" for entry in entries))
    assert prepare("nemo", source, tmp_path / "p.tsv") == 1
    assert "m.json, line 2: a tab or line end in the id 'v\\tw'" in capsys.readouterr().err
    assert not (tmp_path / "p.bad.tsv").exists()
    truth = ("--unlabeled", "--truth", str(tmp_path / "truth.tsv"))
    assert prepare("nemo", source, tmp_path / "p.parquet", *truth) == 1, "a list of the truth would be torn"
    assert prepare("nemo", source, tmp_path / "p.parquet") == 0


def test_an_empty_id_is_refused_by_its_entry(tmp_path: Path, capsys: Captured) -> None:
    from lhotse import CutSet, MonoCut, Recording

    recording = Recording.from_file(record(tmp_path / "a.wav"))
    CutSet.from_cuts([MonoCut("", 0, 1.0, 0, recording=recording)]).to_file(tmp_path / "cuts.jsonl")
    assert prepare("lhotse", tmp_path / "cuts.jsonl", tmp_path / "p.tsv", "--unlabeled") == 1
    assert "cuts.jsonl, entry 1: an empty id" in capsys.readouterr().err


def test_a_link_to_itself_is_one_bad_file(tmp_path: Path) -> None:
    record(tmp_path / "in" / "a.wav")
    (tmp_path / "in" / "loop.wav").symlink_to("loop.wav")
    assert prepare("folder", tmp_path / "in", tmp_path / "p.tsv", "--unlabeled", "--max-bad-share", "0.5") == 0
    assert bad(tmp_path / "p.tsv")["loop"].startswith("no such file")


def test_audio_that_is_not_read_is_not_passed_over_in_silence(tmp_path: Path, capsys: Captured) -> None:
    record(tmp_path / "in" / "a.wav")
    for name in ("a.mp4", "b.m4a"):
        (tmp_path / "in" / name).write_bytes(b"0")
    assert prepare("folder", tmp_path / "in", tmp_path / "p.tsv", "--unlabeled", "--max-bad-share", "0.5") == 0
    assert list(bad(tmp_path / "p.tsv")) == ["b"], "the sound of a.mp4 is there as a.wav"
    (tmp_path / "in" / "a.wav").unlink()
    assert prepare("folder", tmp_path / "in", tmp_path / "q.tsv", "--unlabeled") == 1
    assert "no utterance in it but a (a kind of audio that is not read" in capsys.readouterr().err


def test_a_folder_named_like_a_text_is_no_text(tmp_path: Path) -> None:
    record(tmp_path / "in" / "a.wav")
    write(tmp_path / "in" / "a.txt", "one")
    (tmp_path / "in" / "b.txt").mkdir()
    assert prepare("folder", tmp_path / "in", tmp_path / "p.tsv") == 0


@pytest.mark.parametrize(
    ("kind", "source", "message"),
    [
        ("folder", "a.wav", "a.wav, line 1: no text file"),
        ("nemo", "a.wav", "a.wav, line 1: no text file"),
        ("lhotse", "a.wav", "its name ends in .jsonl or .jsonl.gz"),
        ("nemo", ".", "a folder, where a file is expected"),
        ("lhotse", ".", "a folder, where a file is expected"),
        ("librispeech", ".", "a.wav: audio above the chapters' folders"),
    ],
)
def test_a_file_in_place_of_a_folder_is_said(
    kind: str, source: str, message: str, tmp_path: Path, capsys: Captured
) -> None:
    record(tmp_path / "in" / "a.wav")
    assert prepare(kind, tmp_path / "in" / source, tmp_path / "p.tsv", "--unlabeled") == 1
    assert message in capsys.readouterr().err


def test_a_place_that_cannot_be_written_to_is_said_before_anything_is_read(tmp_path: Path, capsys: Captured) -> None:
    record(tmp_path / "in" / "a.wav")
    (tmp_path / "p.tsv").mkdir()
    for out, message in (
        (tmp_path / "p.tsv", "there is a folder of that name"),
        (tmp_path / "in" / "a.wav" / "p.tsv", "nothing can be written to its folder"),
    ):
        assert prepare("folder", tmp_path / "in", out, "--unlabeled") == 1
        error = capsys.readouterr().err
        assert message in error
        assert "checking" not in error


def test_a_set_held_out_twice_and_a_truth_over_a_table_are_refused(tmp_path: Path, capsys: Captured) -> None:
    source = as_kaldi(corpus(tmp_path), False)
    twice = ("--hold-out", "dev=0.1", "--hold-out", "dev=0.2")
    assert prepare("kaldi", source, tmp_path / "p.tsv", *twice) == 1
    assert "have one name" in capsys.readouterr().err
    before = (source / "text").read_bytes()
    assert prepare("kaldi", source, tmp_path / "p.tsv", "--unlabeled", "--truth", str(source / "text")) == 1
    assert (source / "text").read_bytes() == before


def test_a_source_is_not_overwritten_through_a_link(tmp_path: Path) -> None:
    record(tmp_path / "a.wav")
    source = write(tmp_path / "real.tsv", "id\tpath\na\ta.wav\n")
    (tmp_path / "link.tsv").symlink_to(source)
    assert prepare("folder", tmp_path / "link.tsv", source, "--unlabeled") == 1
    assert source.read_text() == "id\tpath\na\ta.wav\n"


def test_a_truth_that_is_missing_says_why(tmp_path: Path, capsys: Captured) -> None:
    for name, text in (("a", "one"), ("b", "route 66"), ("c", "")):
        record(tmp_path / "in" / f"{name}.wav")
        write(tmp_path / "in" / f"{name}.txt", text)
    truth = ("--unlabeled", "--truth", str(tmp_path / "truth.tsv"), "--transcripts", "librispeech")
    assert prepare("folder", tmp_path / "in", tmp_path / "p.tsv", *truth) == 0
    assert read_truth(tmp_path / "truth.tsv")["id"].to_list() == ["a"]
    found = json.loads((tmp_path / "p.summary.json").read_text())["transcripts"]
    assert found["missing"] == 2
    assert "'6' (U+0036" in found["missed"][0]
    assert found["missed"][1].startswith("c: no text: ")
    assert found["missed"][1] in capsys.readouterr().out


def test_long_pieces_are_shared_by_all_threads() -> None:
    busy = threading.Barrier(3, timeout=20)

    def work(piece: int) -> int:
        busy.wait()  # passes only where three pieces are worked on at once
        return piece

    assert list(look_ahead(work, range(6), threads=3, together=1)) == list(range(6))


def test_an_interrupt_ends_the_work_within_a_batch() -> None:
    done: list[int] = []

    def work(piece: int) -> None:
        time.sleep(0.01)
        done.append(piece)

    stream = look_ahead(work, range(10_000), threads=1, together=64)
    next(iter(stream))
    stream.close()  # type: ignore[attr-defined]
    assert len(done) < 64 + 32


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"])
def test_wav_of_any_sample_is_prepared(subtype: str, tmp_path: Path) -> None:
    wave = soundfile.read(record(tmp_path / "a.wav"))[0]
    (tmp_path / "in").mkdir()
    soundfile.write(tmp_path / "in" / "A.WAV", wave, 8000, subtype=subtype)
    assert prepare("folder", tmp_path / "in", tmp_path / "p.tsv", "--unlabeled", "--check", "samples") == 0
    assert read_rows(tmp_path / "p.tsv")["size"].to_list() == [1.0]


def test_a_terminal_without_the_letters_shows_the_summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(tmp_path / "in" / "caf\u00e9.wav")
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding="ascii"))
    assert prepare("folder", tmp_path / "in", tmp_path / "p.tsv", "--unlabeled") == 0
    sys.stdout.flush()
    assert b"caf\\xe9" in out.getvalue()
