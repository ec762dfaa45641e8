"""The report: one self-contained file that says whether it worked."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from simulated_run import TRUTH, make_run

from nst_asr import results
from nst_asr.plots import scores_kept_and_rejected
from nst_asr.report import report, verdict

PNG = b"\x89PNG\r\n\x1a\n"


class Balanced(HTMLParser):
    """Fails where a tag is closed that is not the one open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = make_run(tmp_path_factory.mktemp("finished") / "run")
    report(run, TRUTH)
    return run


@pytest.fixture
def page(finished: Path) -> str:
    return (finished / "report.html").read_text()


def test_the_report_is_one_well_formed_file_that_needs_no_network(page: str) -> None:
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    assert re.findall(r'(?:src|href)="(?!data:)', page) == []
    assert "http" not in page


def test_the_report_has_table_waterfall_balance_noise_examples_and_plan(page: str) -> None:
    for text in (
        "It worked: the last student makes 49 % fewer errors than the first teacher (41.00 % became 21.00 % on test)",
        "67 % of the way to the oracle",
        "25.00 % [",
        "2 of 3 labels kept, 3.00 of 3.50 hours",
        "25.00 % before the filter",
        "0.0400 nats before",
        "surest kept",
        "one too",
        "recipe: digits",
    ):
        assert text in page


def test_the_report_warns_of_less_noise_naming_the_component(page: str) -> None:
    assert "less noise than its teacher: dropout." in page


def test_text_of_the_run_is_escaped(page: str) -> None:
    assert "nst-asr run plan.yaml &lt;&amp;&gt;" in page
    assert "<&>" not in page


def test_the_plots_lie_beside_the_report_as_png(finished: Path) -> None:
    found = sorted(path.name for path in (finished / "plots").iterdir())
    assert found == ["rates.png", "scores-gen1.png", "scores-gen2.png"]
    assert all((finished / "plots" / name).read_bytes().startswith(PNG) for name in found)


def test_the_report_of_a_run_is_always_the_same(finished: Path, page: str) -> None:
    assert report(finished, TRUTH).read_text() == page


def test_a_run_with_a_teacher_alone_has_a_report(tmp_path: Path) -> None:
    page = report(make_run(tmp_path / "run", errors=(40,), oracle=None)).read_text()
    assert "No student has been scored yet" in page


@pytest.mark.parametrize(
    ("errors", "start"), [((40, 20), "It worked"), ((20, 40), "It did not work"), ((30, 30), "Undecided")]
)
def test_the_verdict_follows_the_paired_comparison(tmp_path: Path, errors: tuple[int, ...], start: str) -> None:
    assert verdict(results.collect(make_run(tmp_path / "run", errors=errors))).startswith(start)


def test_a_cut_off_in_the_plan_changes_the_plot(tmp_path: Path, finished: Path) -> None:
    run = make_run(tmp_path / "run", errors=(40, 20))
    before = (finished / "plots/scores-gen1.png").read_bytes()
    plan = {"recipe": "digits", "generations": [{"filter": {"score": 0.0}}, {"filter": {"score": None}}]}
    (run / "plan.yaml").write_text(json.dumps(plan))
    report(run)
    assert (run / "plots/scores-gen1.png").read_bytes() != before


def test_an_empty_label_has_no_score_and_comes_last_among_the_examples(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", errors=(40, 20))
    path = run / "gen1/2-verdicts.parquet"
    blank = pl.Series("normalised_score", [None, 0.5, 1.5], dtype=pl.Float32)
    pl.read_parquet(path).with_columns(blank, verdict=pl.Series(["empty", "score", "kept"])).write_parquet(path)
    page = report(run).read_text()
    assert page.index('<td class="text">b</td>') < page.index('<td class="text">a</td>')


def test_a_histogram_of_no_labels_or_of_one_value_is_still_a_plot() -> None:
    none, level = np.array([]), np.ones(5)
    assert scores_kept_and_rejected(none, none, None, "none").startswith(PNG)
    assert scores_kept_and_rejected(level, none, -np.inf, "level").startswith(PNG)
