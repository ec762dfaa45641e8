"""Run folders side by side, with numbers worked by hand."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from simulated_run import TRUTH, add_scores, make_run, score_of

from nst_asr import cli, results
from nst_asr.compare_runs.compare import compare_runs
from nst_asr.compare_runs.differences import ABSENT, differences, over_generations
from nst_asr.compare_runs.text import describe
from nst_asr.compare_runs.variants import CompareError
from nst_asr.key import Key
from nst_asr.score import compare
from nst_asr.store import StoreError
from tools import compare_runs as tool

PLAN: dict[str, Any] = {
    "recipe": "digits",
    "seed": 0,
    "teacher": {"fit": {"updates": 100}},
    "generations": [
        {"label": {"beam": 1, "lm": None}, "filter": {"score": 0.5}},
        {"label": {"beam": 1, "lm": None}, "filter": {"score": 0.0}},
    ],
}


def run_of(folder: Path, *, seed: int = 0, plan: dict[str, Any] | None = None, **given: Any) -> Path:
    """A simulated run whose plan.yaml is `PLAN` with changes, and whose run.json knows a test set."""
    run = make_run(folder, seed=seed, **given)
    (run / "plan.yaml").write_text(yaml.safe_dump({**PLAN, **(plan or {}), "seed": seed}, sort_keys=False))
    return change_about(run, corpus={"test": {"rows": 100, "hours": 0.1, "fingerprint": "t"}})


def change_about(run: Path, *, corpus: dict[str, Any] | None = None, **changes: Any) -> Path:
    about = json.loads((run / "run.json").read_text())
    about |= changes
    about["corpus"] |= corpus or {}
    (run / "run.json").write_text(json.dumps(about))
    return run


def scored(found: dict[str, Any], of: str, on: str) -> dict[str, Any]:
    (entry,) = [entry for entry in found["scores"] if (entry["of"], entry["on"]) == (of, on)]
    return dict(entry)


@pytest.fixture
def two(tmp_path: Path) -> list[Path]:
    """A: 40, 25 and 20 errors on dev. B: 40, 25 and 10, with a filter of its own in the second generation."""
    other = {"generations": [PLAN["generations"][0], {"label": {"beam": 8, "lm": None}, "filter": {"score": 1.0}}]}
    return [run_of(tmp_path / "a"), run_of(tmp_path / "b", errors=(40, 25, 10), plan=other)]


def test_the_plan_is_told_by_the_keys_that_differ_alone(two: list[Path]) -> None:
    found = compare_runs(two)["plan"]
    assert found == [
        {"key": "generations.1.label.beam", "values": [1, 8], "there": [True, True]},
        {"key": "generations.1.filter.score", "values": [0.0, 1.0], "there": [True, True]},
    ]


def test_a_key_that_one_plan_lacks_is_absent_which_null_is_not() -> None:
    found = dict(differences([{"a": 1, "b": None, "c": {"d": 1}}, {"a": 1, "c": {"d": 1, "e": 2}}]))
    assert found == {"b": [None, ABSENT], "c.e": [ABSENT, 2]}


def test_a_generation_that_one_plan_lacks_is_one_difference() -> None:
    plans = [{"generations": [{"x": 1}]}, {"generations": [{"x": 1}, {"x": 2}]}]
    assert list(differences(plans)) == [("generations.1", [ABSENT, {"x": 2}])]


def test_three_plans_are_told_together() -> None:
    assert list(differences([{"x": 1}, {"x": 2}, {"x": 1}])) == [("x", [1, 2, 1])]


def test_what_differs_alike_in_every_generation_is_told_once() -> None:
    entries = [{"key": f"generations.{place}.x", "values": [1, 2]} for place in (0, 1)]
    entries += [{"key": f"generations.{place}.y", "values": [1, 2 + place]} for place in (0, 1)]
    keys = [entry["key"] for entry in over_generations(entries, [2, 2])]
    assert keys == ["generations.*.x", "generations.0.y", "generations.1.y"]


def test_scores_are_compared_by_a_paired_bootstrap_and_by_sentences(two: list[Path]) -> None:
    entry = scored(compare_runs(two), "generation 2", "dev")
    assert [rate["mean"] for rate in entry["rates"]] == [0.2, 0.1]
    assert (entry["rates"][0]["low"], entry["rates"][0]["high"]) == score_of(20).interval
    (one,) = entry["against_first"][0]["by_run"]
    expected = compare(score_of(20), score_of(10), Key(0)["compare_runs"]).to_json()
    assert {name: one[name] for name in expected} == expected
    assert one["significantly_better"]
    # ten utterances that the first alone has wrong, none that the second has: 2 / 2 ** 10
    assert (one["sentences"]["first_only"], one["sentences"]["second_only"]) == (0, 10)
    assert one["sentences"]["p"] == pytest.approx(2 / 2**10)


def test_oracle_and_test_are_compared_too(two: list[Path]) -> None:
    found = compare_runs(two)
    assert scored(found, "oracle", "dev")["against_first"][0]["difference"]["mean"] == 0
    assert scored(found, "generation 2", "test")["against_first"][0]["difference"]["mean"] == pytest.approx(-0.1)


def test_scores_on_other_sets_are_told_and_not_compared(two: list[Path]) -> None:
    change_about(two[1], corpus={"dev": {"rows": 12, "hours": 0.5, "fingerprint": "g"}})
    found = compare_runs(two)
    against = scored(found, "generation 2", "dev")["against_first"][0]
    assert (against["difference"], against["by_run"]) == (None, [])
    assert against["reasons"] == ["scored on other dev sets"]
    assert scored(found, "generation 2", "test")["against_first"][0]["difference"] is not None
    assert [entry["same"] for entry in found["data"] if entry["set"] == "dev"] == [[True, False]]
    assert "not compared: B against A: scored on other dev sets (generation 0, dev;" in " ".join(
        describe(found).split()
    )


def test_scores_of_other_utterances_under_one_name_are_not_compared(two: list[Path]) -> None:
    for path in two[1].glob("*/*score.parquet"):
        pl.read_parquet(path).head(50).write_parquet(path)
    (reason,) = scored(compare_runs(two), "generation 2", "dev")["against_first"][0]["reasons"]
    assert "u50 with 1 words is in one only" in reason


def test_labels_are_told_by_amount_and_error_and_how_far_they_agree(two: list[Path]) -> None:
    part = two[1] / "gen1/1-labels/part-00001.parquet"
    pl.read_parquet(part).with_columns(label=pl.lit("for")).write_parquet(part)
    first, second = compare_runs(two, TRUTH)["labels"]
    assert [each["mean"] for each in first["measures"]["kept_share"]] == pytest.approx([3 / 3.5] * 2)
    assert [each["mean"] for each in first["measures"]["error_after"]] == [0, 0.5]  # b and c are kept, c is wrong now
    (agreement,) = first["agreement"]
    assert agreement["changed_share"]["mean"] == pytest.approx(1 / 3)
    assert agreement["distance"]["mean"] == pytest.approx(1 / 4)  # one word of "one too", "three", "four"
    assert agreement["kept_in_both_hours"]["mean"] == 3.0
    assert second["agreement"][0]["changed_share"]["mean"] == 0


def test_labels_of_other_pools_are_not_set_side_by_side(two: list[Path]) -> None:
    change_about(two[1], corpus={"unlabeled": {"rows": 5, "hours": 4.0, "fingerprint": "other"}})
    (agreement,) = compare_runs(two)["labels"][0]["agreement"]
    assert agreement["changed_share"] is None
    assert agreement["reasons"] == ["other pools (seed 0)"]


def test_labels_in_other_parts_are_not_set_side_by_side(two: list[Path]) -> None:
    for run, block in zip(two, (2, 4), strict=True):
        content = yaml.safe_load((run / "plan.yaml").read_text()) | {"block": block}
        (run / "plan.yaml").write_text(yaml.safe_dump(content))
    assert compare_runs(two)["labels"][0]["agreement"][0]["reasons"] == ["tables in parts of 2 and of 4 rows"]


def test_results_that_have_been_written_are_read_unless_something_is_newer(two: list[Path]) -> None:
    found = results.write(two[0])
    found["generations"][1]["kept_hours"] = 1.5
    path = two[0] / "results.json"
    path.write_text(json.dumps(found))
    assert compare_runs(two)["labels"][0]["measures"]["kept_hours"][0]["mean"] == 1.5
    os.utime(path, (0, 0))
    assert compare_runs(two)["labels"][0]["measures"]["kept_hours"][0]["mean"] == 3.0


def test_code_is_told_by_commit_versions_and_hardware(two: list[Path]) -> None:
    change_about(two[1], commit="def", versions={"python": "3.12"})
    found = compare_runs(two)["code"]
    assert found == [
        {"key": "commit", "values": ["abc", "def"]},
        {"key": "versions.python", "values": ["3.11", "3.12"]},
    ]


def test_an_unfinished_run_shows_what_there_is(two: list[Path]) -> None:
    shutil.rmtree(two[1] / "gen2")
    found = compare_runs(two)
    assert found["columns"][1]["runs"][0]["missing"] == ["gen2/5-score.json", "gen2/test.json"]
    assert scored(found, "generation 2", "dev")["rates"][1] is None
    # their last students are those of generation 2 and 1
    assert scored(found, "last model", "dev")["against_first"][0]["difference"]["mean"] == pytest.approx(0.05)
    assert "not finished: gen2/5-score.json, gen2/test.json missing" in describe(found)


def test_labels_that_wait_for_their_student_are_told_by_their_waterfall(two: list[Path]) -> None:
    (two[1] / "gen2/5-score.json").unlink()
    measures = compare_runs(two)["labels"][1]["measures"]
    assert [each["mean"] for each in measures["kept_hours"]] == [3.0, 3.0]
    assert measures["kl_after"][1] is None


def test_a_run_whose_teacher_is_not_scored_yet_is_compared_by_its_plan(two: list[Path]) -> None:
    for name in ("gen0", "gen1", "gen2", "oracle"):
        shutil.rmtree(two[1] / name)
    found = compare_runs(two)
    assert len(found["plan"]) == 2
    assert "cannot be compared with A" in describe(found)


def test_seeds_are_matched_and_told_by_mean_and_spread(tmp_path: Path) -> None:
    other = {"teacher": {"fit": {"updates": 200}}}
    first = [run_of(tmp_path / f"a-{seed}", seed=seed, errors=(40, 20 + seed)) for seed in (0, 1, 2)]
    second = [run_of(tmp_path / f"b-{seed}", seed=seed, errors=(40, 10 + 3 * seed), plan=other) for seed in (2, 0, 1)]
    found = compare_runs([*first, *second])
    assert [(column["name"], [run["seed"] for run in column["runs"]]) for column in found["columns"]] == [
        ("a", [0, 1, 2]),
        ("b", [0, 1, 2]),
    ]
    assert found["plan"] == [{"key": "teacher.fit.updates", "values": [100, 200], "there": [True, True]}]
    against = scored(found, "generation 1", "dev")["against_first"][0]
    # 10 - 20, 13 - 21, 16 - 22: their mean, and the deviation of three numbers two apart
    assert against["difference"]["mean"] == pytest.approx(-0.08)
    assert (against["difference"]["least"], against["difference"]["greatest"]) == pytest.approx((-0.10, -0.06))
    assert against["difference"]["spread"] == pytest.approx(0.02)
    assert against["better"] == 3
    text = describe(found)
    assert "-8.00 (-10.00 to -6.00)" in text
    assert text.count("2.00") >= 1
    assert "B is better than A for 3 of 3 seeds" in text


def test_a_seed_that_one_side_lacks_is_left_out_and_named(tmp_path: Path) -> None:
    other = {"teacher": {"fit": {"updates": 200}}}
    runs = [run_of(tmp_path / f"a-{seed}", seed=seed) for seed in (0, 1)]
    found = compare_runs([*runs, run_of(tmp_path / "b-1", seed=1, errors=(40, 25, 10), plan=other)])
    against = scored(found, "generation 2", "dev")["against_first"][0]
    assert [one["seeds"] for one in against["by_run"]] == [[1, 1]]
    assert against["seeds_left_out"] == ["0"]
    assert "without seed 0, which one side lacks" in describe(found)


def test_each_run_is_a_column_where_that_is_asked_for_or_there_are_two(tmp_path: Path) -> None:
    runs = [run_of(tmp_path / f"a-{seed}", seed=seed) for seed in (0, 1, 2)]
    assert [column["name"] for column in compare_runs(runs, group=False)["columns"]] == ["a-0", "a-1", "a-2"]
    found = compare_runs(runs[:2])
    assert found["plan"] == [{"key": "seed", "values": [0, 1], "there": [True, True]}]


def test_runs_of_one_name_are_told_apart_by_their_parents(tmp_path: Path) -> None:
    runs = [run_of(tmp_path / name / "run") for name in ("old", "new")]
    assert [column["name"] for column in compare_runs(runs)["columns"]] == ["old/run", "new/run"]


def test_what_cannot_be_compared_is_refused(tmp_path: Path, two: list[Path]) -> None:
    with pytest.raises(StoreError, match="no such folder"):
        compare_runs([two[0], tmp_path / "nowhere"])
    with pytest.raises(StoreError, match=r"no run\.json"):
        compare_runs([two[0], tmp_path])
    with pytest.raises(CompareError, match="name another"):
        compare_runs([two[0]])
    with pytest.raises(CompareError, match="given twice"):
        compare_runs([two[0], two[0] / "../a"])
    seeds = [run_of(tmp_path / f"s-{seed}", seed=seed) for seed in (0, 1)]
    with pytest.raises(CompareError, match="nothing but the seed"):
        compare_runs(seeds, group=True)
    with pytest.raises(CompareError, match="twice with seed 0"):
        compare_runs([two[0], run_of(tmp_path / "again")], group=True)
    change_about(two[1], terms={"error": "top-1 error", "amount": "images", "unit": 1.0})
    with pytest.raises(CompareError, match="several tasks"):
        compare_runs(two)


def test_images_are_told_in_their_own_words(two: list[Path]) -> None:
    words = {"error": "top-1 error", "amount": "images", "unit": 1.0, "example": "image", "token": "image"}
    for run in two:
        change_about(run, terms=words)
    text = describe(compare_runs(two))
    assert "SCORES: top-1 error" in text
    assert "images kept" in text
    assert "hours" not in text


def test_the_text_of_two_runs_fits_a_hundred_columns(two: list[Path]) -> None:
    change_about(two[1], commit="d" * 40 + "+changes", corpus={"dev": {"rows": 12, "hours": 0.5, "fingerprint": "g"}})
    text = describe(compare_runs(two, TRUTH))
    assert max(map(len, text.splitlines())) <= 100
    assert "generations.1.filter.score" in text
    assert "undecided" not in text.split("SCORES")[0]


def test_the_verb_prints_the_text_and_writes_all_of_it(
    two: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.json"
    assert cli.main(["compare-runs", *map(str, two), "--json", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "B is better than A on test, generation 2: WER 21.00 % became 11.00 %" in " ".join(printed.split())
    assert json.loads(out.read_text()) == json.loads(json.dumps(compare_runs(two)))
    assert tool.main([*map(str, two)]) == 0
    assert capsys.readouterr().out == printed


def test_errors_are_one_line(tmp_path: Path, two: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["compare-runs", str(two[0]), str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("nst-asr: ")
    assert tool.main([str(two[0])]) == 1
    assert capsys.readouterr().err.startswith("compare_runs: there is one thing to compare")


def test_agreement_may_be_left_out(two: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["compare-runs", *map(str, two), "--no-agreement"]) == 0
    assert "against A: " not in capsys.readouterr().out.split("SCORES")[0].split("LABELS")[1]


def test_scores_with_a_language_model_have_rows_of_their_own(two: list[Path]) -> None:
    for run, errors in zip(two, (15, 5), strict=True):
        add_scores(run / "lm", "score.json", errors)
        for suffix in (".json", ".parquet"):
            shutil.copy(run / f"lm/score{suffix}", run / f"gen2/5-score-lm{suffix}")
    entries = [entry for entry in compare_runs(two)["scores"] if entry["with_lm"]]
    assert [(entry["of"], entry["on"]) for entry in entries] == [("generation 2", "dev")]
    assert entries[0]["against_first"][0]["difference"]["mean"] == pytest.approx(-0.1)
