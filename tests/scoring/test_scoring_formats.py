"""Reading references and hypotheses: every format gives the same utterances, damage is named by file and line."""

import gzip
import json
from pathlib import Path

import polars as pl
import pytest

from nst_asr.scoring.ctm import read_ctm
from nst_asr.scoring.formats import FORMATS, guess, read
from nst_asr.scoring.stm import read_stm
from nst_asr.scoring.texts import ScoringError, Texts, Wanted
from nst_asr.scoring.verb import FORMATS as OFFERED
from tests.scoring.scored import write

REFERENCE, HYPOTHESIS = Wanted("reference"), Wanted("hypothesis")
SPOKEN = {"s1-a": "the cat sat", "s1-b": "", "s2-c": "zwölf élan"}


def as_dict(texts: Texts) -> dict[str, str]:
    return dict(texts.rows.select("id", "text").iter_rows())


def kaldi() -> str:
    return "".join(f"{name} {text}\n" for name, text in SPOKEN.items())


WRITTEN = {
    "text": kaldi(),
    "bom.txt": "\ufeff" + kaldi().replace("\n", "\r\n") + "\n  \n",
    "x.trn": ";; a comment\n" + "".join(f"{text} ({name})\n" for name, text in SPOKEN.items()),
    "trn-without-suffix": "".join(f"{text} ({name})\n" for name, text in SPOKEN.items()),
    "x.jsonl": "".join(json.dumps({"id": n, "transcript": t, "z": [1]}) + "\n" for n, t in SPOKEN.items()) + "\n",
    "manifest.json": "".join(json.dumps({"audio_filepath": n, "text": t}) + "\n" for n, t in SPOKEN.items()),
    "x.csv": "label,id\r\n" + "".join(f'"{text}",{name}\r\n' for name, text in SPOKEN.items()),
    "x.tsv": "id\tspeaker\ttext\n" + "".join(f"{name}\tx\t{text}\n" for name, text in SPOKEN.items()),
    "names-columns": "id,text\n" + "".join(f"{name},{text}\n" for name, text in SPOKEN.items()),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_every_format_gives_the_same_utterances(name: str, tmp_path: Path) -> None:
    write(tmp_path / name, WRITTEN[name])
    assert as_dict(read(tmp_path / name, None, REFERENCE)) == SPOKEN


def test_gzipped_text_is_read_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "x.trn.gz").write_bytes(gzip.compress(WRITTEN["x.trn"].encode()))
    assert as_dict(read(tmp_path / "x.trn.gz", None, REFERENCE)) == SPOKEN
    (tmp_path / "text.gz").write_bytes(gzip.compress(WRITTEN["text"].encode()))
    assert as_dict(read(tmp_path / "text.gz", None, REFERENCE)) == SPOKEN


def test_label_tables_are_read_whole_or_in_parts(tmp_path: Path) -> None:
    table = pl.DataFrame({"id": list(SPOKEN), "label": list(SPOKEN.values()), "size": [1.5, 2.0, 0.5]})
    (tmp_path / "labels").mkdir()
    table[:1].write_parquet(tmp_path / "labels/part-00000.parquet")
    table[1:].write_parquet(tmp_path / "labels/part-00001.parquet")
    table.write_parquet(tmp_path / "x.parquet")
    for path in (tmp_path / "labels", tmp_path / "x.parquet"):
        found = read(path, None, REFERENCE)
        assert as_dict(found) == SPOKEN
        assert found.rows["seconds"].to_list() == [1.5, 2.0, 0.5]


def test_the_verb_offers_the_formats_that_are_read() -> None:
    assert tuple(FORMATS) == OFFERED


def test_a_format_that_is_named_is_not_guessed(tmp_path: Path) -> None:
    path = tmp_path / "x.trn"
    write(path, "u1 a (b)\n")
    assert as_dict(read(path, None, REFERENCE)) == {"b": "u1 a"}
    found = read(path, "kaldi", REFERENCE)
    assert (as_dict(found), found.guessed) == ({"u1": "a (b)"}, False)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("f 1 0.0 0.5 word 0.9\nf 1 .5 1 word\n", "ctm"),
        (";; x\nf A spk 0.0 0.5 <o,f0> word\nf A spk 1.0 2.5\n", "stm"),
        ("u1 1 2 words of a text\nu2 x\n", "kaldi"),
        ("he said (quietly)\nu2 x\n", "kaldi"),
        ('{"id": "a", "text": "b"}\n', "jsonl"),
        ("id\ttext\na\tb\n", "tsv"),
    ],
)
def test_formats_are_told_by_their_content(text: str, form: str, tmp_path: Path) -> None:
    write(tmp_path / "x", text)
    assert guess(tmp_path / "x") == (form, True)


