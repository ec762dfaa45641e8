"""Faults that the seventh review found in score-wer and its readers; each once went as told here."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from rich.cells import cell_len

from nst_asr.scoring.attributes import side_columns
from nst_asr.scoring.ctm import read_ctm
from nst_asr.scoring.formats import read
from nst_asr.scoring.groups import column_of
from nst_asr.scoring.stm import read_stm
from nst_asr.scoring.texts import ScoringError, Texts, Wanted
from tests.scoring.scored import only, refused, scored, write

REFERENCE, HYPOTHESIS = Wanted("reference"), Wanted("hypothesis")
ROOT = Path(__file__).parents[2]


def as_dict(texts: Texts) -> dict[str, str]:
    return dict(texts.rows.select("id", "text").iter_rows())


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Two Kaldi files of two utterances."""
    return [write(tmp_path / "ref", "u1 a b c\nu2 d e\n"), write(tmp_path / "hyp", "u1 a b c\nu2 d x\n")]


def test_more_than_twenty_speakers_with_numbers_for_names_are_parts_of_their_own(tmp_path: Path) -> None:
    # as in LibriSpeech; they were cut into fifths, such as `under 118`
    lines = "".join(f"a b ({100 * place}-1)\n" for place in range(1, 31))
    found = scored(tmp_path, write(tmp_path / "r.trn", lines), write(tmp_path / "h.trn", lines), "--by", "speaker")
    assert [row["group"] for row in only(found)["by"]["speaker"]] == [str(100 * place) for place in range(1, 31)]


def test_fifths_whose_edges_read_the_same_keep_apart() -> None:
    values = [1_000_000 + place / 8 for place in range(100)]
    groups = column_of(pl.DataFrame({"id": [str(value) for value in values], "x": values}), "x")
    assert groups.n_unique() == 5


def test_a_word_of_a_ctm_within_a_longer_one_goes_where_sclite_puts_it(tmp_path: Path) -> None:
    # `long` has its middle at 2.5, so that `short`, which begins later and has its own at 1.6, follows it
    write(tmp_path / "r.stm", "f A s 0 2 x\nf A s 2 4 y\n")
    write(tmp_path / "h.ctm", "f A 0.5 0.2 first\nf A 1.0 3.0 long\nf A 1.5 0.2 short\n")
    heard = read_ctm(tmp_path / "h.ctm", read_stm(tmp_path / "r.stm").segments)
    assert heard.rows["text"].to_list() == ["first", "long short"]


def test_times_of_a_segment_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    for times in ("0 inf", "nan 1"):
        write(tmp_path / "r.stm", f"f A s {times} x\n")
        with pytest.raises(ScoringError, match=r"line 1: not `file channel speaker begin end"):
            read_stm(tmp_path / "r.stm")


def test_the_text_of_a_long_recording_is_read(tmp_path: Path) -> None:
    # over 131,072 characters: more than Python's csv takes for a cell, with which formats were guessed
    words = "word " * 30_000
    write(tmp_path / "text", f"u1 {words}\nu2 a\n")
    assert len(as_dict(read(tmp_path / "text", None, REFERENCE))["u1"].split()) == 30_000
    write(tmp_path / "x.csv", f"id,text\nu1,{words}\nu2,\n")
    assert as_dict(read(tmp_path / "x.csv", None, REFERENCE)) == {"u1": words.strip(), "u2": ""}


def test_a_line_end_of_old_within_a_line_is_no_crash(tmp_path: Path) -> None:
    write(tmp_path / "text", "u1 a\rb\nu2 c\n")
    assert as_dict(read(tmp_path / "text", None, REFERENCE)) == {"u1": "a\rb", "u2": "c"}


def test_a_csv_as_pandas_writes_it_is_read(tmp_path: Path) -> None:
    write(tmp_path / "x.csv", ",id,text\n0,u1,a b\n1,u2,c\n")
    assert as_dict(read(tmp_path / "x.csv", None, REFERENCE)) == {"u1": "a b", "u2": "c"}


