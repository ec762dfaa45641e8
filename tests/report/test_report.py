"""The report: one self-contained file that says whether it worked, all its figures those of results.json."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import polars as pl
import pytest
import toy
from page_figures import Balanced, cells_without_figures, figures_of, section_of
from simulated_run import TRUTH, make_run

from nst_asr.corpus import Corpus, Labeled
from nst_asr.loop import noisy_student
from nst_asr.report import report
from nst_asr.report.figures import Figures, find, forms
from nst_asr.results_table import NONE, terms_of
from nst_asr.run import open_run
from nst_asr.terms import Terms

SECTIONS = ("verdict", "generations", "labels", "tokens", "alarms")
IMAGES = Terms("top-1 error", "images", 1.0, "image", "label", "scene", groups_expected=False)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = make_run(tmp_path_factory.mktemp("finished") / "run")
    report(run, TRUTH)
    return run


@pytest.fixture
def page(finished: Path) -> str:
    return (finished / "report.html").read_text()


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the toy, as of images, with a dev that is large enough to calibrate; what it was given is kept."""
    folder = tmp_path_factory.mktemp("run")
    parts, _, truth = toy.corpus()
    corpus = Corpus(parts.labeled, parts.unlabeled, Labeled(toy.rows("dev", 600, 2), "dev"))
    generation = {"filter": {"target_error": 0.02, "confidence": 0.6}, "balance": {"by": "classes"}}
    plan = toy.plan(generations=[generation])
    sets = {"labeled": corpus.labeled, "unlabeled": corpus.unlabeled, "dev": corpus.dev}
    run = open_run(folder, plan, sets, IMAGES)
    noisy_student(toy.Toy(), corpus, plan, run)
    (folder / "corpus").mkdir()
    corpus.labeled.rows.select("id", "group", "label").write_parquet(folder / "corpus/labeled.parquet")
    corpus.unlabeled.rows.select("id", "group").write_parquet(folder / "corpus/unlabeled.parquet")
    report(folder, truth)
    return folder


def hold_to_results(run: Path) -> int:
    """The number of figures in the page of a run, each of which is that of results.json."""
    page, results = (run / "report.html").read_text(), json.loads((run / "results.json").read_text())
    writers = forms(terms_of(results))
    found = figures_of(page)
    for shown in found:
        value = find(results, shown.key)
        if value is None:
            assert (shown.value, shown.text) == ("", NONE), shown.key
        else:
            assert shown.value == (value if isinstance(value, str) else repr(value)), shown.key
            assert shown.text == writers[shown.form](value), shown.key
    assert page.count("<data ") == len(found)
    return len(found)


def test_the_report_is_one_well_formed_file_that_needs_no_network(page: str) -> None:
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    assert re.findall(r'(?:src|href)="(?!data:|#)', page) == []
    assert "http" not in page


def test_every_figure_in_the_page_is_that_of_results_json(finished: Path, calibrated: Path) -> None:
    assert hold_to_results(finished) > 100
    assert hold_to_results(calibrated) > 100


@pytest.mark.parametrize("name", SECTIONS)
def test_no_number_stands_in_a_table_that_is_no_figure(finished: Path, calibrated: Path, name: str) -> None:
    for run in (finished, calibrated):
        section = section_of((run / "report.html").read_text(), name)
        assert not [cell for cell in cells_without_figures(section) if re.search(r"\d", cell)]


def test_the_report_has_verdict_table_waterfall_and_balance(page: str) -> None:
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", page))
    for words in (
        "It worked: the last student makes 49 % fewer errors than the first teacher (WER 41.00 % became 21.00 % on "
        "test, -20.00 points, 95 % interval -28",
        "of the way to the oracle",
        "Another generation? ",
        "2 of 3 labels kept",
        "3.00 hours of 3.50 hours are left",
        "25.00 % before the filter, 0.00 % after it",
        "0.0400 nats before balancing, 0.0100 after it",
        "one too",
        "recipe: digits",
    ):
        assert words in text
    assert "25.00 %" in section_of(page, "generations")
    assert "67 % [" in text


def test_the_report_warns_of_less_noise_naming_the_component(page: str) -> None:
    assert "less noise than its teacher: dropout." in page


def test_text_of_the_run_is_escaped(page: str) -> None:
    assert "nst-asr run plan.yaml &lt;&amp;&gt;" in page
    assert "<&>" not in page


def test_the_plots_lie_beside_the_report_as_files_that_stand_by_themselves(finished: Path, page: str) -> None:
    files = {path.stem for path in (finished / "plots").glob("*.svg")}
    assert {"rates", "waterfall-gen1", "waterfall-gen2", "scores-normalised-score-gen1"} <= files
    assert files == set(re.findall(r'data-plot="([^"]*)"', page))
    for path in (finished / "plots").glob("*.svg"):
        assert ElementTree.parse(path).getroot().tag == "{http://www.w3.org/2000/svg}svg"
        assert "var(--" not in path.read_text()