def test_the_speaker_of_a_trn_id_is_what_sclite_takes_for_it(tmp_path: Path) -> None:
    write(tmp_path / "x.trn", "a (spk-one_2)\nb (spk_one-2)\n")
    assert read(tmp_path / "x.trn", None, REFERENCE).rows["speaker"].to_list() == ["spk", "spk"]
    write(tmp_path / "y.trn", "a (spk-1)\nb (nobody)\n")
    assert "speaker" not in read(tmp_path / "y.trn", None, REFERENCE).rows.columns


def test_a_hypothesis_is_taken_from_pred_text_and_a_reference_from_text(tmp_path: Path) -> None:
    line = {"audio_filepath": "a.wav", "text": "said", "pred_text": "heard", "duration": 2.5, "confidence": 0.5}
    write(tmp_path / "x.json", json.dumps(line) + "\n")
    assert as_dict(read(tmp_path / "x.json", None, REFERENCE)) == {"a.wav": "said"}
    found = read(tmp_path / "x.json", None, HYPOTHESIS)
    assert as_dict(found) == {"a.wav": "heard"}
    assert found.rows.select("seconds", "confidence").row(0) == (2.5, 0.5)
    assert found.about == "JSON lines (audio_filepath, pred_text)"
    other = read(tmp_path / "x.json", None, Wanted("hypothesis", "text"))
    assert as_dict(other) == {"a.wav": "said"}