def test_a_first_line_of_a_csv_may_have_line_ends_in_its_cells(tmp_path: Path) -> None:
    write(tmp_path / "x.csv", '"id","text","of\nwhom","why"\nu1,a b,1,2\n')
    assert as_dict(read(tmp_path / "x.csv", None, REFERENCE)) == {"u1": "a b"}


def test_texts_in_a_column_called_line_are_texts(tmp_path: Path) -> None:
    # they were the numbers of the lines, or a traceback
    write(tmp_path / "x.csv", "id,line\nu1,a b\n")
    write(tmp_path / "x.tsv", "id\tline\nu1\ta b\n")
    write(tmp_path / "x.jsonl", '{"id": "u1", "line": "a b"}\n')
    for name in ("x.csv", "x.tsv", "x.jsonl"):
        assert as_dict(read(tmp_path / name, None, Wanted("reference", "line"))) == {"u1": "a b"}


def test_a_table_without_a_line_says_so(tmp_path: Path) -> None:
    for name in ("x.csv", "x.tsv"):
        with pytest.raises(ScoringError, match="no first line that names the columns"):
            read(Path(write(tmp_path / name, "")), None, REFERENCE)


def test_json_lines_may_have_a_byte_order_mark_and_numbers_that_are_none(tmp_path: Path) -> None:
    # Python writes NaN where a model was sure of nothing
    lines = '\ufeff{"id": "u1", "text": "a b", "confidence": NaN}\r\n\r\n{"id": 7, "text": "c", "confidence": 0.5}\n'
    write(tmp_path / "x.jsonl", lines)
    found = read(tmp_path / "x.jsonl", None, HYPOTHESIS)
    assert as_dict(found) == {"u1": "a b", "7": "c"}
    assert found.rows["confidence"].to_list() == [None, 0.5]
    assert found.rows["line"].to_list() == [1, 3]
    side = tmp_path / "side.jsonl"
    write(side, '\ufeff{"id": "u1", "room": 2, "snr": NaN}\n')
    assert side_columns(side, ["room"]).row(0) == ("u1", "2")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"id": "u1", "text": "a", "text": "b"}\n', "line 1: not JSON (the key 'text' comes twice)"),
        ('{"id": "u1", "text": NaN}\n', "line 1: text = nan"),
        ('{"id": "u1", "text": "a", "duration": NaN}\n{"id": "u2"}\n', "line 2: text = None"),
    ],
)
def test_json_that_could_be_read_in_two_ways_is_named_by_line(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ScoringError) as caught:
        read(Path(write(tmp_path / "x.jsonl", text)), None, REFERENCE)
    assert message in str(caught.value)


def test_blanks_around_ids_are_no_part_of_them_in_any_format(tmp_path: Path) -> None:
    write(tmp_path / "x.jsonl", '{"id": " u1 ", "text": "a"}\n')
    assert as_dict(read(tmp_path / "x.jsonl", None, REFERENCE)) == {"u1": "a"}


def test_gzipped_text_is_known_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(gzip.compress(b"u1 a b\n"))
    assert as_dict(read(tmp_path / "text", None, REFERENCE)) == {"u1": "a b"}


