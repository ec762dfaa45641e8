"""Tables in the words of a task."""

import re
from pathlib import Path

import polars as pl
import pytest
import toy

from nst_asr import results, results_table
from nst_asr.corpus import Corpus, CorpusError, Labeled, Unlabeled, guard
from nst_asr.loop import noisy_student
from nst_asr.report import report
from nst_asr.run import open_run
from nst_asr.terms import Terms

IMAGES = Terms(
    error="top-1 error", amount="images", unit=1.0, example="image", token="label", group="scene", groups_expected=False
)


@pytest.mark.parametrize(
    ("terms", "hours", "text"), [(Terms(), 0.25, "0.250"), (Terms(), 12.345, "12.35"), (IMAGES, 0.5, "1,800")]
)
def test_amounts_are_counted_in_the_tasks_own_unit(terms: Terms, hours: float, text: str) -> None:
    assert terms.count(hours) == text


def test_table_log_and_report_of_a_run_use_its_terms(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    parts, _, truth = toy.corpus()
    run = open_run(tmp_path, toy.plan(), {"labeled": parts.labeled, "unlabeled": parts.unlabeled}, IMAGES)
    with caplog.at_level("INFO"):
        noisy_student(toy.Toy(), parts, toy.plan(), run)
    assert "top-1 error" in caplog.text
    assert "images wrong" in caplog.text
    assert "WER" not in caplog.text
    text = results_table.table(results.collect(tmp_path, truth))
    assert "images labeled" in text
    assert "dev top-1 error" in text
    assert " 300 " in text  # images in the pool
    page = re.sub('base64,[^"]*', "", report(tmp_path).read_text())
    assert "top-1 error" in page
    assert "WER" not in page
    before = page.split('<section id="reproduce"')[0]
    # what is read and what is read aloud; the keys of figures are no words of the page
    assert "hours" not in re.sub(r"<[^>]*>", "", before)
    assert not [label for label in re.findall(r'aria-label="([^"]*)"', before) if "hours" in label]


def test_folders_from_before_there_were_terms_are_told_in_words_of_speech() -> None:
    assert results_table.terms_of({}) == Terms()
    assert results_table.terms_of({"terms": None}).error == "WER"


def test_unknown_groups_are_worth_a_warning_only_where_they_are_expected() -> None:
    parts, _, _ = toy.corpus()
    unknown = Unlabeled(parts.unlabeled.rows.with_columns(group=pl.lit(None, pl.String)))
    blind = Corpus(parts.labeled, unknown, parts.dev)
    assert [line for line in guard(blind) if "not all known" in line]
    assert not [line for line in guard(blind, terms=IMAGES) if "not all known" in line]


def test_shared_groups_are_told_in_the_tasks_word() -> None:
    parts, _, _ = toy.corpus()
    shared = Labeled(parts.dev.rows.with_columns(group=pl.lit(parts.labeled.rows["group"][0])), "dev")
    with pytest.raises(CorpusError, match=r"1 scenes of labeled also occur in dev"):
        guard(Corpus(parts.labeled, parts.unlabeled, shared), terms=IMAGES)
