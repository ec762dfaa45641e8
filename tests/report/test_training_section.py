"""The section on training: every figure is that of results.json, and sentences say what the curves do."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from nst_asr.report.figures import Figures, find
from nst_asr.report.material import Material
from nst_asr.report.page import render as render_section
from nst_asr.report.sections import training as section
from nst_asr.results import training as told
from nst_asr.terms import Terms

IMAGES = Terms(error="top-1 error", amount="images", unit=1, example="image", token="image", group="group")
PLANNED = {"planned_updates": 400, "clip": 1.0, "planned_pseudo_share": 0.7}


class Figure(HTMLParser):
    """The figures of a page: key, form and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[dict[str, Any]] = []
        self.inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "data":
            self.found.append({**dict(attrs), "text": ""})
            self.inside = True

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "data"

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.found[-1]["text"] += data


def curves(losses: list[float], **others: float) -> dict[str, pl.DataFrame]:
    values = {"loss": losses, **{name: [value] * len(losses) for name, value in others.items()}}
    updates = list(range(10, 10 * len(losses) + 1, 10))
    return {name: pl.DataFrame({"update": updates, "value": each}) for name, each in values.items()}


def trained(losses: list[float], title: str = "generation 1", **others: float) -> dict[str, Any]:
    return {"title": title, "finished": True, **told.trained(curves(losses, **others), PLANNED)}


def render(trainings: dict[str, Any], terms: Terms | None = None) -> tuple[str, dict[str, Any]]:
    """The section as HTML, and the results it was made of."""
    terms = terms or Terms()
    results = {"training": trainings}
    found = render_section(section, Material(Path(), results, terms))
    assert found is not None
    return found, results


def text_of(page: str) -> str:
    """What a reader reads, the plots aside."""
    without = re.sub(r"<svg.*?</svg>", "", page, flags=re.S)
    return " ".join(re.sub(r"<[^>]+>", "", re.sub(r"</t[dh]>|<br>", " ", without)).split())


FALLING = [100 - 0.25 * n for n in range(400)]
SCALARS = {"learning_rate": 1e-3, "gradient_norm": 2.5, "pseudo_share": 0.69, "size_per_second": 54.0}


def test_every_figure_stands_in_the_results_and_is_written_as_it_says() -> None:
    page, results = render({"gen0": trained([3.0, 2.0], "teacher"), "gen1": trained(FALLING, **SCALARS)})
    figures = Figure(page).found
    assert len(figures) > 20
    forms = Figures(results, Terms()).forms
    for each in figures:
        if each["value"]:
            value = find(results, each["data-key"])
            assert repr(value) == each["value"]
            assert forms[each["data-form"]](value) == each["text"]


def test_it_says_that_the_loss_still_falls_and_by_how_much() -> None:
    page, results = render({"gen1": trained(FALLING)})
    change = results["training"]["gen1"]["trend"]["change"]
    last = sum(FALLING[-40:]) / 40
    assert change == pytest.approx(last / (sum(FALLING[-80:-40]) / 40) - 1)
    said = f"the loss is {last:.3f}, {100 * change:+.1f} % against the tenth before: it is still falling"
    assert said in text_of(page)


@pytest.mark.parametrize(
    ("losses", "said"),
    [
        ([1 + 0.1 * (n % 7) for n in range(300)], "which may be the noise of single batches"),
        ([1 + 0.01 * n for n in range(300)], "it is rising, so look at the learning rate"),
        ([1.0, 2.0], "too few points were written to tell"),
    ],
)
def test_it_says_when_the_loss_does_not_fall(losses: list[float], said: str) -> None:
    assert said in text_of(render({"gen1": trained(losses)})[0])


def test_the_sentences_are_about_the_last_student_and_not_the_oracle() -> None:
    keys = {"gen0": "teacher", "gen1": "generation 1", "gen2": "generation 2", "oracle": "oracle"}
    page, _ = render({key: trained([1.0], title) for key, title in keys.items()})
    assert "updates of generation 2 the loss is" in text_of(page)


def test_planned_and_drawn_shares_and_the_throughput_in_hours_are_told() -> None:
    text = text_of(render({"gen1": trained(FALLING, **SCALARS)})[0])
    assert "69.0 % of what was drawn is pseudo-labeled, where 70.0 % was planned (the dotted line)" in text
    assert "gets through 0.015 hours a second (54 x real time)" in text
    assert "of the updates that were looked at 100 % were clipped, to 1 (the dotted line)" in text


def test_images_are_counted_and_not_timed() -> None:
    text = text_of(render({"gen1": trained(FALLING, **SCALARS)}, IMAGES)[0])
    assert "gets through 54 images a second" in text
    assert "real time" not in text


def test_there_is_a_plot_of_each_scalar_that_was_written_and_of_no_other() -> None:
    page, _ = render({"gen0": trained([3.0, 2.0], "teacher"), "gen1": trained(FALLING, learning_rate=1e-3)})
    assert page.count("<svg ") == 2
    assert "<h3>Throughput</h3>" not in page


def test_a_training_that_stopped_on_its_way_says_so() -> None:
    page, _ = render({"gen0": trained([1.0], "teacher"), "gen1": trained([1.0]) | {"finished": False}})
    assert "generation\u00a01, not over" in page


def test_negative_losses_and_more_trainings_than_colours_are_drawn() -> None:
    many = {f"gen{n}": trained([-1.0, -2.0], f"generation {n}") for n in range(14)}
    assert render(many)[0].count("<svg ") == 1


def test_without_trainings_there_is_no_section() -> None:
    for results in ({}, {"training": {}}):
        assert section.context(Material(Path(), results, Terms())) is None
