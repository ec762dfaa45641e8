"""What the ledger says of one example: labels, scores, verdict with its reason, copies, errors."""

import json
import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import toy
from simulated_run import make_run, write

from nst_asr import cli
from nst_asr.labels import SCHEMA
from nst_asr.ledger import why
from nst_asr.ledger_text import describe
from nst_asr.loop import noisy_student
from nst_asr.reasons import reason, whole
from nst_asr.run import open_run
from nst_asr.store import StoreError
from nst_asr.terms import Terms


def plan_filters(run: Path, *filters: dict[str, Any]) -> Path:
    """The run with these filters in its plan, generation by generation."""
    (run / "plan.yaml").write_text(json.dumps({"recipe": "digits", "generations": [{"filter": f} for f in filters]}))
    return run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Generations 1 and 2 both label a "one too" and reject it by score; they keep b once and c twice."""
    return plan_filters(make_run(tmp_path / "run"), {"score": 0.0}, {"score": -1.0})


def test_every_generation_has_an_entry_with_label_verdict_copies_and_weight(run: Path) -> None:
    found = why(run, "c")
    assert (found["id"], found["set"], found["size"], found["truth"]) == ("c", "unlabeled", 7200.0, None)
    assert [entry["generation"] for entry in found["generations"]] == [1, 2]
    first = found["generations"][0]
    assert (first["label"], first["verdict"], first["reason"]) == ("four", "kept", None)
    assert (first["copies"], first["weight"], first["errors"]) == (2, 1.8, None)
    assert first["scores"] == {"normalised_score": 1.5, "words_per_second": pytest.approx(1 / 7200)}


def test_a_rejected_label_has_the_rule_the_value_and_that_generations_cut_off(run: Path) -> None:
    reasons = [entry["reason"] for entry in why(run, "a")["generations"]]
    failed = {"key": "score", "measure": "normalised_score", "value": -1.5, "asks_for": "more"}
    assert reasons == [{"rule": "score", "failed": [failed | {"cutoff": c}], "note": None} for c in (0.0, -1.0)]
    assert "rejected by score: normalised_score -1.5, where score = 0 asks for more" in describe(why(run, "a"))


def test_teachers_are_named_by_generation_and_hash(run: Path) -> None:
    for folder, name in (("gen0/student", "first"), ("gen1/4-student", "second")):
        (run / folder).mkdir()
        (run / folder / "HASH").write_text(f"{name}\n")
    teachers = [entry["teacher"] for entry in why(run, "b")["generations"]]
    assert teachers == [{"generation": 0, "hash": "first"}, {"generation": 1, "hash": "second"}]
    assert "generation 2, labeled by generation 1 (model second)" in describe(why(run, "b"))


def test_by_the_truth_errors_are_aligned_and_marked(run: Path) -> None:
    errors = why(run, "a", "won one two")["generations"][0]["errors"]
    counts = [errors[name] for name in ("substitutions", "deletions", "insertions", "words")]
    assert counts == [1, 1, 0, 3]
    assert errors["rate"] == pytest.approx(2 / 3)
    text = describe(why(run, "a", "won one two"))
    assert "  WER: 66.67 % (1 S, 1 D, 0 I of 3 words)\n" in text
    assert "    truth won one two\n    label *** one too\n          D       S\n" in text


def test_an_insertion_stands_over_nothing(run: Path) -> None:
    text = describe(why(run, "a", "one"))
    assert "    truth one ***\n    label one too\n              I\n" in text


def test_a_label_that_is_right_has_no_line_of_signs(run: Path) -> None:
    text = describe(why(run, "b", "three"))
    assert "  WER: 0.00 % (0 S, 0 D, 0 I of 1 words)\n    truth three\n    label three\n  normalised_score 0.5" in text


def test_an_empty_truth_or_label_can_be_aligned(run: Path) -> None:
    errors = why(run, "b", "")["generations"][0]["errors"]
    assert (errors["insertions"], errors["words"], errors["rate"]) == (1, 0, 1.0)


def test_a_generation_that_is_still_labeling_says_so(run: Path) -> None:
    for name in ("2-verdicts.parquet", "3-copies.parquet", "1-labels/part-00001.parquet"):
        (run / "gen2" / name).unlink()
    assert [entry["labeled"] for entry in why(run, "c")["generations"]] == [True, False]
    assert "not labeled yet" in describe(why(run, "c"))
    assert why(run, "b")["generations"][1]["verdict"] is None
    assert "not judged yet" in describe(why(run, "b"))


def test_an_unknown_id_is_refused_with_the_nearest_ones(run: Path) -> None:
    path = run / "gen1/1-labels/part-00000.parquet"
    pl.read_parquet(path).with_columns(id=pl.Series(["spk1-0001", "spk1-0002"])).write_parquet(path)
    with pytest.raises(StoreError, match=r"no utterance 'spk1-001' in the pool or in dev; .* are spk1-0001, spk1-0002"):
        why(run, "spk1-001")


def test_a_run_without_labels_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="nothing has been labeled yet"):
        why(make_run(tmp_path / "run", errors=(40,)), "a")


def test_a_damaged_table_is_named(run: Path) -> None:
    (run / "gen1/1-labels/part-00000.parquet").write_bytes(b"PAR1 cut short")
    with pytest.raises(StoreError, match=r"gen1/1-labels: damaged"):
        why(run, "c")


def row(**values: Any) -> pl.DataFrame:
    """One row of a label table."""
    facts = {"id": "a", "size": 2.0, "label": "one two", "tokens": [1, 2], "logprob": -1.0} | values
    return whole(pl.DataFrame({name: [value] for name, value in facts.items()}))


@pytest.mark.parametrize(
    ("rule", "plan", "values", "failed"),
    [
        ("rate", {"rate": {"low": 2.0, "high": 9.0}}, {}, ("rate.low", "tokens_per_second", 1.0, 2.0, "more")),
        ("words", {"words": {"high": 0.5}}, {}, ("words.high", "words_per_second", 1.0, 0.5, "less")),
        ("confidence", {"confidence": 0.75}, {"confidence": 0.5}, ("confidence", "confidence", 0.5, 0.75, "more")),
        (
            "confidence",
            {"confidence_below": 0.5},
            {"confidence": 1.0},
            ("confidence_below", "confidence", 1.0, 0.5, "less"),
        ),
        ("least", {"least": {"margin": 3.0}}, {"margin": 1.0}, ("least.margin", "margin", 1.0, 3.0, "more")),
        ("unspoken", {"unspoken": 1.0}, {"unspoken": 2.5}, ("unspoken", "unspoken", 2.5, 1.0, "less")),
        ("agreement", {"agreement": 0.5}, {}, ("agreement", "agreement", None, 0.5, "more")),
        ("score", {"score": 0.0}, {"normalised_score": -math.inf}, ("score", "normalised_score", "-inf", 0.0, "more")),
    ],
)
def test_each_rule_with_a_cut_off_tells_measure_value_and_cut_off(
    run: Path, rule: str, plan: dict[str, Any], values: dict[str, Any], failed: tuple[Any, ...]
) -> None:
    plan_filters(run, plan)
    (found,) = reason(run, 1, rule, row(**values))["failed"]
    assert tuple(found[name] for name in ("key", "measure", "value", "cutoff", "asks_for")) == failed


@pytest.mark.parametrize(
    ("rule", "plan", "values", "note"),
    [
        ("empty", {}, {"label": ""}, "it has no text, or no tokens"),
        ("finite", {}, {"logprob": -math.inf}, "its logprob (-inf) or its score (None) is not a finite number"),
        ("repeat", {"repeat": {}}, {}, "4 words come back 2 times, or one stands 4 times in a row"),
        (
            "top",
            {"top": {"share": 0.3}},
            {"normalised_score": 0.5},
            "its normalised_score (0.5) is not among the best 30",
        ),
    ],
)
def test_each_rule_without_a_cut_off_says_what_it_looks_for(
    run: Path, rule: str, plan: dict[str, Any], values: dict[str, Any], note: str
) -> None:
    plan_filters(run, plan)
    assert reason(run, 1, rule, row(**values))["note"].startswith(note)


def test_a_target_error_tells_the_cut_off_that_was_found_on_dev(run: Path) -> None:
    plan_filters(run, {"target_error": 0.05})
    cut = {"by": "calibrated", "least": -0.125, "rate": 0.048, "coverage": 0.5}
    write(run / "gen1/2-waterfall.json", {"waterfall": [], "cut": cut})
    found = reason(run, 1, "target_error", row(expected_error=0.25))
    failed = {"key": "target_error", "measure": "calibrated", "value": -0.25, "cutoff": -0.125, "asks_for": "more"}
    assert found["failed"] == [failed]
    assert "error rate of 0.05 or less" in found["note"]


def test_a_plan_that_does_not_say_the_cut_off_leaves_the_rule(run: Path) -> None:
    for filters in ([], [{"no such rule": 1}]):
        plan_filters(run, *filters)
        assert "rejected by score: its cut-off is not in the plan" in describe(why(run, "a"))


def test_alternatives_and_the_label_without_a_language_model_are_shown(run: Path) -> None:
    path = run / "gen1/1-labels/part-00001.parquet"
    more = {"label_without_lm": ["for"], "alternatives": [["four", "fore"]], "margin": [2.5], "lm_distance": [0.25]}
    columns = {name: pl.Series(value, dtype=SCHEMA[name]) for name, value in more.items()}
    pl.read_parquet(path).with_columns(**columns).write_parquet(path)
    (run / "gen1/1-labels/part-00000.parquet").unlink()
    (run / "gen1/2-verdicts.parquet").unlink()
    (run / "gen1/3-copies.parquet").unlink()
    first = why(run, "c")["generations"][0]
    assert first["alternatives"] == ["four", "fore"]
    assert (first["scores"]["margin"], first["scores"]["lm_agreement"]) == (2.5, -0.25)
    text = describe(why(run, "c"))
    assert "  without the language model: for\n  teacher 1: four\n  teacher 2: fore\n" in text


def test_the_loop_fills_the_ledger_of_pool_and_dev_in_the_words_of_images(tmp_path: Path) -> None:
    parts, _, truth = toy.corpus()
    images = Terms("top-1 error", "images", 1.0, "image", "label", "scene", False)
    plan = toy.plan(generation={"filter": {"confidence": 0.8}})
    run = open_run(tmp_path, plan, {"labeled": parts.labeled, "unlabeled": parts.unlabeled}, images)
    noisy_student(toy.Toy(), parts, plan, run)
    verdicts = pl.read_parquet(tmp_path / "gen1/2-verdicts.parquet")["verdict"]
    place = verdicts.cast(pl.String).to_list().index("confidence")
    known = dict(truth.rows.iter_rows())[f"pool{place}"]
    found = why(tmp_path, f"pool{place}", known)
    assert found["generations"][0]["label"] in toy.NAMES
    assert found["generations"][0]["copies"] == 0
    assert found["generations"][0]["teacher"]["hash"] == (tmp_path / "gen0/student/HASH").read_text().strip()
    text = describe(found, images)
    assert text.startswith(f"image pool{place} (unlabeled)\ntruth: {known}\n")
    assert "rejected by confidence: confidence 0." in text
    assert "where confidence = 0.8 asks for more" in text
    assert "words_per_second" not in text
    dev = why(tmp_path, "dev3")
    assert dev["set"] == "dev"
    assert dev["generations"][0]["verdict"] is None
    assert "judged" not in describe(dev, images)


def test_the_verb_prints_text_or_json_and_reads_the_truth(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = tmp_path / "truth.tsv"
    truth.write_text("id\ttext\na\tone two\nx\tthree\n")
    words = ["why", str(run), "a", "--truth", str(truth)]
    assert cli.main(words) == 0
    assert "WER: 50.00 %" in capsys.readouterr().out
    assert cli.main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == why(run, "a", "one two")
    assert cli.main(["why", str(run), "b", "--truth", str(truth)]) == 0
    assert "does not have this utterance" in capsys.readouterr().out
    assert cli.main(["why", str(run), "ab"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
