"""RESULTS.md of a recipe: the tables over several runs, and how a tool keeps them in the file."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from simulated_run import TRUTH, make_run

from nst_asr import results
from nst_asr.recipe_results.by_run import by_run
from nst_asr.recipe_results.over_seeds import over_seeds
from nst_asr.recipe_results.variants import variants
from nst_asr.recipe_results.written import WrittenError, put, written
from recipes.cifar10 import tables
from tools import write_results

ROOT = Path(__file__).parents[1]
FILES = sorted(ROOT.glob("recipes/*/RESULTS.md"))


def test_a_section_has_mean_and_extremes_over_the_runs(tmp_path: Path) -> None:
    first = results.collect(make_run(tmp_path / "one", errors=(40, 20), oracle=10), TRUTH)
    second = results.collect(make_run(tmp_path / "two", errors=(50, 30), oracle=None, seed=1))
    lines = over_seeds([first, second], "Digits").splitlines()
    assert lines[0] == "## Digits"
    assert "| 0 | 0.500 | - | - | 45.00 % (40.00 to 50.00) | 46.00 % (41.00 to 51.00) | 10 |" in lines
    assert any(line.startswith("| oracle (1 of 2 runs) |") for line in lines)
    assert any("Relative WER reduction" in line and "by run: 48.8 %, 39.2 %" in line for line in lines)


def test_a_section_says_seeds_spread_commit_hardware_and_command(tmp_path: Path) -> None:
    found = [results.collect(make_run(tmp_path / str(seed), seed=seed)) for seed in (0, 1)]
    text = over_seeds([found[0], found[1] | {"commit": "def"}], "Digits")
    assert "- Mean over 2 runs (seeds 0, 1); least to greatest in brackets" in text
    assert "- Commit: abc, def" in text
    assert "- Hardware: 2 cores, P" in text
    assert "- Time: 33 seconds a run; memory: 900 MiB at most" in text
    assert text.endswith("```sh\nnst-asr run plan.yaml <&>\n```\n")


def test_gpus_are_hardware(tmp_path: Path) -> None:
    found = results.collect(make_run(tmp_path / "run"))
    gpus = [{"name": "G", "memory_mb": 1, "driver": "1"}] * 2
    text = over_seeds([found | {"hardware": found["hardware"] | {"gpus": gpus}}], "Digits")
    assert "- Hardware: 2 cores, P, 2 x G" in text


def test_one_run_has_its_intervals(tmp_path: Path) -> None:
    found = results.collect(make_run(tmp_path / "run", errors=(40, 20)))
    text = over_seeds([found], "Digits")
    dev, test = (found["generations"][0][on] for on in ("dev", "test"))
    shown = [f"[{100 * score['low']:.1f}, {100 * score['high']:.1f}]" for score in (dev, test)]
    assert f"| 40.00 % {shown[0]} | 41.00 % {shown[1]} |" in text
    assert "- One run (seed 0); 95 % bootstrap intervals in brackets" in text


def test_runs_of_several_recipes_or_of_one_seed_make_no_section(tmp_path: Path) -> None:
    found = results.collect(make_run(tmp_path / "run"))
    for make in (
        lambda: over_seeds([found, found | {"recipe": "cifar"}], "Both"),
        lambda: by_run({"a": found, "b": found | {"recipe": "cifar"}}, "Both"),
        lambda: variants([found], {"b": [found | {"recipe": "cifar"}]}, "Both"),
    ):
        with pytest.raises(ValueError, match="cifar, digits"):
            make()
    with pytest.raises(ValueError, match="none: name one"):
        over_seeds([], "None")
    with pytest.raises(ValueError, match="2 runs have seed 0"):
        over_seeds([found, found], "Twice")


def run_of(seed: int, *rates: float) -> dict[str, Any]:
    about = {"commit": "abc", "command": "c", "versions": {}, "hardware": {"cores": 2, "processor": "P"}}
    about |= {"recipe": "digits", "seconds": 10.0, "peak_memory_mb": 1.0}
    return {**about, "seed": seed, "generations": [{"test": {"rate": rate}} for rate in rates]}


def test_variants_are_compared_seed_by_seed_at_their_own_last_generation() -> None:
    whole = [run_of(0, 0.20, 0.10, 0.05), run_of(1, 0.30, 0.12, 0.06)]
    lines = variants(whole, {"no-noise": [run_of(0, 0.20, 0.15), run_of(1, 0.30, 0.18)]}, "Worth").splitlines()
    assert lines[2].endswith("| against the whole recipe, points |")
    assert lines[4] == "| whole recipe | 1 | 11.0 % (10.0 to 12.0) | 55.0 % (50.0 to 60.0) | - |"
    assert lines[5] == "| no-noise | 1 | 16.5 % (15.0 to 18.0) | 32.5 % (25.0 to 40.0) | 5.5 (5.0 to 6.0) |"
    assert "- Mean over seeds 0, 1; least to greatest in brackets; differences seed by seed" in lines
    assert "- Commit: abc" in lines


def test_the_first_row_may_be_something_else_than_the_whole_recipe() -> None:
    lines = variants([run_of(0, 0.2, 0.1)], {"x": [run_of(0, 0.2, 0.1)]}, "Worth", "half of the labels").splitlines()
    assert lines[2].endswith("| against the first row, points |")
    assert lines[4].startswith("| half of the labels | 1 |")


def test_a_variant_of_a_seed_that_the_first_row_lacks_is_refused() -> None:
    with pytest.raises(ValueError, match="no-noise: seed 7 is not among"):
        variants([run_of(0, 0.2, 0.1)], {"no-noise": [run_of(7, 0.2, 0.1)]}, "Worth")


def test_a_variant_without_a_score_on_test_is_refused() -> None:
    run = run_of(0, 0.2, 0.1) | {"generations": [{"test": {"rate": 0.2}}, {"test": None}]}
    with pytest.raises(ValueError, match="no-noise, seed 0: generation 1 has no score on test"):
        variants([run_of(0, 0.2, 0.1)], {"no-noise": [run]}, "Worth")


def test_runs_that_differ_in_more_than_the_seed_have_a_row_each(tmp_path: Path) -> None:
    found = results.collect(make_run(tmp_path / "a"))
    lines = by_run({"george": found, "theo": found}, "Speakers").splitlines()
    teacher, student = (found["generations"][place]["test"]["rate"] for place in (0, -1))
    assert lines[6].startswith(f"| george | {100 * teacher:.1f} % | {100 * student:.1f} % | ")
    assert lines[7].startswith("| theo | ")
    assert "over 2 of 2 runs." in "\n".join(lines)
    assert "- 2 runs (seed 0); of several: mean (least to greatest)" in lines


PROSE = "# Results\n\nWhat we think.\n"


def test_a_section_is_added_at_the_end_and_replaced_where_it_stands() -> None:
    one = put(PROSE, "A", "## A\n\nfirst\n", "tool")
    assert one == PROSE + "\n<!-- written by tool: A -->\n## A\n\nfirst\n<!-- end -->\n"
    both = put(one + "\nOf A.\n", "B", "## B\n", "tool")
    again = put(both, "A", "## A\n\nsecond\n", "tool")
    assert again == both.replace("first", "second")


def test_writing_twice_changes_nothing() -> None:
    once = put(put(PROSE, "A", "## A\n\n| 1 |\n", "tool"), "B", "## B\n", "tool")
    assert put(once, "A", "## A\n\n| 1 |\n", "tool") == once


def test_a_file_begins_with_its_first_section() -> None:
    assert put("", "A", "x\n", "tool") == "<!-- written by tool: A -->\nx\n<!-- end -->\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<!-- written by t: A -->\n", "line 1: this section has no"),
        ("x\n<!-- end -->\n", "line 2: <!-- end --> where no section has begun"),
        ("<!-- written by t: A -->\n<!-- written by t: B -->\n<!-- end -->\n", "line 2: a section begins before"),
        ("<!-- written by t: A -->\n<!-- end -->\n" * 2, "'A' is there twice"),
    ],
)
def test_comments_that_do_not_fit_together_are_refused(text: str, message: str) -> None:
    with pytest.raises(WrittenError, match=message):
        put(text, "A", "x", "t")


@pytest.mark.parametrize("title", ["", " ", "a\nb", "a --> b"])
def test_a_title_that_would_break_the_comment_is_refused(title: str) -> None:
    with pytest.raises(WrittenError, match="cannot stand in a comment"):
        put("", title, "x", "t")


def test_comments_inside_of_code_are_text() -> None:
    text = "```\n<!-- written by t: A -->\n```\n~~~\n```\n<!-- end -->\n~~~\n"
    assert written(text) == []
    assert put(text, "A", "x", "t").startswith(text)


@pytest.fixture
def tool(tmp_path: Path) -> Callable[..., int]:
    """Runs the tool on these run folders, into tmp_path/RESULTS.md."""

    def call(*runs: Path, title: str = "Digits", more: tuple[str, ...] = ()) -> int:
        into = ["--into", str(tmp_path / "RESULTS.md")]
        return write_results.main([*map(str, runs), "--title", title, *into, *more])

    return call


def test_what_is_written_is_exactly_what_is_printed(
    tmp_path: Path, tool: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [make_run(tmp_path / f"r-{seed}", seed=seed, errors=(40, 20 + seed)) for seed in (0, 1)]
    other = [make_run(tmp_path / f"v-{seed}", seed=seed, errors=(40, 30 + seed)) for seed in (0, 1)]
    (tmp_path / "RESULTS.md").write_text(PROSE)
    ways: dict[str, tuple[str, ...]] = {"Seeds": (), "Runs": ("--by-run",), "Worth": ("--variants", *map(str, other))}
    printed = {}
    for title, more in ways.items():
        assert tool(*runs, title=title, more=more) == 0
        capsys.readouterr()
        assert write_results.main([*map(str, runs), "--title", title, *more]) == 0
        printed[title] = capsys.readouterr().out
    text = (tmp_path / "RESULTS.md").read_text()
    assert text.startswith(PROSE)
    lines = text.split("\n")
    found = {each.title: "\n".join(lines[each.start + 1 : each.stop - 1]) + "\n" for each in written(text)}
    assert found == printed
    for title, more in ways.items():
        assert tool(*runs, title=title, more=more) == 0
        assert "as it was" in capsys.readouterr().out
    assert (tmp_path / "RESULTS.md").read_text() == text


def test_an_unfinished_run_is_refused_unless_it_is_asked_for(
    tmp_path: Path, tool: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "run", errors=(40, 20))
    (run / "plan.yaml").write_text(yaml.safe_dump({"recipe": "digits", "seed": 0, "generations": [{}, {}]}))
    assert tool(run) == 1
    assert "not finished: gen2/5-score.json missing" in capsys.readouterr().err
    assert not (tmp_path / "RESULTS.md").exists()
    assert tool(run, more=("--unfinished",)) == 0


def test_a_run_whose_test_set_has_not_been_scored_is_refused(
    tmp_path: Path, tool: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "run", errors=(40,))
    about = json.loads((run / "run.json").read_text())
    about["corpus"]["test"] = about["corpus"]["dev"]
    (run / "run.json").write_text(json.dumps(about))
    (run / "gen0/test.json").unlink()
    assert tool(run) == 1
    assert "gen0/test.json missing" in capsys.readouterr().err


def test_a_run_without_its_oracle_has_results(tmp_path: Path, tool: Callable[..., int]) -> None:
    run = make_run(tmp_path / "run", errors=(40, 20), oracle=None)
    shutil.rmtree(run / "oracle", ignore_errors=True)
    assert tool(run) == 0


def test_what_cannot_be_written_is_said_in_a_line(
    tmp_path: Path, tool: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "run")
    assert tool(tmp_path) == 1
    assert "no run.json" in capsys.readouterr().err
    other = make_run(tmp_path / "other", seed=1)
    about = json.loads((other / "run.json").read_text())
    (other / "run.json").write_text(json.dumps(about | {"recipe": "cifar"}))
    assert tool(run, other) == 1
    assert "one table is of one recipe" in capsys.readouterr().err
    (tmp_path / "RESULTS.md").write_text("<!-- end -->\n")
    assert tool(run) == 1
    assert "RESULTS.md: line 1" in capsys.readouterr().err
    assert (tmp_path / "RESULTS.md").read_text() == "<!-- end -->\n"
    twin = make_run(tmp_path / "elsewhere" / "run", seed=1)
    assert tool(run, twin, more=("--by-run",)) == 1
    assert "two folders are called run" in capsys.readouterr().err


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_the_sections_of_the_recipes_are_whole_and_have_their_titles(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    lines, found = text.split("\n"), written(text)
    own = path.parent / "tables.py"  # a recipe's own tool, where it has one
    tool = str(own.relative_to(ROOT)) if own.exists() else write_results.TOOL
    assert found
    for each in found:
        assert lines[each.start + 1] == f"## {each.title}"
        assert each.tool == tool


def test_the_cifar_tables_go_into_a_file_section_by_section(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "exp" / "seed-0" / "baseline-convnet5-noised"
    make_run(folder, errors=(40,))
    (tmp_path / "exp" / "seed-0" / "corpus.json").write_text("{}")
    into = tmp_path / "RESULTS.md"
    into.write_text(PROSE)
    for _ in range(2):
        assert tables.main([str(tmp_path / "exp"), "--into", str(into)]) == 0
        text = into.read_text()
        assert text.startswith(PROSE)
        titles = [each.title for each in written(text)]
        assert titles == ["All runs", "Supervised, convnet5 to resnet9"]
    assert "- Commit: abc" in text
    assert "| convnet5 | - | 59.00 | - |" in text
