"""What the last pass found in `nst-asr report` and `nst-asr results`: damaged folders and wrong truths."""

import re
from pathlib import Path

import polars as pl
import pytest
from report.page_figures import section_of
from simulated_run import TRUTH, make_run

from nst_asr import cli, results
from nst_asr.corpus import Truth
from nst_asr.report import report


def said(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """What a command that fails says, in one line."""
    assert cli.main([str(word) for word in words]) == 1
    told = capsys.readouterr().err
    assert told.startswith("nst-asr: ")
    return told


@pytest.mark.parametrize("verb", ["results", "report"])
def test_a_folder_that_is_not_there_is_told_from_one_that_is_no_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    assert "missing: no such folder; give" in said(capsys, verb, tmp_path / "missing")
    assert f"{tmp_path}: no run.json in it" in said(capsys, verb, tmp_path)


@pytest.mark.parametrize("content", ["[]", "{}", '{"seed": 1}'])
def test_the_run_json_of_another_program_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    (tmp_path / "run.json").write_text(content)
    assert f"{tmp_path / 'run.json'}: no" in said(capsys, "results", tmp_path)


@pytest.mark.parametrize("content", [b"generations:\n- filter\n  x: 1\nchan", b"\xff\xfejunk\x00"])
def test_a_damaged_plan_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes) -> None:
    run = make_run(tmp_path / "run")
    (run / "plan.yaml").write_bytes(content)
    for verb in ("results", "report"):
        assert f"{run / 'plan.yaml'}: not " in said(capsys, verb, run)


def test_a_run_without_its_plan_still_has_results_and_a_report(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    (run / "plan.yaml").unlink()
    assert "The plan is not known" in section_of(report(run).read_text(), "reproduce")


def test_bytes_that_are_no_text_among_the_steps_are_passed_over(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    before = results.collect(run)["steps"]
    with open(run / "steps.jsonl", "ab") as file:
        file.write(b"\n\xff\xfejunk\x00\n")
    assert results.collect(run)["steps"] == before


def test_a_truth_of_another_pool_is_refused_and_takes_nothing_away(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its ids met none: the table had a dash, and the label errors that results.json knew were gone."""
    run, other = make_run(tmp_path / "run"), tmp_path / "other.tsv"
    known = results.write(run, TRUTH)
    other.write_text("id\ttext\nzzz\tone two\n")
    assert "the truth has none of the 3 labels' ids (it has 'zzz', the labels 'a')" in said(
        capsys, "results", run, "--truth", other
    )
    assert results.write(run) == known


def test_the_damaged_one_of_many_tables_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(tmp_path / "run")
    part = run / "gen1/1-labels/part-00000.parquet"
    part.write_bytes(part.read_bytes()[:50])
    assert "gen1: damaged (1-labels/part-00000.parquet: " in said(capsys, "results", run)


def test_a_missing_part_of_the_labels_is_told_in_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(tmp_path / "run")
    path = run / "gen1/2-verdicts.parquet"
    table = pl.read_parquet(path)
    table.head(len(table) - 1).write_parquet(path)
    told = said(capsys, "results", run)
    assert f"1-labels has {len(table)} rows, 2-verdicts.parquet has {len(table) - 1} rows" in told


def test_the_page_says_where_the_truth_knows_no_kept_label(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    page = report(run, Truth(pl.DataFrame({"id": ["a"], "label": ["one two"]}))).read_text()
    text = re.sub(r"<[^>]*>", "", section_of(page, "labels"))
    assert "50.00 % before the filter, not known after it: the truth knows none of the kept labels." in text.replace(
        "\u00a0", " "
    )
