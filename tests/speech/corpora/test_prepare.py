"""Corpora of every kind, with every defect they can have, through the command line."""

import json
import shutil
import sys
from pathlib import Path

import polars as pl
import pytest
import soundfile

from nst_asr.key import Key
from nst_asr.speech.audio import check
from nst_asr.speech.corpora.kinds import KINDS
from nst_asr.speech.corpora.manifests import read_manifest, read_rows, read_truth
from nst_asr.speech.prepare_verb import CORPORA
from tests.speech.six_kinds import MAKERS, SECONDS, TEXTS, as_kaldi, as_librispeech, as_tsv, audio, bad, corpus, prepare
from tests.speech.small_corpora import record, write


def test_the_command_line_knows_every_kind() -> None:
    assert tuple(KINDS) == CORPORA
    assert set(MAKERS) == set(CORPORA)


@pytest.mark.parametrize("windows", [False, True])
@pytest.mark.parametrize("kind", CORPORA)
def test_every_kind_gives_the_same_manifest(kind: str, windows: bool, tmp_path: Path) -> None:
    out = tmp_path / "out" / "train.tsv"
    assert prepare(kind, MAKERS[kind](corpus(tmp_path), windows), out, "--transcripts", "lower") == 0
    rows = read_manifest(out, labeled=True).sort("id")
    assert rows["id"].to_list() == sorted(TEXTS)
    assert rows["label"].to_list() == ["one two", "three", "caf\u00e9", "four"]
    assert rows["group"].to_list() == ["ann", "ann", "bob", "cyd"]
    assert rows["size"].to_list() == [SECONDS[name] for name in sorted(TEXTS)]
    assert bad(out) == {}


@pytest.mark.parametrize("kind", CORPORA)
def test_an_unlabeled_manifest_has_no_transcripts_and_truth_has_them(kind: str, tmp_path: Path) -> None:
    out, truth = tmp_path / "pool.parquet", tmp_path / "truth.tsv"
    source = MAKERS[kind](corpus(tmp_path), False)
    assert prepare(kind, source, out, "--unlabeled", "--truth", str(truth), "--transcripts", "lower") == 0
    assert "label" not in read_rows(out).columns
    assert dict(read_truth(truth).iter_rows())["ann-1"] == "one two"
    assert "one" not in out.read_bytes().decode("latin-1")


def test_audio_without_transcripts_is_a_pool(tmp_path: Path) -> None:
    audio(corpus(tmp_path), ".flac")
    out = tmp_path / "pool.tsv"
    assert prepare("librispeech", tmp_path / "in", out, "--unlabeled") == 0
    assert prepare("folder", tmp_path / "in", tmp_path / "same.tsv", "--unlabeled") == 0
    rows, same = read_rows(out), read_rows(tmp_path / "same.tsv")
    assert rows["group"].to_list() == ["ann", "ann", "bob", "cyd"]
    assert same["path"].to_list() == rows["path"].to_list()
    assert same["id"][0] == "ann/c 1/ann-1"


