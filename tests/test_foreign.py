"""Another system's labels: what is read, what is refused, and how they meet a run's ids."""

from pathlib import Path

import polars as pl
import pytest

from nst_asr.foreign import Foreign, ForeignError, coverage, read_labels, strangers
from nst_asr.lines import ManifestError


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_tsv_and_json_lines_of_the_same_labels_are_the_same_table(tmp_path: Path) -> None:
    tsv = write(tmp_path / "a.tsv", "id\ttext\tconfidence\nu1\tone  two \t0.5\nu2\t\t\n")
    lines = write(
        tmp_path / "a.jsonl", '{"id": "u1", "text": "one two", "confidence": 0.5}\n{"id": "u2", "text": ""}\n'
    )
    found = read_labels(tsv)
    assert found.equals(read_labels(lines))
    assert found.to_dict(as_series=False) == {"id": ["u1", "u2"], "text": ["one two", ""], "confidence": [0.5, None]}


def test_what_is_not_said_has_no_column(tmp_path: Path) -> None:
    assert read_labels(write(tmp_path / "a.tsv", "id\ttext\nu\tx\n")).columns == ["id", "text"]
    assert read_labels(write(tmp_path / "b.tsv", "id\ttext\tscore\nu\tx\t-3e1\n"))["score"].to_list() == [-30.0]


@pytest.mark.parametrize(
    ("column", "value", "wanted"),
    [
        ("confidence", "1.5", "from 0 to 1"),
        ("confidence", "high", "from 0 to 1"),
        ("confidence", "nan", "from 0 to 1"),
        ("logprob", "0.1", "0 at most"),
        ("logprob", "-inf", "0 at most"),
        ("score", "inf", "give a number"),
    ],
)
def test_a_value_that_is_no_such_number_is_refused_with_its_line(
    tmp_path: Path, column: str, value: str, wanted: str
) -> None:
    bad = write(tmp_path / "a.tsv", f"id\ttext\t{column}\nu1\tx\t0\nu2\ty\t{value}\n")
    with pytest.raises(ForeignError, match=rf"a\.tsv, line 3: {column} = '{value}': .*{wanted}"):
        read_labels(bad)


@pytest.mark.parametrize("value", ['"0.5x"', "true", "NaN", "[1]"])
def test_json_values_are_judged_alike(tmp_path: Path, value: str) -> None:
    bad = write(tmp_path / "a.jsonl", f'{{"id": "u1", "text": "x", "score": {value}}}\n')
    with pytest.raises(ForeignError, match="line 1: score = "):
        read_labels(bad)


def test_an_id_that_occurs_twice_is_refused_with_both_lines(tmp_path: Path) -> None:
    with pytest.raises(ForeignError, match="line 4: u1 has a label already, in line 2"):
        read_labels(write(tmp_path / "a.tsv", "id\ttext\nu1\tx\nu2\ty\nu1\tx\n"))


def test_a_number_that_some_labels_lack_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ForeignError, match=r"line 3: u2 has no score, which others have \(1 such lines\)"):
        read_labels(write(tmp_path / "a.tsv", "id\ttext\tscore\nu1\tx\t-1\nu2\ty\t\n"))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 1: not JSON"),
        ("[1]", "is no object"),
        ('{"text": "x"}', "id = None"),
        ('{"id": " ", "text": "x"}', "id = ' '"),
        ('{"id": 7, "text": "x"}', "id = 7"),
        ('{"id": "u", "text": null}', "text = None"),
        ('{"id": "u", "text": "x", "pred_text": "y"}', "the key pred_text has no meaning here"),
    ],
)
def test_lines_that_are_no_label_are_refused(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(ForeignError, match=said):
        read_labels(write(tmp_path / "a.jsonl", line + "\n"))


def test_other_columns_no_labels_and_no_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="must name the columns id and text"):
        read_labels(write(tmp_path / "a.tsv", "id\ttext\twer\nu\tx\t0\n"))
    with pytest.raises(ForeignError, match="no label in it"):
        read_labels(write(tmp_path / "b.tsv", "id\ttext\n"))
    with pytest.raises(ForeignError, match="line 2: it has no id"):
        read_labels(write(tmp_path / "c.tsv", "id\ttext\n\tx\n"))
    with pytest.raises(ManifestError, match="no such file"):
        Foreign.at([tmp_path / "none.tsv"])


def test_labels_of_pool_and_dev_are_found_by_id_and_absent_ones_are_null(tmp_path: Path) -> None:
    pool = write(tmp_path / "pool.tsv", "id\ttext\tlogprob\np2\tb\t-2\np1\ta\t-1\n")
    dev = write(tmp_path / "dev.tsv", "text\tid\tlogprob\nc\td1\t-3\n")
    found = Foreign.at([pool, dev])
    assert found.said == ("logprob",)
    table = found.of(pl.Series("id", ["p1", "p3", "d1", "p2"]))
    assert table["text"].to_list() == ["a", None, "c", "b"]
    assert table["logprob"].to_list() == [-1.0, None, -3.0, -2.0]


def test_files_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    pool = write(tmp_path / "pool.tsv", "id\ttext\tlogprob\np1\ta\t-1\n")
    with pytest.raises(ForeignError, match=r"says logprob of its labels, .*dev\.tsv nothing"):
        Foreign.at([pool, write(tmp_path / "dev.tsv", "id\ttext\nd1\tc\n")])
    with pytest.raises(ForeignError, match="both have a label of p1"):
        Foreign.at([pool, write(tmp_path / "dev.tsv", "id\ttext\tlogprob\np1\tc\t-2\n")])


def test_a_changed_file_is_another_labeler_and_noticed_in_the_middle(tmp_path: Path) -> None:
    path = write(tmp_path / "pool.tsv", "id\ttext\np1\ta\n")
    found = Foreign.at([path])
    assert Foreign.at([path]) == found
    write(path, "id\ttext\np1\tb\n")
    assert Foreign.at([path]).digest != found.digest
    for _ in range(2):
        Foreign.at([write(tmp_path / f"{_}.tsv", f"id\ttext\np{_}\tb\n")])  # so that it is not remembered
    with pytest.raises(ForeignError, match="has changed while labels were made"):
        found.rows()


def test_coverage_counts_and_names_what_the_filter_will_reject(tmp_path: Path) -> None:
    labels = pl.DataFrame({"id": ["a", "b", "c", "x"], "text": ["one", "", "2", "three"]})
    ids = pl.Series("id", ["a", "b", "c", "d"])
    found = coverage(labels, ids, "unlabeled", lambda name, text: f"{name} ({text})" if text.isdigit() else None)
    assert (found.labeled, found.empty, found.missing, found.unspellable) == (3, ("b",), ("d",), ("c (2)",))
    assert "3 of 4 have a label (75.0%)" in found.describe()
    assert strangers(labels, [ids, pl.Series("id", ["x"])]) == ""
    assert "1 labels are of ids that are in no set" in strangers(labels, [ids])


def test_labels_of_another_pool_are_refused_with_an_id_of_either() -> None:
    labels = pl.DataFrame({"id": ["a"], "text": ["one"]})
    with pytest.raises(ForeignError, match="ids such as 'z', the file has 'a'"):
        coverage(labels, pl.Series("id", ["z"]), "unlabeled", lambda name, text: None)
