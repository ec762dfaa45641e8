"""Manifests as rows: lhotse's, a folder's, our own; what a row cannot say is refused by name."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile
from lhotse import CutSet, MonoCut, Recording, RecordingSet, SupervisionSegment, SupervisionSet

from nst_asr.corpus import CorpusError, Labeled, Unlabeled
from nst_asr.speech.audio import check
from nst_asr.speech.corpora.manifests import (
    SCHEMA,
    ManifestError,
    from_folder,
    from_lhotse,
    read_manifest,
    read_rows,
    read_truth,
    write_rows,
)


def record(path: Path, seconds: float = 1.0, channels: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    wave = np.random.default_rng(0).normal(0, 0.1, (round(seconds * 8000), channels))
    soundfile.write(path, wave, 8000)
    return path


def cut(folder: Path, name: str, *, said: int = 1, channels: int = 1) -> MonoCut:
    recording = Recording.from_file(record(folder / f"{name}.wav", channels=channels))
    spoken = [SupervisionSegment(f"{name}-{i}", name, 0.0, 0.5, text="one two", speaker="ann") for i in range(said)]
    return MonoCut(name, start=0.25, duration=0.5, channel=0, supervisions=spoken, recording=recording)


def save(folder: Path, *cuts: MonoCut) -> Path:
    path = folder / "cuts.jsonl.gz"
    CutSet.from_cuts(cuts).to_file(path)
    return path


def tsv(folder: Path, text: str, name: str = "data.tsv") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def test_cuts_are_rows(tmp_path: Path) -> None:
    rows = from_lhotse(save(tmp_path, cut(tmp_path, "a"), cut(tmp_path, "b")))
    assert rows.schema == SCHEMA
    assert rows.row(1) == ("b", 0.5, "ann", str(tmp_path / "b.wav"), 0.25, "one two")
    assert Labeled(rows).hours == pytest.approx(1 / 3600)
    assert not check(rows, decode=True).bad


def test_cuts_without_text_are_unlabeled(tmp_path: Path) -> None:
    rows = from_lhotse(save(tmp_path, cut(tmp_path, "a", said=0)))
    assert "label" not in rows.columns
    assert Unlabeled(rows).rows["group"].to_list() == [None]


def test_a_cut_whose_text_is_a_space_is_no_labeled_one(tmp_path: Path) -> None:
    blank = cut(tmp_path, "a")
    blank.supervisions[0].text = " "
    with pytest.raises(ManifestError, match=r"a has no text \(1 of 2 have none\)"):
        read_manifest(save(tmp_path, blank, cut(tmp_path, "b")), labeled=True)


def test_recordings_with_supervisions_are_rows(tmp_path: Path) -> None:
    long = Recording.from_file(record(tmp_path / "long.wav", 3.0))
    spoken = [SupervisionSegment(f"s{i}", "long", float(i), 0.5, text=f"say {i}", speaker="bob") for i in range(3)]
    RecordingSet.from_recordings([long]).to_file(tmp_path / "x_recordings.jsonl.gz")
    SupervisionSet.from_segments(spoken).to_file(tmp_path / "x_supervisions.jsonl.gz")
    rows = from_lhotse(tmp_path / "x_recordings.jsonl.gz", tmp_path / "x_supervisions.jsonl.gz")
    assert rows["start"].to_list() == [0.0, 1.0, 2.0]
    assert rows["label"].to_list() == ["say 0", "say 1", "say 2"]
    assert rows["path"].unique().to_list() == [str(tmp_path / "long.wav")]
    assert read_manifest(tmp_path / "x_recordings.jsonl.gz", labeled=True).equals(rows)
    alone = from_lhotse(tmp_path / "x_recordings.jsonl.gz")
    assert alone.row(0) == ("long", 3.0, None, str(tmp_path / "long.wav"), 0.0)
    with pytest.raises(ManifestError, match=r"s0 is a SupervisionSegment.*give the recordings"):
        from_lhotse(tmp_path / "x_supervisions.jsonl.gz")


def test_a_supervision_without_its_recording_is_named(tmp_path: Path) -> None:
    RecordingSet.from_recordings([Recording.from_file(record(tmp_path / "a.wav"))]).to_file(tmp_path / "r.jsonl")
    SupervisionSet.from_segments([SupervisionSegment("s", "gone", 0, 1)]).to_file(tmp_path / "s.jsonl")
    with pytest.raises(ManifestError, match="s belongs to the recording gone"):
        from_lhotse(tmp_path / "r.jsonl", tmp_path / "s.jsonl")


def test_what_a_row_cannot_say_is_refused(tmp_path: Path) -> None:
    plain = cut(tmp_path, "a")
    two_sources = cut(tmp_path, "b")
    assert two_sources.recording
    two_sources.recording.sources *= 2
    for altered, message in (
        (plain.mix(cut(tmp_path, "c"), offset_other_by=0.1), "is a MixedCut"),
        (plain.pad(duration=2.0), "is a MixedCut"),
        (plain.perturb_speed(1.1), "altered"),
        (cut(tmp_path, "d", said=2), "has 2 supervisions"),
        (cut(tmp_path, "e", channels=2), "channel 0 of 2"),
        (two_sources, "2 sources"),
        (MonoCut("f", start=0, duration=1, channel=0), "f has no recording"),
        (plain.truncate(duration=0.3), "another stretch"),
    ):
        with pytest.raises(ManifestError, match=message):
            from_lhotse(save(tmp_path, altered))


@pytest.mark.parametrize(
    "content", [b"", b"hello\n", b'{"what": 1}\n', b'[{"id": "a"}]', b'{"id": "x", "start": 0, "dura'], ids=str
)
@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz"])
def test_what_is_no_lhotse_manifest_is_said(content: bytes, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"m.{suffix}"
    path.write_bytes(content)
    with pytest.raises(ManifestError, match=r"m\.jsonl.*(cannot|not a lhotse|empty|no utterance)"):
        from_lhotse(path)


def test_a_truncated_lhotse_manifest_is_said(tmp_path: Path) -> None:
    path = save(tmp_path, *(cut(tmp_path, f"a{i}") for i in range(20)))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ManifestError, match="not a lhotse manifest that can be read"):
        from_lhotse(path)


def test_a_folder_is_searched_in_the_order_of_names(tmp_path: Path) -> None:
    for name in ("b/2.flac", "b/1.wav", "a b/ü 3.WAV", "c.ogg"):
        record(tmp_path / name)
    tsv(tmp_path, "not audio", "notes.txt")
    rows = read_manifest(tmp_path, labeled=False)
    assert rows["id"].to_list() == ["a b/ü 3", "b/1", "b/2", "c"]
    assert rows["size"].to_list() == [1.0] * 4
    assert not check(rows, decode=True).bad
    with pytest.raises(ManifestError, match="no text in it"):
        read_manifest(tmp_path, labeled=True)


def test_a_tsv_says_what_is_in_the_folder(tmp_path: Path) -> None:
    record(tmp_path / "in here" / "one two.wav", 0.5)
    path = tsv(tmp_path, 'id\tspeaker\tpath\ttext\nu1\tann\tin here/one two.wav\tsay "one"\n\nu2\t\tx.wav\ttwo\n')
    rows = from_folder(tmp_path, path)
    assert rows.row(0) == ("u1", None, "ann", str(tmp_path / "in here" / "one two.wav"), 0.0, 'say "one"')
    assert rows["group"].to_list() == ["ann", None]
    assert read_manifest(path, labeled=True)["size"][0] == 0.5
    assert "label" not in read_manifest(path, labeled=False).columns


def test_windows_line_ends_and_a_byte_order_mark_make_no_difference(tmp_path: Path) -> None:
    lines = "id\tpath\ttext\tseconds\nu1\ta b.wav\tone\t1.25\nu2\tc.wav\ttwo\t2\n"
    plain = from_folder(tmp_path, tsv(tmp_path, lines))
    assert from_folder(tmp_path, tsv(tmp_path, "\ufeff" + lines.replace("\n", "\r\n"), "win.tsv")).equals(plain)
    assert plain["label"].to_list() == ["one", "two"]
    assert plain["size"].to_list() == [1.25, 2.0]


def test_a_tsv_without_text_is_unlabeled(tmp_path: Path) -> None:
    rows = from_folder(tmp_path, tsv(tmp_path, "id\tpath\nu1\ta.wav\n"))
    assert rows.columns == ["id", "size", "group", "path", "start"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must name the columns id and path"),
        ("u1\ta.wav\tone\n", "must name the columns"),
        ("id\tpath\tgender\nu1\ta.wav\tf\n", "may name text, speaker, seconds"),
        ("id\tpath\tid\nu1\ta.wav\tu1\n", "must name the columns"),
        ("id\tpath\n", "an empty manifest"),
        ("id\tpath\nu1\n", "line 2: 1 cells where the first line has 2"),
        ("id\tpath\nu1\ta.wav\n\t b.wav\n", "line 3: id or path is empty"),
        ("id\tpath\tseconds\nu1\ta.wav\tlong\n", "line 2: seconds .*'long'"),
    ],
)
def test_lines_that_do_not_fit_are_named(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=rf"data\.tsv.*{message}"):
        from_folder(tmp_path, tsv(tmp_path, text))


def test_a_tsv_that_is_not_utf8_is_said(tmp_path: Path) -> None:
    (tmp_path / "latin.tsv").write_bytes("id\tpath\nü\ta.wav\n".encode("latin-1"))
    with pytest.raises(ManifestError, match="not UTF-8"):
        from_folder(tmp_path, tmp_path / "latin.tsv")


@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_text_in_a_labeled_set_is_named(text: str, tmp_path: Path) -> None:
    path = tsv(tmp_path, f"id\tpath\ttext\tseconds\nu1\ta.wav\tone\t1\nu2\tb.wav\t{text}\t1\n")
    with pytest.raises(ManifestError, match=r"u2 has no text \(1 of 2 have none\)"):
        read_manifest(path, labeled=True)
    assert len(read_manifest(path, labeled=False)) == 2


def test_an_id_that_occurs_twice_is_named(tmp_path: Path) -> None:
    rows = read_manifest(tsv(tmp_path, "id\tpath\tseconds\nu1\ta.wav\t1\nu1\tb.wav\t1\n"), labeled=False)
    with pytest.raises(CorpusError, match="u1 occurs more than once"):
        Unlabeled(rows)


@pytest.mark.parametrize("name", ["none", "none.tsv", "none.parquet", "none.jsonl.gz"])
def test_a_path_that_does_not_exist_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=f"{name}: no such manifest"):
        read_manifest(tmp_path / name, labeled=False)


def test_what_is_missing_is_named_whatever_reads_it(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="none: no such folder"):
        from_folder(tmp_path / "none")
    with pytest.raises(ManifestError, match=r"none\.tsv: no such file"):
        from_folder(tmp_path, tmp_path / "none.tsv")
    with pytest.raises(ManifestError, match=r"none\.jsonl: no such file"):
        from_lhotse(tmp_path / "none.jsonl")
    with pytest.raises(ManifestError, match=r"none\.parquet: no such manifest"):
        read_rows(tmp_path / "none.parquet")
    with pytest.raises(ManifestError, match="no utterance in it"):
        from_folder(tmp_path)
    with pytest.raises(ManifestError, match=r"a\.wav: no kind of manifest"):
        read_manifest(record(tmp_path / "a.wav"), labeled=False)


@pytest.mark.parametrize("name", ["rows.parquet", "rows.tsv"])
def test_rows_come_back_as_they_were_written(name: str, tmp_path: Path) -> None:
    rows = pl.DataFrame(
        [("u1", 1.5, None, "/a b/c.wav", 0.25, 'say "one"'), ("007", 0.1, "ann", "d.wav", 0.0, "#2 ünd")],
        schema=SCHEMA,
        orient="row",
    )
    for table in (rows, rows.drop("label")):
        write_rows(tmp_path / name, table)
        assert read_rows(tmp_path / name).equals(table)
        assert read_manifest(tmp_path / name, labeled="label" in table.columns).equals(table)


def test_rows_that_a_tsv_cannot_hold_are_refused(tmp_path: Path) -> None:
    rows = pl.DataFrame([("u1", 1.0, None, "a.wav", 0.0, "one\ttwo")], schema=SCHEMA, orient="row")
    with pytest.raises(ManifestError, match="u1: a tab"):
        write_rows(tmp_path / "rows.tsv", rows)
    assert not list(tmp_path.iterdir())


def test_rows_that_are_no_rows_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.parquet").write_text("hello")
    with pytest.raises(ManifestError, match="not a manifest that can be read"):
        read_rows(tmp_path / "text.parquet")
    pl.DataFrame({"id": ["a"]}).write_parquet(tmp_path / "thin.parquet")
    with pytest.raises(ManifestError, match="no column size, group, path, start"):
        read_rows(tmp_path / "thin.parquet")
    pl.DataFrame(schema=SCHEMA).write_parquet(tmp_path / "none.parquet")
    with pytest.raises(ManifestError, match="empty manifest"):
        read_rows(tmp_path / "none.parquet")


def test_truth_is_id_and_label(tmp_path: Path) -> None:
    found = read_truth(tsv(tmp_path, "id\ttext\r\nu1\tone two\r\nu2\t\r\n"))
    assert found.rows() == [("u1", "one two"), ("u2", "")]
    with pytest.raises(ManifestError, match="must name the columns id and text"):
        read_truth(tsv(tmp_path, "u1\tone two\n"))
    with pytest.raises(ManifestError, match="no line but the first"):
        read_truth(tsv(tmp_path, "id\ttext\n"))