def test_each_defect_leaves_one_utterance_out_with_its_reason(tmp_path: Path) -> None:
    files = audio(corpus(tmp_path))
    files["cut"] = tmp_path / "in" / "cut.flac"
    whole = record(tmp_path / "in" / "whole.flac", 2.0).read_bytes()
    files["cut"].write_bytes(whole[:-4000])
    files["empty"] = tmp_path / "in" / "empty.wav"
    files["empty"].touch()
    entries = [
        {"id": "good", "audio_filepath": str(files["ann-1"]), "duration": 1.46, "text": "one"},
        {"id": "missing", "audio_filepath": "gone.wav", "duration": 1.0, "text": "one"},
        {"id": "longer", "audio_filepath": str(files["ann-1"]), "duration": 1.44, "text": "one"},
        {"id": "beyond", "audio_filepath": str(files["ann-1"]), "offset": 1.0, "duration": 0.6, "text": "one"},
        {"id": "cut", "audio_filepath": str(files["cut"]), "text": "one"},
        {"id": "empty", "audio_filepath": str(files["empty"]), "text": "one"},
        {"id": "silent", "audio_filepath": str(files["ann-2"]), "text": " "},
        {"id": "dots", "audio_filepath": str(files["ann-2"]), "text": "..."},
        {"id": "digits", "audio_filepath": str(files["ann-2"]), "text": "route 66"},
    ]
    source = write(tmp_path / "in" / "m.json", "".join(json.dumps(entry) + "\n" for entry in entries))
    out = tmp_path / "train.tsv"
    assert prepare("nemo", source, out, "--transcripts", "librispeech", "--max-bad-share", "0.9") == 0
    assert read_rows(out)["id"].to_list() == ["good"]
    assert read_rows(out)["size"].to_list() == [1.5], "the file's own length, not the one that was announced"
    reasons = bad(out)
    for name, reason in {
        "missing": "no such file",
        "longer": "wrong duration",
        "beyond": "segment beyond the end",
        "cut": "truncated",
        "empty": "an empty file",
        "silent": "no text: ",
        "dots": "no text after normalisation",
        "digits": "text that the kind librispeech cannot express",
    }.items():
        assert reason in reasons.pop(name)
    assert not reasons
    found = json.loads((tmp_path / "train.summary.json").read_text())
    assert found["utterances"] == 1
    assert found["left_out"]["wrong duration"]["count"] == 1
    assert found["left_out"]["wrong duration"]["examples"][0].startswith("longer: wrong duration: ")


def test_text_for_no_audio_counts_in_a_labeled_set_only(tmp_path: Path) -> None:
    source = as_librispeech(corpus(tmp_path), False)
    (source / "bob" / "c 1" / "bob-1.flac").unlink()
    out = tmp_path / "train.tsv"
    assert prepare("librispeech", source, out) == 1
    assert not out.exists()
    assert "bob-1" in bad(out)
    assert prepare("librispeech", source, out, "--max-bad-share", "0.25") == 0
    assert prepare("librispeech", source, tmp_path / "pool.tsv", "--unlabeled") == 0


def test_too_many_defects_are_refused_with_their_kinds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = as_kaldi(corpus(tmp_path), False)
    (source / "text").unlink()
    assert prepare("kaldi", source, tmp_path / "train.tsv", "--max-bad-share", "1") == 1
    error = capsys.readouterr().err
    assert "4 of 4 utterances cannot be used" in error
    assert "no text: 4, such as ann-1" in error
    assert "--unlabeled" in error
    assert not (tmp_path / "train.tsv").exists()
    assert len(bad(tmp_path / "train.tsv")) == 4


