"""The section on how to make a run again, from run folders of this version and of older ones."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from report.test_training_section import Figure, text_of
from simulated_run import make_run

from nst_asr import results_table
from nst_asr.report.figures import Figures, find
from nst_asr.report.material import Material
from nst_asr.report.page import render as render_section
from nst_asr.report.sections import reproduce as section
from nst_asr.results import collect


def note(run: Path, **about: Any) -> None:
    path = run / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | about))


def render(run: Path) -> tuple[str, dict[str, Any]]:
    """The section as HTML, and the results it was made of."""
    results = collect(run)
    found = render_section(section, Material(run, results, results_table.terms_of(results)))
    assert found is not None
    return found, results


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "run")


@pytest.fixture
def recorded(run: Path) -> Path:
    """As this version notes it, on a machine with two GPUs."""
    gpus = [{"name": "NVIDIA H200", "memory_mb": 143771.0, "driver": "570.1"}] * 2
    hardware = {"machine": "x86_64", "processor": "P", "cores": 16, "system": "Linux", "memory_mb": 131072.0}
    note(
        run,
        command="recipes/digits/run.sh --seed 1",
        stage_commands=["nst-asr run conf.yaml --only teacher seed=1", "nst-asr run conf.yaml --only test seed=1"],
        commit="abc+changes",
        hardware={**hardware, "gpus": gpus, "processes": 2},
        plan_from={
            **{"path": "recipes/digits/conf/digits.yaml", "in_repository": True, "sha256": "0123456789abcdef" * 4},
            "given": [{"key": "seed", "value": 1, "default": 0, "file": 0}],
            "chosen": [
                {"key": "teacher.fit.updates", "value": 800},
                {"key": "generation.init", "value": "teacher", "default": "scratch"},
            ],
        },
    )
    lines = [
        {"step": "gen0/student", "seconds": 600.0, "peak_memory_mb": 900.0, "step_memory_mb": 900.0},
        {"step": "gen1/1-labels", "seconds": 30.0, "peak_memory_mb": 950.0, "step_memory_mb": 400.0},
        {"step": "gen1/4-student", "seconds": 300.0, "peak_memory_mb": 950.0, "step_memory_mb": 500.0},
        {"step": "gen1/4-student", "seconds": 300.0, "peak_memory_mb": 990.0, "step_memory_mb": 990.0},
        {
            "step": "oracle/student",
            "seconds": 9.5,
            "peak_memory_mb": 99.0,
            "step_memory_mb": 9.0,
            "gpu_memory_mb": 77.0,
        },
    ]
    (run / "steps.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return run


def test_every_figure_stands_in_the_results_and_is_written_as_it_says(recorded: Path) -> None:
    page, results = render(recorded)
    forms = Figures(results, results_table.terms_of(results)).forms
    figures = Figure(page).found
    assert len(figures) > 15
    for each in figures:
        value = find(results, each["data-key"])
        assert repr(value) == each["value"]
        assert forms[each["data-form"]](value) == each["text"]


def test_commands_are_told_as_given_and_those_beneath_them(recorded: Path) -> None:
    page, _ = render(recorded)
    assert "<pre>recipes/digits/run.sh --seed 1</pre>" in page
    assert "nst-asr run conf.yaml --only teacher seed=1\nnst-asr run conf.yaml --only test seed=1" in page


def test_a_command_that_is_its_own_stage_is_told_once(run: Path) -> None:
    note(run, command="nst-asr run plan.yaml", stage_commands=["nst-asr run plan.yaml"])
    assert render(run)[0].count("nst-asr run plan.yaml") == 1


def test_a_changed_tree_is_warned_of(recorded: Path, run: Path) -> None:
    assert "whose files had been changed" in text_of(render(recorded)[0])
    note(run, commit="abc")
    assert "had been changed" not in text_of(render(run)[0])


def test_the_plan_has_three_levels_and_the_last_is_folded_away(recorded: Path) -> None:
    page, _ = render(recorded)
    text = text_of(page)
    assert "The plan is recipes/digits/conf/digits.yaml, SHA-256 0123456789abcdef…, with these settings" in text
    assert "key value in the file without it seed 1 0 0" in text
    assert f"teacher.fit.updates 800 {results_table.NONE} generation.init teacher scratch" in text
    folded = re.findall(r"<details>.*?</details>", page, flags=re.S)
    assert [("What the file changes" in each, "recipe: digits" in each) for each in folded[1:]] == [
        (True, False),
        (False, True),
    ]


def test_time_and_memory_stand_in_the_table_of_steps_and_parts(recorded: Path) -> None:
    text = text_of(render(recorded)[0])
    assert "All steps together took 21 min: training 20 min, labeling 30 s." in text
    assert "gen1/4-student needed most memory, 990 MiB." in text
    assert (
        "step teacher generation 1 oracle student 10 min 900 MiB 10 min 990 MiB, 2 tries 9.5 s 9 MiB, GPU 77 MiB"
        in text
    )
    assert "together 10 min 10 min 9.5 s" in text
    assert "during the step" in text


def test_the_machine_is_told_with_its_gpus(recorded: Path) -> None:
    text = text_of(render(recorded)[0])
    assert "P, 16 cores, x86_64, Linux" in text
    assert "NVIDIA H200, 143,771 MiB, driver 570.1; NVIDIA H200" in text
    assert "2, under torchrun" in text


def test_a_run_of_an_older_version_has_a_page_that_says_what_was_not_noted(run: Path) -> None:
    text = text_of(render(run)[0])
    assert "An older version began this run, which did not note where the plan came from." in text
    assert "No process needed more than 900 MiB." in text
    assert "up to the end of the step, as an older version" in text
    assert "GPUs" not in text


def test_a_run_of_which_no_step_was_noted_has_a_page(run: Path) -> None:
    (run / "steps.jsonl").unlink()
    assert "Nothing was noted of the steps." in text_of(render(run)[0])


def test_what_a_run_says_of_itself_is_escaped(run: Path) -> None:
    page, _ = render(run)
    assert "nst-asr run plan.yaml &lt;&amp;&gt;" in page
    assert "<&>" not in page
