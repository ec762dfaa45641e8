"""Three runs of digits that failed, and one that worked: their reports say why.

The files beside this one are the key figures of real runs: `recipes/digits/failures.sh EXP` makes them (EXP/NAME.json).
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import toy

from nst_asr.loop import noisy_student
from nst_asr.report import report
from nst_asr.report.material import Material
from nst_asr.report.page import render
from nst_asr.report.sections import diagnosis
from nst_asr.results.diagnosis import diagnose
from nst_asr.results_table import terms_of
from nst_asr.run import open_run

FOLDER = Path(__file__).parent / "failed_runs"
FAILED = {"strict": "over-strict filter", "collapsed": "collapsed teacher", "leak": "language model text leaks"}


def kept(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found


def section(results: dict[str, Any]) -> str:
    """The text of the section Why? in the report of a run with these results."""
    found = render(diagnosis, Material(Path(), results, terms_of(results)))
    assert found is not None
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", found))


@pytest.mark.parametrize(("name", "reason"), FAILED.items())
def test_the_first_finding_is_why_a_run_failed(name: str, reason: str) -> None:
    first, *others = diagnose(kept(name))
    assert (first["name"], first["severity"]) == (reason, "cause")
    assert all(other["name"] not in FAILED.values() or name == "leak" for other in others)


def test_nothing_is_found_in_the_run_that_worked() -> None:
    results = kept("good")
    assert diagnose(results) == []
    assert "Nothing was found that is known to undo self-training" in section(results)


@pytest.mark.parametrize("name", ["good", *FAILED])
def test_the_findings_that_were_kept_are_those_that_are_found_now(name: str) -> None:
    results = kept(name)
    assert results["diagnosis"] == diagnose(results)


def test_an_over_strict_filter_is_told_by_what_it_kept_and_how_often_that_was_drawn() -> None:
    results = kept("strict")
    generation, figures = results["generations"][1], diagnose(results)[0]["figures"]
    assert (generation["kept_rows"], generation["labels"]) == (7, 723)
    assert figures["kept_share"] == pytest.approx(generation["kept_hours"] / generation["hours"])
    assert figures["kept_share"] < 0.02
    assert figures["laps"] == pytest.approx(250 * 24 * 0.7 / 3600 / generation["kept_hours"])
    text = section(results)
    assert "The filter kept 7 of the 723 labels of generation 1: 0.006 of 0.425 hours (1.5 %)" in text
    assert "Training drew each of them 183 times" in text
    assert "Loosen the cut-off" in text


def test_a_collapsed_teacher_is_told_by_its_errors_and_its_labels() -> None:
    results = kept("collapsed")
    first = diagnose(results)[0]
    assert first["generation"] == 0
    assert first["figures"]["rate"] > 0.95
    assert first["figures"]["deletions"] > 0.95
    text = section(results)
    assert "Generation 0 has 95.8 % WER on dev, and 97 % of its errors are words that it leaves out." in text
    assert "97.1 % WER: 95.57% of all labels are empty or very short" in text
    assert "Train it for more updates or at a lower learning rate" in text


def test_leaking_text_is_told_by_what_it_shares_and_by_what_it_does_to_dev_and_to_test() -> None:
    results = kept("leak")
    figures = diagnose(results)[0]["figures"]
    assert figures["shared_dev"] == 1.0
    assert figures["gain_dev"] > 0.6
    assert figures["gain_test"] < 0  # the language model makes test worse
    text = section(results)
    assert "46 of the 46 utterances that can be compared (100.0 %) share eight words in a row" in text
    assert "on dev from 19.71 % to 7.76 %, and on test from 19.32 % to 22.50 %" in text
    assert "Train the language model on text without these transcripts" in text


def test_the_failed_runs_gained_less_than_the_one_that_worked() -> None:
    gains = {name: kept(name)["relative_reduction"]["rate"] for name in ("good", *FAILED)}
    assert gains.pop("good") > 0.4
    assert max(gains.values()) < 0.14


def test_the_report_of_a_small_run_made_here_tells_of_its_filter(tmp_path: Path) -> None:
    parts, _, truth = toy.corpus()
    plan = toy.plan(generation={"filter": {"top": {"share": 0.01, "by": "confidence"}}})
    data = {"labeled": parts.labeled, "unlabeled": parts.unlabeled, "dev": parts.dev}
    noisy_student(toy.Toy(), parts, plan, open_run(tmp_path, plan, data))
    page = report(tmp_path, truth).read_text(encoding="utf-8")
    found = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))["diagnosis"]
    assert "over-strict filter" in [finding["name"] for finding in found]
    assert "The filter kept 3 of the 300 labels of generation 1" in page
    # five updates of twelve points, half of them pseudo-labeled, from three points
    assert "Training drew each of them 10 times" in page