def test_two_utterances_with_one_id_are_refused_with_both_places(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = as_librispeech(corpus(tmp_path), False)
    shutil.copy(source / "bob" / "c 1" / "bob-1.flac", source / "ann" / "c 1" / "bob-1.flac")
    assert prepare("librispeech", source, tmp_path / "train.tsv", "--unlabeled") == 1
    error = capsys.readouterr().err
    assert "bob-1 occurs twice" in error
    assert "ann/c 1/bob-1.flac and " in error
    assert "bob/c 1/bob-1.flac" in error
    assert [path.name for path in tmp_path.iterdir()] == ["in"], "it is refused before anything is written"


def test_several_parts_are_one_corpus_and_a_part_given_twice_is_refused(tmp_path: Path) -> None:
    first = as_librispeech(corpus(tmp_path), False)
    record(tmp_path / "other" / "dan" / "1" / "dan-1.flac")
    assert prepare("librispeech", [first, tmp_path / "other"], tmp_path / "all.tsv", "--unlabeled") == 0
    assert len(read_rows(tmp_path / "all.tsv")) == 5
    assert prepare("librispeech", [first, first], tmp_path / "twice.tsv", "--unlabeled") == 1


@pytest.mark.parametrize("ending", [".tsv", ".parquet"])
def test_held_out_speakers_get_manifests_of_their_own(ending: str, tmp_path: Path) -> None:
    source = as_kaldi(corpus(tmp_path), False)
    held = ("--hold-out", "dev=0.1", "--hold-out", "test=0.1", "--seed", "3")
    assert prepare("kaldi", source, tmp_path / f"train{ending}", *held) == 0
    parts = {name: read_manifest(tmp_path / f"{name}{ending}", labeled=True) for name in ("train", "dev", "test")}
    assert sorted(pl.concat(parts.values())["id"]) == sorted(TEXTS)
    groups = [set(part["group"]) for part in parts.values()]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 3
    found = json.loads((tmp_path / "train.summary.json").read_text())
    assert [Path(part["path"]).name for part in found["sets"]] == [f"{n}{ending}" for n in ("dev", "test", "train")]
    assert [part["utterances"] for part in found["sets"]] == [len(parts[name]) for name in ("dev", "test", "train")]


def test_the_summary_counts_what_was_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert prepare("kaldi", as_kaldi(corpus(tmp_path), False), tmp_path / "t.tsv", "--transcripts", "lower") == 0
    found = json.loads((tmp_path / "t.summary.json").read_text())
    assert found["utterances"] == 4
    assert found["hours"] == pytest.approx(4.0 / 3600)
    assert found["longest"] == {"id": "ann-1", "seconds": 1.5}
    assert found["shortest"] == {"id": "ann-2", "seconds": 0.5}
    assert found["speakers"]["count"] == 3
    assert found["speakers"]["most"] == {"speaker": "ann", "hours": pytest.approx(2.0 / 3600)}
    assert found["formats"] == {"8000 Hz, 1 channel": 4}
    assert found["characters"]["o"] == 3
    assert found["characters"]["\u00e9"] == 1
    assert sum(found["characters"].values()) == len("one twothreecaf\u00e9four")
    assert found["transcripts"]["changed"] == 1
    assert found["transcripts"]["examples"] == [{"id": "ann-1", "before": "One, two!", "after": "one two"}]
    printed = capsys.readouterr().out
    for text in (
        "utterances  4",
        "shortest    0.50 s  ann-2",
        "changed 1",
        "'One, two!'",
        "'one two'",
        "left out    nothing",
    ):
        assert text in printed


def test_the_order_is_that_of_the_corpus_and_the_work_of_threads_does_not_show(tmp_path: Path) -> None:
    path = record(tmp_path / "in" / "a.wav", 100.0)
    lines = (json.dumps({"audio_filepath": path.name, "offset": i / 50, "duration": 0.02}) for i in range(5000))
    source = write(tmp_path / "in" / "m.json", "".join(f"{line}\n" for line in lines))
    assert prepare("nemo", source, tmp_path / "pool.tsv", "--unlabeled") == 0
    starts = read_rows(tmp_path / "pool.tsv")["start"]
    assert starts.to_list() == [i / 50 for i in range(5000)]
    assert prepare("nemo", source, tmp_path / "again.tsv", "--unlabeled") == 0
    assert (tmp_path / "again.tsv").read_bytes() == (tmp_path / "pool.tsv").read_bytes()


def test_with_samples_damage_in_the_middle_is_found(tmp_path: Path) -> None:
    wave = soundfile.read(record(tmp_path / "in" / "a.wav", 2.0))[0]
    wave[4000] = float("nan")
    soundfile.write(tmp_path / "in" / "a.wav", wave, 8000, subtype="FLOAT")
    record(tmp_path / "in" / "b.wav")
    options = ("--unlabeled", "--max-bad-share", "0.5")
    assert prepare("folder", tmp_path / "in", tmp_path / "h.tsv", *options) == 0
    assert prepare("folder", tmp_path / "in", tmp_path / "s.tsv", *options, "--check", "samples") == 0
    assert len(read_rows(tmp_path / "h.tsv")) == 2
    assert read_rows(tmp_path / "s.tsv")["id"].to_list() == ["b"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--out", "x.json"), "a name ending in .tsv or .parquet"),
        (("--cut", "30"), "--cut needs --unlabeled"),
        (("--truth", "t.tsv"), "--truth needs --unlabeled"),
        (("--unlabeled", "--truth", "t.tsv", "--cut", "30"), "exclude each other"),
        (("--unlabeled", "--cut", "0.5"), "--cut 0.5"),
        (("--unlabeled", "--cut", "nan"), "--cut nan"),
        (("--max-bad-share", "2"), "--max-bad-share 2.0"),
        (("--hold-out", "dev=0.6", "--hold-out", "test=0.6"), "leave nothing for training"),
        (("--hold-out", "dev=ten"), "expected NAME=SHARE"),
        (("--hold-out", "train=0.1"), "have one name"),
        (("--unlabeled", "--truth", "train.tsv"), "have one name"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    options: tuple[str, ...],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    source = as_tsv(corpus(tmp_path), False)
    assert prepare("folder", source, Path("train.tsv"), *options) == 1
    assert message in capsys.readouterr().err


def test_a_source_is_not_overwritten(tmp_path: Path) -> None:
    source = as_tsv(corpus(tmp_path), False)
    content = source.read_bytes()
    assert prepare("folder", source, source) == 1
    assert source.read_bytes() == content


@pytest.mark.parametrize("kind", CORPORA)
def test_an_empty_or_missing_corpus_is_refused(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert prepare(kind, tmp_path / "gone", tmp_path / "out.tsv") == 1
    assert "gone" in capsys.readouterr().err
    for name in ("wav.scp", "m.json"):
        write(tmp_path / "in" / name, "\n")
    assert prepare(kind, tmp_path / "in" / "m.json" if kind == "nemo" else tmp_path / "in", tmp_path / "out.tsv") == 1
    assert not (tmp_path / "out.tsv").exists()


def test_a_tab_in_a_path_needs_parquet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(tmp_path / "in" / "a\tb.wav")
    assert prepare("folder", tmp_path / "in", tmp_path / "p.tsv", "--unlabeled") == 1
    assert "use .parquet" in capsys.readouterr().err
    assert prepare("folder", tmp_path / "in", tmp_path / "p.parquet", "--unlabeled") == 0
    assert read_rows(tmp_path / "p.parquet")["id"].to_list() == ["a\tb"]


def test_nothing_is_left_behind_when_it_is_refused_late(tmp_path: Path) -> None:
    assert prepare("kaldi", as_kaldi(corpus(tmp_path), False), tmp_path / "t.tsv", "--hold-out", "dev=0.99") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "t.bad.tsv"]


@pytest.mark.slow
def test_only_lhotse_formats_import_lhotse(tmp_path: Path) -> None:
    import subprocess

    source = as_kaldi(corpus(tmp_path), False)
    program = (
        "import sys; from nst_asr.cli import main; "
        f"main(['prepare', 'kaldi', {str(source)!r}, '--out', {str(tmp_path / 't.tsv')!r}]); "
        "sys.exit('lhotse' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[2]).returncode == 0


def test_a_long_file_is_cut_where_nobody_speaks_and_audio_is_not_copied(tmp_path: Path) -> None:
    wave = Key(0).generator().normal(0, 1e-4, 8000 * 60)
    for begin in (2, 12, 25, 40):
        wave[8000 * begin : 8000 * (begin + 5)] *= 1000
    (tmp_path / "in").mkdir()
    soundfile.write(tmp_path / "in" / "long.flac", wave, 8000)
    record(tmp_path / "in" / "short.wav", 2.0)
    out = tmp_path / "pool.tsv"
    assert prepare("folder", tmp_path / "in", out, "--unlabeled", "--cut", "10") == 0
    rows = read_rows(out)
    assert rows["size"].max() <= 10.0  # type: ignore[operator]
    assert rows["id"].to_list()[-1] == "short"
    pieces = rows.filter(pl.col("path") == str(tmp_path / "in" / "long.flac"))
    assert len(pieces) == 4
    assert pieces["id"].to_list() == sorted(pieces["id"])
    assert pieces["id"].str.contains(r"^long-\d{7}-\d{7}$").all()
    assert not check(rows, decode=True).bad
    assert {path.suffix for path in tmp_path.iterdir()} == {"", ".tsv", ".json"}


def test_a_piece_named_as_another_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wave = Key(0).generator().normal(0, 1e-4, 8000 * 20)
    wave[8000 * 5 : 8000 * 9] *= 1000
    (tmp_path / "in").mkdir()
    soundfile.write(tmp_path / "in" / "long.flac", wave, 8000)
    options = ("--unlabeled", "--cut", "10")
    assert prepare("folder", tmp_path / "in", tmp_path / "first.tsv", *options) == 0
    (name,) = read_rows(tmp_path / "first.tsv")["id"]
    record(tmp_path / "in" / f"{name}.wav")
    assert prepare("folder", tmp_path / "in", tmp_path / "second.tsv", *options) == 1
    assert f"{name} names a piece" in capsys.readouterr().err
