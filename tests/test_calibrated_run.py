"""A run whose dev is large enough: its filter, weights, files and report are calibrated."""

import json
from pathlib import Path

import polars as pl
import pytest
import toy

from nst_asr.corpus import Corpus, Labeled
from nst_asr.gauge import Gauge
from nst_asr.loop import noisy_student
from nst_asr.report import report
from nst_asr.run import open_run


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    parts, _, _ = toy.corpus()
    corpus = Corpus(parts.labeled, parts.unlabeled, Labeled(toy.rows("dev", 600, 2), "dev"))
    plan = toy.plan(generations=[{"weigh": "calibrated", "filter": {"target_error": 0.02}}])
    run = open_run(folder, plan, {"labeled": corpus.labeled, "unlabeled": corpus.unlabeled, "dev": corpus.dev})
    noisy_student(toy.Toy(), corpus, plan, run)
    return folder


def test_verdicts_have_a_probability_and_an_expected_error(finished: Path) -> None:
    verdicts = pl.read_parquet(finished / "gen1" / "2-verdicts.parquet")
    assert verdicts.select("probability", "expected_error").null_count().row(0) == (0, 0)
    # the toy's labels are one word: wrong words are wrong labels, but for where the bins begin
    assert (1 - verdicts["probability"] - verdicts["expected_error"]).abs().mean() < 0.02  # type: ignore[operator]
    waterfall = json.loads((finished / "gen1" / "2-waterfall.json").read_text())
    least = waterfall["cut"]["least"]
    assert waterfall["cut"]["by"] == "calibrated"
    assert waterfall["cut"]["rate"] <= 0.02
    assert waterfall["waterfall"][-1]["cutoff"] == least
    kept = (verdicts["verdict"] == "kept").to_list()
    assert kept == (-verdicts["expected_error"].cast(pl.Float64) >= least).to_list()
    assert 0 < sum(kept) < len(kept)
    assert waterfall["expected"]["rate"] == pytest.approx(verdicts["expected_error"].filter(pl.Series(kept)).mean())


def test_kept_labels_weigh_by_what_is_expected_of_them(finished: Path) -> None:
    copies = pl.read_parquet(finished / "gen1" / "3-copies.parquet")
    right = 1 - pl.read_parquet(finished / "gen1" / "2-verdicts.parquet")["expected_error"]
    used = copies["copies"] > 0
    mean = right.filter(used).mean()
    assert copies["weight"].filter(used).to_list() == pytest.approx((right.filter(used) / mean).to_list(), rel=1e-4)
    assert copies["weight"].filter(used).mean() == pytest.approx(1)


def test_gauge_and_risk_are_files_that_can_be_read_again(finished: Path) -> None:
    gauge = Gauge.from_json(json.loads((finished / "gen1" / "0-gauge.json").read_text()))
    assert gauge.calibrated
    assert "calibrated" in gauge.curves
    risk = json.loads((finished / "gen1" / "0-risk.json").read_text())
    assert risk["reasons"] == []
    assert risk["after"]["brier"] <= risk["before"]["brier"] + 0.01
    assert {each["measure"] for each in risk["ranking"]["risks"]} == set(gauge.curves)


def test_the_report_shows_what_the_measures_are_worth(finished: Path) -> None:
    page = report(finished).read_text()
    assert "How sure the labels are" in page
    assert "Estimated WER of the kept labels" in page
    plots = {path.name for path in (finished / "plots").iterdir()}
    assert {"risk-gen1.svg", "reliability-gen1.svg", "scores-calibrated-gen1.svg"} <= plots
