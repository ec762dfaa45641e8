"""What the last reading of the scoring tools found, and what wrong inputs a new user gives them."""

import json
from pathlib import Path

import polars as pl
import pytest
from simulated_run import make_run

from nst_asr import cli

REFERENCES = "u1 a b c\nu2 d e\n"
HYPOTHESES = "u1 a x c\nu2 d e\n"
PICTURES = "id\tlabel\ni1\tcat\ni2\tdog\ni3\tcat\n"
GUESSES = "id\tlabel\ni1\tcat\ni2\tcat\ni3\tcat\n"


@pytest.fixture
def spoken(tmp_path: Path) -> tuple[str, str]:
    """References and hypotheses of two utterances."""
    return written(tmp_path / "ref.txt", REFERENCES), written(tmp_path / "hyp.txt", HYPOTHESES)


@pytest.fixture
def seen(tmp_path: Path) -> tuple[str, str]:
    """Classes and guesses of three images."""
    return written(tmp_path / "ref.tsv", PICTURES), written(tmp_path / "hyp.tsv", GUESSES)


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    """Two finished runs."""
    return make_run(tmp_path / "a"), make_run(tmp_path / "b", errors=(40, 25, 10))


def written(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one line that is said of wrong words."""
    assert cli.main(words) == 1
    said = capsys.readouterr().err.strip()
    assert "\n" not in said
    return said


def test_seconds_read_off_the_ids_are_numbers(spoken: tuple[str, str], tmp_path: Path) -> None:
    out = tmp_path / "o.json"
    assert cli.main(["score-wer", *spoken, "--from-id", "seconds=u(.)", "--by", "duration", "--json", str(out)]) == 0
    found = json.loads(out.read_text())
    assert found["reference"]["hours"] == pytest.approx(3 / 3600)
    (one,) = found["hypotheses"].values()
    assert [row["group"] for row in one["by"]["duration"]] == ["under 2 s", "2 to 5 s"]


def test_seconds_read_off_the_ids_that_are_no_numbers_are_refused(
    spoken: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(capsys, "score-wer", *spoken, "--from-id", "seconds=(u)")
    assert "--from-id seconds=(u): u1: seconds = 'u' is no number" in said


def test_what_is_read_off_the_ids_and_not_used_is_refused(
    spoken: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(capsys, "score-wer", *spoken, "--from-id", "chapter=u(.)")
    assert "--from-id chapter means nothing without --by chapter or --blocks chapter" in said
    said = refused(capsys, "score-wer", *spoken, "--from-id", "duration=u(.)", "--by", "duration")
    assert "--from-id duration: durations are the column seconds" in said


def test_where_durations_may_come_from_is_said(spoken: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, "score-wer", *spoken, "--by", "duration")
    assert "utt2dur" in said
    assert "--from-id seconds=REGEX" in said


@pytest.mark.parametrize("column", ["gender", "seconds"])
def test_a_side_file_with_lists_is_refused(
    column: str, spoken: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    side = tmp_path / "side.parquet"
    pl.DataFrame({"id": ["u1", "u2"], column: [["f"], ["m"]]}).write_parquet(side)
    by = {"seconds": "duration"}.get(column, column)
    said = refused(capsys, "score-wer", *spoken, "--side", str(side), "--by", by)
    assert f"side.parquet: the column {column} is List(String)" in said


def test_a_parquet_with_lists_for_texts_is_refused(
    spoken: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pl.DataFrame({"id": ["u1", "u2"], "text": [["a"], ["b"]]}).write_parquet(tmp_path / "h.parquet")
    said = refused(capsys, "score-wer", spoken[0], str(tmp_path / "h.parquet"))
    assert "h.parquet: the column text is List(String)" in said


def test_a_parquet_whose_confidence_is_no_number_is_refused(
    spoken: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = {"id": ["u1", "u2"], "text": ["a", "b"], "confidence": ["0.5", "high"]}
    pl.DataFrame(table).write_parquet(tmp_path / "h.parquet")
    said = refused(capsys, "score-wer", spoken[0], str(tmp_path / "h.parquet"))
    assert "h.parquet" in said
    assert "high" in said
    assert "label anew" not in said


@pytest.mark.parametrize("column", ["label", "group", "confidence"])
def test_a_table_of_guesses_with_lists_is_refused(
    column: str, seen: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    guesses = pl.read_csv(seen[1], separator="\t")
    guesses.with_columns(pl.Series(column, [["cat"]] * 3)).write_parquet(tmp_path / "h.parquet")
    said = refused(capsys, "score-accuracy", seen[0], str(tmp_path / "h.parquet"))
    assert f"h.parquet: the column {column} is List(String)" in said


@pytest.mark.parametrize("option", ["--json", "--confusion"])
def test_a_table_that_is_read_is_not_written_over(
    option: str, seen: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(capsys, "score-accuracy", *seen, option, seen[0])
    assert f"{option} {seen[0]}: would be written over a file that is read" in said
    assert Path(seen[0]).read_text() == PICTURES


def test_no_file_of_a_run_is_written_over_by_a_comparison(
    runs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (runs[0] / "run.json").read_text()
    said = refused(capsys, "compare-runs", *map(str, runs), "--json", str(runs[0] / "run.json"))
    assert "would be written over a file that is read" in said
    assert (runs[0] / "run.json").read_text() == before
    truth = written(tmp_path / "truth.tsv", "id\ttext\na\tone two\n")
    refused(capsys, "compare-runs", *map(str, runs), "--truth", truth, "--json", truth)


def test_a_folder_to_write_to_is_refused_before_anything_is_read(
    spoken: tuple[str, str], seen: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["score-wer", *spoken], ["score-accuracy", *seen], ["compare-runs", "no-run", "none-either"]):
        said = refused(capsys, *words, "--json", str(tmp_path))
        assert f"--json {tmp_path}: a folder; name a file" in said


def test_names_may_stand_behind_options(
    seen: tuple[str, str], runs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "o.json"
    assert cli.main(["score-accuracy", seen[0], "--json", str(out), seen[1]]) == 0
    assert list(json.loads(out.read_text())["hypotheses"]) == [seen[1]]
    assert cli.main(["compare-runs", str(runs[0]), "--json", str(out), str(runs[1])]) == 0
    assert len(json.loads(out.read_text())["columns"]) == 2
    capsys.readouterr()


@pytest.mark.parametrize("verb", [["watch", "--once"], ["compare-runs"]])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("run.json", "[]"),
        ("run.json", "{}"),
        ("run.json", '{"corpus": [1]}'),
        ("corpus.json", "[]"),
        ("plan.yaml", "recipe: digits\ngenerations: 3\n"),
    ],
)
def test_a_run_folder_with_strange_content_is_named(
    verb: list[str], name: str, content: str, runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    (runs[1] / name).write_text(content)
    folders = map(str, runs if verb[0] == "compare-runs" else runs[1:])
    assert f"{runs[1] / name}: not what nst-asr writes there" in refused(capsys, *verb, *folders)


@pytest.mark.parametrize("content", ["[1]", '{"generations": [1]}', '{"generations": 3}'])
def test_strange_results_of_a_run_are_named(
    content: str, runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    (runs[1] / "results.json").write_text(content)
    said = refused(capsys, "compare-runs", *map(str, runs))
    assert f"{runs[1] / 'results.json'}: not what nst-asr writes there" in said


def test_results_that_do_not_name_their_generations_are_collected_anew(
    runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    (runs[1] / "results.json").write_text('{"generations": [{}]}')
    assert cli.main(["compare-runs", *map(str, runs)]) == 0
    assert "B is better than A" in capsys.readouterr().out


def test_a_generation_without_a_waterfall_is_watched_without_its_amounts(
    runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    (runs[0] / "gen1/2-waterfall.json").unlink()
    assert cli.main(["watch", "--once", str(runs[0])]) == 0
    assert "generation 1: dev WER 25.00 %" in capsys.readouterr().out


def test_a_number_of_seconds_that_is_none_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["watch", "run", "--every", "soon"])
    assert "argument --every: soon: give a number of seconds above 0" in capsys.readouterr().err