def test_each_plot_has_a_sentence_above_it_and_one_for_those_who_cannot_see_it(calibrated: Path) -> None:
    page = (calibrated / "report.html").read_text()
    for name in SECTIONS:
        section = section_of(page, name)
        plots = re.findall(
            r'<figcaption>(.*?)</figcaption>\s*<svg role="img" data-plot="[^"]*" aria-label="([^"]+)"', section, re.S
        )
        assert len(plots) == section.count("<svg ")
        assert all(re.sub(r"<[^>]*>|\s", "", caption) for caption, _ in plots)


def test_no_two_parts_of_plots_have_one_name(calibrated: Path) -> None:
    names = re.findall(r'\bid="([^"]*)"', (calibrated / "report.html").read_text())
    assert len(names) == len(set(names))


def test_the_report_of_a_run_is_always_the_same(finished: Path, page: str) -> None:
    before = (finished / "results.json").read_bytes()
    assert report(finished, TRUTH).read_text() == page
    assert (finished / "results.json").read_bytes() == before


def test_a_run_with_a_teacher_alone_has_a_report(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", errors=(40,), oracle=None)
    page = report(run).read_text()
    assert "No student has been scored yet" in page
    assert "There is only the first teacher so far" in page
    hold_to_results(run)


def test_sections_of_an_old_folder_say_why_they_are_empty(finished: Path) -> None:
    page = (finished / "report.html").read_text()
    assert "The run folder has no gauge of this generation." in page
    assert "the run folder does not say what the labels of labeled are" in page
    assert "the run folder does not say what the groups of unlabeled are" in page
    assert "None was looked for." in page


def test_a_run_without_waterfall_still_has_a_report(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", errors=(40, 20))
    (run / "gen1/2-waterfall.json").unlink()
    assert "The run folder has no waterfall." in report(run).read_text()


def test_a_dev_that_taught_nothing_is_told(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", errors=(40, 20))
    gauge = {"mu": 0.0, "beta": 0.0, "sigma": 1.0, "rows": 0, "left_out": 0}
    (run / "gen1/0-gauge.json").write_text(json.dumps(gauge))
    assert "Not known: " in section_of(report(run).read_text(), "labels")


def test_of_images_there_are_classes_and_no_durations(calibrated: Path) -> None:
    page = (calibrated / "report.html").read_text()
    assert "WER" not in page
    section = section_of(page, "tokens")
    assert "There are no rates and no durations to show: <data" in section
    assert "left" in section
    assert "right" in section
    assert "equal shares are the aim" in section
    assert "Scenes" in section


def test_the_chosen_cut_off_is_marked_on_the_curve_and_in_the_histogram(calibrated: Path) -> None:
    found = json.loads((calibrated / "results.json").read_text())["generations"][1]
    assert {mark["key"] for mark in found["gauge"]["marks"]} == {"target_error", "confidence"}
    assert ">cut-off</text>" in (calibrated / "plots/risk-gen1.svg").read_text()
    assert "cut-off (target_error)" in (calibrated / "plots/scores-calibrated-gen1.svg").read_text()
    assert "cut-off (confidence)" in (calibrated / "plots/scores-confidence-gen1.svg").read_text()
    assert (calibrated / "plots/reliability-gen1.svg").exists()


def test_tokens_that_look_like_html_or_like_formulas_are_shown_as_they_are(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", errors=(40, 20))
    names = ["<&>", "$x$", "語", "a\"b'"]
    counts = {"labeled": [50.0, 50.0, 50.0, 50.0], "kept": [90.0, 0.0, 60.0, 50.0], "copies": [90.0, 10.0, 50.0, 50.0]}
    pl.DataFrame({"token": names, **counts}).write_parquet(run / "gen1/3-tokens.parquet")
    page = report(run).read_text()
    assert "<&>" not in page
    section = section_of(page, "tokens")
    assert "&lt;&amp;&gt;" in section
    assert ">$x$</text>" in section
    assert "語" in section
    assert ElementTree.parse(run / "plots/tokens-gen1.svg")


def test_a_figure_that_results_json_does_not_have_is_an_error_that_names_it() -> None:
    figures = Figures({"generations": [{"dev": {"rate": 0.5}}]}, Terms())
    assert figures("generations[0].dev.rate", "percent") == (
        '<data data-key="generations[0].dev.rate" data-form="percent" value="0.5">50.00 %</data>'
    )
    with pytest.raises(KeyError, match=r"generations\[1\]\.dev"):
        figures("generations[1].dev")