def test_what_is_no_text_file_is_said_with_a_way_out_of_score_wer(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "zeros").write_bytes(b"\0" * 100)
    assert "no text file (there are zero bytes in it)" in refused(capsys, files[0], str(tmp_path / "zeros"))
    os.mkfifo(tmp_path / "pipe")
    assert "a pipe, as it seems" in refused(capsys, files[0], str(tmp_path / "pipe"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--from-id", "text=^u"], "a column text: it would be taken for the references' own"),
        (["--blocks", "id"], "a column id: it would be taken"),
        (["--from-id", "label=^u.", "--blocks", "label"], "--blocks label: a score calls something else so"),
        (["--from-id", "x=u(?=1)"], "--from-id x=u(?=1): an expression without look-around"),
        (["--by", "duration", "--bands", ""], "--bands : give ascending numbers"),
    ],
)
def test_options_that_were_taken_otherwise_are_refused(
    arguments: list[str], message: str, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    # the first replaced the references by `u`, the last was passed over, the others ended in tracebacks
    assert message in refused(capsys, *files, *arguments)


def test_durations_of_a_side_file_that_are_no_numbers_are_refused(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    side = write(tmp_path / "utt2dur", "u1 two\nu2 2.0\n")
    assert "utt2dur: u1: seconds = 'two' is no number" in refused(capsys, *files, "--side", side, "--by", "duration")


def test_a_file_that_is_read_is_not_written_over(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    before = Path(files[0]).read_text()
    for option in ("--json", "--pra"):
        assert "would be written over a file that is read" in refused(capsys, *files, option, files[0])
    assert "or written too" in refused(capsys, *files, "--json", "x.json", "--pra", "x.json")
    assert Path(files[0]).read_text() == before


def test_a_baseline_of_another_format_stands_beside_a_manifest(tmp_path: Path) -> None:
    lines = [{"id": f"u{k}", "text": "a b", "pred_text": "a"} for k in range(3)]
    manifest = write(tmp_path / "m.json", "".join(json.dumps(line) + "\n" for line in lines))
    baseline = write(tmp_path / "base", "u0 x\nu1 x\nu2 x\n")
    oracle = write(tmp_path / "best", "u0 a b\nu1 a b\nu2 a b\n")
    found = scored(tmp_path, manifest, "--baseline", baseline, "--oracle", oracle)
    assert found["hypotheses"][manifest]["recovery"]["rate"] == 0.5


def test_the_recovery_rate_goes_over_references_with_alternatives(tmp_path: Path) -> None:
    # 5, 1 and 0 errors in the 6 words of the baseline, which were called different utterances
    said = write(tmp_path / "r.trn", "i am { going to / gonna } go (s-1)\nb c (s-2)\n")
    teacher = write(tmp_path / "a.trn", "x gonna x (s-1)\nq q (s-2)\n")
    student = write(tmp_path / "b.trn", "i am going to go (s-1)\nb (s-2)\n")
    oracle = write(tmp_path / "c.trn", "i am going to go (s-1)\nb c (s-2)\n")
    found = scored(tmp_path, said, student, "--baseline", teacher, "--oracle", oracle)["hypotheses"]
    assert [found[name]["score"]["words"] for name in (teacher, student, oracle)] == [6, 7, 7]
    assert [found[name]["score"]["errors"] for name in (teacher, student, oracle)] == [5, 1, 0]
    assert found[student]["recovery"]["rate"] == pytest.approx(4 / 5)


def test_columns_of_chinese_words_stand_below_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = write(tmp_path / "r", "u1 漢字 b c\nu2 x b d d\n"), write(tmp_path / "h", "u1 漢 b\nu2 y b\n")
    scored(tmp_path, *files)
    lines = [line for line in capsys.readouterr().out.splitlines() if "->" in line]
    assert [line.split() for line in lines] == [["1", "x", "->", "y", "2", "d"], ["1", "漢字", "->", "漢", "1", "c"]]
    assert cell_len(lines[0]) == cell_len(lines[1])


def test_alignments_lose_a_letter_where_the_terminal_has_none(tmp_path: Path) -> None:
    files = write(tmp_path / "r", "u1 é\n"), write(tmp_path / "h", "u1 e\n")
    command = [sys.executable, "-m", "tools.score_wer", *files, "--align", "all"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=os.environ | _ASCII)
    assert done.returncode == 0, done.stderr
    assert "REF:  \\xe9" in done.stdout


def test_whoever_reads_some_alignments_only_is_no_error(tmp_path: Path) -> None:
    said = "".join(f"u{place} {'a ' * 20}\n" for place in range(2000))
    heard = said.replace("a a", "b a")
    files = write(tmp_path / "r", said), write(tmp_path / "h", heard)
    command = [sys.executable, "-m", "tools.score_wer", *files, "--align", "all"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.readline()
        running.stdout.close()
        assert running.stderr.read() == b""
    assert running.returncode == 0


_ASCII = {"PYTHONIOENCODING": "ascii"}
