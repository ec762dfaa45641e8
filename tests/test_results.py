"""results.json and its table, from a run folder whose numbers are worked by hand."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from simulated_run import TRUTH, make_run, score_of

from nst_asr import results
from nst_asr.corpus import Truth
from nst_asr.key import Key
from nst_asr.score import compare
from nst_asr.store import StoreError


def test_amounts_of_a_generation_are_rows_and_hours_of_its_tables(tmp_path: Path) -> None:
    student = results.collect(make_run(tmp_path / "run"))["generations"][1]
    assert (student["labels"], student["hours"]) == (3, 3.5)
    assert (student["kept_rows"], student["kept_hours"]) == (2, 3.0)
    assert (student["copies"], student["copied_hours"]) == (3, 5.0)
    assert (student["kl_before"], student["kl_after"]) == (0.04, 0.01)


def test_the_teacher_has_the_labeled_hours_and_no_labels(tmp_path: Path) -> None:
    teacher = results.collect(make_run(tmp_path / "run"), TRUTH)["generations"][0]
    assert (teacher["generation"], teacher["labels"], teacher["hours"], teacher["kept_hours"]) == (0, 0, 0.5, 0.0)
    assert teacher["teacher"] is None
    assert teacher["label_error"] is None


def test_the_error_of_labels_is_that_of_ids_with_a_known_truth_before_and_after_the_filter(tmp_path: Path) -> None:
    student = results.collect(make_run(tmp_path / "run"), TRUTH)["generations"][1]
    assert student["label_error"]["before"] == {"errors": 1, "words": 4, "rate": 0.25}
    assert student["label_error"]["after"] == {"errors": 0, "words": 2, "rate": 0.0}


def test_kept_labels_whose_truth_is_not_known_have_no_error_rate(tmp_path: Path) -> None:
    rejected_alone = Truth(pl.DataFrame({"id": ["a"], "label": ["one two"]}))
    student = results.collect(make_run(tmp_path / "run"), rejected_alone)["generations"][1]
    assert student["label_error"]["before"]["rate"] == 0.5
    assert student["label_error"]["after"] == {"errors": 0, "words": 0, "rate": None}


def test_the_error_of_labels_is_unknown_without_truth_and_kept_once_it_was_known(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    assert results.write(run)["generations"][1]["label_error"] is None
    known = results.write(run, TRUTH)
    assert results.write(run) == known
    assert json.loads((run / "results.json").read_text()) == known


def test_scores_comparison_and_teacher_of_a_student(tmp_path: Path) -> None:
    found = results.collect(make_run(tmp_path / "run"))["generations"]
    assert [(entry["dev"]["errors"], entry["test"]["errors"]) for entry in found] == [(40, 41), (25, 26), (20, 21)]
    assert [entry["teacher"] for entry in found] == [None, 0, 1]
    assert found[1]["comparison"]["difference"] == pytest.approx(-0.15)
    assert found[1]["comparison"]["significantly_better"]
    assert found[2]["comparison"]["difference"] == pytest.approx(-0.05)
    assert found[1]["succession"]["rule"] == "best"


def test_a_student_is_compared_with_the_generation_that_taught_it(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", errors=(40, 60, 20))
    (run / "gen1/6-teacher.json").write_text(json.dumps({"teacher": 0, "rule": "best", "reason": "worse"}))
    student = results.collect(run)["generations"][2]
    assert student["teacher"] == 0
    assert student["comparison"]["difference"] == pytest.approx(-0.2)


def test_the_comparison_is_the_one_that_the_loop_decided_on(tmp_path: Path) -> None:
    found = results.collect(make_run(tmp_path / "run", seed=7))["generations"]
    assert found[1]["comparison"] == compare(score_of(40), score_of(25), Key(7)["succeed", 1]).to_json()
    assert found[2]["comparison"] == compare(score_of(25), score_of(20), Key(7)["succeed", 2]).to_json()


def test_seconds_are_summed_over_restarts_and_a_line_cut_short_is_left_out(tmp_path: Path) -> None:
    found = results.collect(make_run(tmp_path / "run"))
    assert found["generations"][1]["seconds"] == {"4-student": 23.0}
    assert (found["seconds"], found["peak_memory_mb"]) == (33.0, 900.0)


def test_reduction_and_recovery_are_on_test_where_all_have_it(tmp_path: Path) -> None:
    found = results.collect(make_run(tmp_path / "run"))
    assert found["relative_reduction"]["rate"] == pytest.approx((41 - 21) / 41)
    assert found["recovery_rate"]["rate"] == pytest.approx((41 - 21) / (41 - 11))
    assert found["recovery_rate"]["low"] < found["recovery_rate"]["rate"] < found["recovery_rate"]["high"]
    assert found["relative_reduction"]["on"] == found["recovery_rate"]["on"] == "test"


def test_reduction_and_recovery_are_on_dev_where_one_lacks_test(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    (run / "gen2/test.json").unlink()
    found = results.collect(run)
    assert found["generations"][2]["test"] is None
    assert found["relative_reduction"]["rate"] == pytest.approx(0.5)
    assert found["recovery_rate"]["rate"] == pytest.approx((40 - 20) / (40 - 10))
    assert found["relative_reduction"]["on"] == found["recovery_rate"]["on"] == "dev"


def test_a_run_that_is_still_going_on_has_the_generations_that_were_scored(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", oracle=None)
    shutil.rmtree(run / "gen2")
    found = results.collect(run)
    assert len(found["generations"]) == 2
    assert found["oracle"] is None
    assert found["recovery_rate"] is None


def test_a_run_with_a_teacher_alone_has_nothing_to_compare(tmp_path: Path) -> None:
    found = results.collect(make_run(tmp_path / "run", errors=(40,)))
    assert found["relative_reduction"] is None
    assert found["recovery_rate"] is None
    assert "no student" in results.table(found)


def test_a_folder_that_is_no_run_or_has_no_scored_teacher_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"no run\.json"):
        results.collect(tmp_path)
    run = make_run(tmp_path / "run")
    (run / "gen0/score.json").unlink()
    with pytest.raises(StoreError, match="teacher has not been scored"):
        results.collect(run)


def test_results_are_plain_json_without_nan(tmp_path: Path) -> None:
    found = results.collect(make_run(tmp_path / "run"), TRUTH)
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_the_table_has_a_row_for_each_generation_and_the_oracle(tmp_path: Path) -> None:
    lines = results.table(results.collect(make_run(tmp_path / "run"), TRUTH)).splitlines()
    assert [line.split()[0] for line in lines[2:6]] == ["0", "1", "2", "oracle"]
    assert lines[3].split()[:5] == ["1", "3.50", "3.00", "0.00", "%"]
    assert "25.00 % [" in lines[3]
    assert lines[3].endswith("26.00 %       23")
    assert len({len(line) for line in lines[:6]}) == 1
    assert lines[-2].startswith("generation 2 makes 48.8 % fewer errors than the teacher on test (-20.00 points [")
    assert lines[-1].startswith("recovery rate: 66.7 % [")


def test_the_table_says_loudly_that_a_student_got_worse(tmp_path: Path) -> None:
    text = results.table(results.collect(make_run(tmp_path / "run", errors=(19, 39), oracle=30)))
    assert "makes 100.0 % MORE errors than the teacher" in text
    assert "recovery rate: none, the oracle (31.00 %) is no better than the baseline (20.00 %)" in text