@pytest.mark.parametrize("name", ["x.trn", "x.jsonl", "x.csv", "x.tsv"])
def test_a_name_with_brackets_is_a_name(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "run[1]*"
    folder.mkdir()
    write(folder / name, WRITTEN[name])
    assert as_dict(read(folder / name, None, REFERENCE)) == SPOKEN


def test_quotation_marks_part_cells_in_a_csv_and_are_text_in_a_tsv(tmp_path: Path) -> None:
    write(tmp_path / "x.csv", 'id,text\na,"he said ""no"", and\nleft"\n')
    assert as_dict(read(tmp_path / "x.csv", None, REFERENCE)) == {"a": 'he said "no", and\nleft'}
    write(tmp_path / "x.tsv", 'id\ttext\na\t"quoted"\nb\t"open\n')
    found = read(tmp_path / "x.tsv", None, REFERENCE)
    assert as_dict(found) == {"a": '"quoted"', "b": '"open'}
    assert "quoted-tsv" in found.notes[0]
    write(tmp_path / "y.tsv", 'id\ttext\na\t"tab\there"\n')
    assert as_dict(read(tmp_path / "y.tsv", "quoted-tsv", REFERENCE)) == {"a": "tab\there"}


STM = """;; comment
f1 A spk1 0.0 5.0 <o,f0,male> the cat sat on
f1 A spk1 6.0 9.0 <o,f1,female> hello
f1 A spk2 9.0 10.0 IGNORE_TIME_SEGMENT_IN_SCORING
f1 A spk2 12.0 15.0 <o,f1,female>
f1 A spk2 15.0 16.0 last
"""
CTM = (
    """f1 A 0.1 0.3 the 0.9
f1 A 1.1 0.3 cat 0.5
f1 A 4.7 0.8 across
f1 A 5.4 0.3 between
f1 A 9.4 0.3 ignored
f1 A 14.8 0.4 end
f1 A 20 0.4 after
""".replace("across", "across 0.1")
    .replace("between", "between 0.2")
    .replace("ignored", "ignored 0.3")
)
CTM = CTM.replace("end\n", "end 0.4\n").replace("after\n", "after 0.6\n")


def test_words_of_a_ctm_go_to_segments_by_their_middle_as_in_sclite(tmp_path: Path) -> None:
    write(tmp_path / "r.stm", STM)
    write(tmp_path / "h.ctm", CTM)
    segments = read_stm(tmp_path / "r.stm")
    assert [name.split("_", 3)[3] for name in segments.rows["id"]] == ["0.0_5.0", "6.0_9.0", "12.0_15.0", "15.0_16.0"]
    assert segments.rows["seconds"].to_list() == [5.0, 3.0, 3.0, 1.0]
    assert segments.rows["labels"].to_list() == ["<o,f0,male>", "<o,f1,female>", "<o,f1,female>", ""]
    heard = read_ctm(tmp_path / "h.ctm", segments.segments)
    assert heard.rows["id"].to_list() == segments.rows["id"].to_list()
    assert heard.rows["text"].to_list() == ["the cat", "across between", "", "end after"]
    assert heard.rows["confidence"].to_list() == pytest.approx([0.7, 0.15, None, 0.5])


def test_a_ctm_without_segments_has_a_text_for_each_file_or_channel(tmp_path: Path) -> None:
    write(tmp_path / "h.ctm", "u2 1 0.5 0.1 b\nu2 1 0.0 0.1 a\nu1 1 0.0 0.1 c\n")
    found = read_ctm(tmp_path / "h.ctm")
    assert as_dict(found) == {"u2": "a b", "u1": "c"}
    assert found.notes == ("not in the order of time (1 word): sorted",)
    write(tmp_path / "h.ctm", "f A 0.5 0.1 a\nf B 0.0 0.1 b\n")
    assert as_dict(read_ctm(tmp_path / "h.ctm")) == {"f_A": "a", "f_B": "b"}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.trn", "a b (u1)\n\nc d\n", "line 3: no (id)"),
        ("x.ctm", "f A 0.1 0.2 a\nf A 0.1 b\n", "line 2: not `file channel begin"),
        ("x.ctm", "f A 0.1 x a\n", "line 1: not `file channel begin"),
        ("x.ctm", "f A 0.1 -1 a\n", "line 1: not `file channel begin"),
        ("x.ctm", "f A 0.1 0.1 a b\n", "line 1: a confidence that is no number"),
        ("x.ctm", "f A 0.1 0.1 a\nf A * * <ALT_BEGIN>\n", "line 2: alternatives in a hypothesis"),
        ("x.stm", "f A s 0.0 1.0 a\nf A s 1.0\n", "line 2: not `file channel speaker"),
        ("x.stm", "f A s 2.0 1.0 a\n", "line 1: the segment ends before it begins"),
        ("x.jsonl", '{"id": "a", "text": "b"}\n\n{"id": "c" "text": "d"}\n', "line 3: not JSON"),
        ("x.jsonl", '{"id": "a", "text": "b"}\n[1]\n', "line 2: no JSON object"),
        ("x.jsonl", '{"id": "a", "text": "b"}\n{"id": "c"}\n', "line 2: text = None"),
        ("x.jsonl", '{"id": "a", "text": ["b"]}\n', "line 1: text = ['b']"),
        ("x.jsonl", '{"id": "a", "text": "b", "duration": "long"}\n', "line 1: duration = 'long'"),
        ("x.jsonl", '{"id": "a"}\n', "no column of texts (it has id)"),
        ("x.jsonl", '{"text": "a"}\n', "no column of ids (it has text)"),
        ("x.json", '[{"id": "a", "text": "b"}]\n', "one JSON list"),
        ("x.csv", 'id,text\na,b\n"c\n', "line"),
        ("x.csv", "id,text\na,b,c\n", "line 2: 3 cells where the first line has 2"),
        ("x.csv", "id,text\na,b\nc\n", "line 3: 1 cells where the first line has 2"),
        ("x.csv", "id,id\na,b\n", "each by a name of its own"),
        ("x.csv", "id,duration,text\na,long,b\n", "line 2: the seconds is no number"),
        ("x.tsv", "id\ttext\n\na\tb\nc\n", "line 4: not the 2 cells"),
        ("x.tsv", "id\ttext\n\tb\n", "line 2: no id"),
        ("x.txt", "", "no line in it"),
        ("x.txt", "u1 a\x01b\n", "line 1: a control character"),
    ],
)
def test_damage_is_named_by_file_and_line(name: str, text: str, message: str, tmp_path: Path) -> None:
    write(tmp_path / name, text)
    with pytest.raises(ScoringError) as caught:
        read(tmp_path / name, None, REFERENCE)
    assert str(caught.value).startswith(str(tmp_path / name))
    assert message in str(caught.value)


def test_text_of_another_encoding_is_named_by_line(tmp_path: Path) -> None:
    lines = '{"id": "a", "text": "b"}\n{"id": "ä", "text": "b"}\n'
    for name, text in (("x.txt", lines), ("x.trn", lines), ("x.jsonl", lines), ("x.csv", "id,text\nä,b\n")):
        (tmp_path / name).write_bytes(text.encode("latin-1"))
        with pytest.raises(ValueError, match=rf"{name}, line 2: not UTF-8"):
            read(tmp_path / name, None, REFERENCE)


def test_a_parquet_table_with_a_gap_or_damage_is_named(tmp_path: Path) -> None:
    pl.DataFrame({"id": ["a", "b"], "label": ["x", None]}).write_parquet(tmp_path / "x.parquet")
    with pytest.raises(ScoringError, match=r"row 2: no label \(b\)"):
        read(tmp_path / "x.parquet", None, REFERENCE)
    (tmp_path / "x.parquet").write_bytes(b"nothing")
    with pytest.raises(RuntimeError, match=r"x\.parquet: damaged"):
        read(tmp_path / "x.parquet", None, REFERENCE)
    with pytest.raises(ScoringError, match="without part-"):
        read(tmp_path, None, REFERENCE)
