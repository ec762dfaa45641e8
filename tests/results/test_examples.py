"""Labels for a person to look at: which are chosen, and what is told of them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from simulated_run import TRUTH, make_run, write

from nst_asr import results, side_by_side
from nst_asr.corpus import Truth
from nst_asr.labels import SCHEMA
from nst_asr.results.chosen import KINDS
from nst_asr.results.examples import difference, examples, pieces_of

EACH = 4


def label_pool(run: Path, number: int, rows: list[dict[str, Any]], part: int = 100) -> Path:
    """A generation's labels in place of those it has, `part` rows in a part; rows: id, and what is not the default."""
    folder = run / f"gen{number}"
    default = {"label": "one two", "size": 2.0, "verdict": "kept", "normalised_score": 0.0, "copies": 1}
    table = pl.DataFrame([default | {"confidence": 0.5, "expected_error": None} | row for row in rows])
    for path in (folder / "1-labels").iterdir():
        path.unlink()
    columns = [name for name in SCHEMA if name in table.columns]
    for place, start in enumerate(range(0, len(table), part)):
        labels = table.slice(start, part).select(columns).cast({name: SCHEMA[name] for name in columns})
        labels.write_parquet(folder / f"1-labels/part-{place:05d}.parquet")
    verdict = pl.col("verdict").cast(pl.Enum(["kept", "empty", "score"]))
    sides = table.select(verdict, pl.col("normalised_score", "expected_error").cast(pl.Float32))
    sides.write_parquet(folder / "2-verdicts.parquet")
    table.select("copies", weight=pl.lit(1.0)).write_parquet(folder / "3-copies.parquet")
    return run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "run")


def ids(found: dict[str, Any], kind: str) -> list[str]:
    return [entry["id"] for entry in found[kind]]


def test_each_kind_begins_at_its_end_and_equals_are_in_the_order_of_ids(run: Path) -> None:
    kept = [{"id": f"k{place}", "normalised_score": [3, 1, 2, 2, 5, 4, 0, 1, -1, 6][place] / 1} for place in range(10)]
    lost = [{"id": f"r{place}", "normalised_score": -float(place), "verdict": "score"} for place in range(12)]
    found = examples(label_pool(run, 1, [*kept[::-1], *lost]), 1, 0)
    assert ids(found, "surest_kept") == ["k9", "k4", "k5", "k0"]
    assert ids(found, "least_sure_kept") == ["k8", "k6", "k1", "k7"]
    assert ids(found, "surest_rejected") == ["r0", "r1", "r2", "r3"]
    assert ids(found, "least_sure_rejected") == ["r11", "r10", "r9", "r8"]
    assert found["by"] == ["normalised_score", "confidence"]
    assert found["most_changed"] is None


def test_no_label_is_of_two_kinds_where_there_are_few(run: Path) -> None:
    kept = [{"id": f"k{place}", "normalised_score": float(place)} for place in range(6)]
    found = examples(label_pool(run, 1, kept), 1, 0)
    assert ids(found, "surest_kept") == ["k5", "k4", "k3", "k2"]
    assert ids(found, "least_sure_kept") == ["k0", "k1"]
    assert found["surest_rejected"] == found["least_sure_rejected"] == []


def test_labels_without_a_score_come_last_at_either_end(run: Path) -> None:
    blank = {"normalised_score": None, "confidence": None, "label": "", "verdict": "empty"}
    rows = [{"id": "a", **blank}] + [{"id": name, "verdict": "score"} for name in ("b", "c", "d", "e", "f")]
    found = examples(label_pool(run, 1, rows), 1, 0)
    assert ids(found, "surest_rejected") == ["b", "c", "d", "e"]
    assert ids(found, "least_sure_rejected") == ["f", "a"]
    assert found["least_sure_rejected"][1]["normalised_score"] is None


def test_calibration_comes_before_the_score_and_the_score_before_confidence(run: Path) -> None:
    rows = [{"id": "a", "expected_error": 0.5, "normalised_score": 2.0}, {"id": "b", "expected_error": 0.1}]
    found = examples(label_pool(run, 1, rows), 1, 0)
    assert ids(found, "surest_kept") == ["b", "a"]
    assert found["by"] == ["calibrated", "normalised_score", "confidence"]
    rows = [{"id": name, "normalised_score": None, "confidence": sure} for name, sure in (("a", 0.1), ("b", 0.9))]
    found = examples(label_pool(run, 1, rows), 1, 0)
    assert (ids(found, "surest_kept"), found["by"]) == (["b", "a"], ["confidence"])


def random_pool(count: int, seed: int) -> list[dict[str, Any]]:
    draw = np.random.default_rng(seed)
    return [
        {
            "id": f"u{place:03d}",
            "normalised_score": round(float(draw.normal()), 1),  # many are equal
            "confidence": 0.5,
            "verdict": ["kept", "score"][draw.integers(2)],
            "label": " ".join(draw.choice(["one", "two", "three"], draw.integers(1, 6))),
        }
        for place in draw.permutation(count)
    ]


@pytest.mark.parametrize(("part", "together"), [(1000, 50_000), (7, 50_000), (7, 20), (50, 100)])
def test_the_choice_is_that_of_sorting_all_of_it_however_the_pool_is_cut(
    run: Path, monkeypatch: pytest.MonkeyPatch, part: int, together: int
) -> None:
    monkeypatch.setattr(side_by_side, "_PIECE", together)
    old, new = random_pool(300, 1), random_pool(300, 2)
    by_id = {row["id"]: row for row in new}
    new = [by_id[row["id"]] for row in old]
    label_pool(run, 1, old, part)
    label_pool(run, 2, new, part)
    found = examples(run, 2, 1)
    for kind in KINDS:
        side = [row for row in new if (row["verdict"] == "kept") == kind.endswith("_kept")]
        sign = 1 if kind.startswith("least") else -1
        side.sort(key=lambda row: (sign * row["normalised_score"], row["id"]))
        assert ids(found, kind) == [row["id"] for row in side[:EACH]]
    apart = {row["id"]: far(row["label"].split(), by_id[row["id"]]["label"].split()) for row in old}
    new.sort(key=lambda row: (-apart[row["id"]], -row["normalised_score"], row["id"]))
    assert ids(found, "most_changed") == [row["id"] for row in new[:EACH]]
    assert [each["before"]["edits"] for each in found["most_changed"]] == [apart[row["id"]] for row in new[:EACH]]


def far(left: list[str], right: list[str]) -> int:
    """The Levenshtein distance of two lists of words, by its definition."""
    row = list(range(len(right) + 1))
    for i, word in enumerate(left, 1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(right, 1):
            diagonal, row[j] = row[j], min(diagonal + (word != other), row[j] + 1, row[j - 1] + 1)
    return row[-1]


def test_what_changed_has_the_old_label_its_verdict_and_the_difference(run: Path) -> None:
    label_pool(run, 1, [{"id": "a", "label": "one two three", "verdict": "score"}, {"id": "b"}])
    label_pool(run, 2, [{"id": "a", "label": "one too three four"}, {"id": "b"}])
    (changed,) = examples(run, 2, 1)["most_changed"]
    assert (changed["id"], changed["label"], changed["verdict"]) == ("a", "one too three four", "kept")
    assert changed["before"] == {
        **{"generation": 1, "label": "one two three", "verdict": "score", "edits": 2},
        "difference": [["one", "one"], ["two", "too"], ["three", "three"], [None, "four"]],
    }


def test_labels_of_another_pool_are_not_compared_and_it_is_said_why(run: Path) -> None:
    label_pool(run, 1, [{"id": "a"}, {"id": "b"}])
    label_pool(run, 2, [{"id": "b"}, {"id": "a"}])
    found = examples(run, 2, 1)
    assert found["most_changed"] is None
    assert "not the same examples in the same order" in found["note"]
    assert ids(found, "surest_kept") == ["a", "b"]


def test_a_rejected_label_says_the_rule_with_its_numbers_and_a_kept_one_its_copies(run: Path) -> None:
    (run / "plan.yaml").write_text(json.dumps({"recipe": "digits", "generations": [{"filter": {"score": 0.0}}] * 2}))
    found = examples(run, 1, 0)
    (lost,) = found["surest_rejected"]
    assert lost["reason"] == "score: normalised_score -1.5, where score = 0 asks for more"
    assert [(each["reason"], each["copies"]) for each in found["surest_kept"]] == [(None, 2), (None, 1)]


def test_with_a_truth_there_are_errors_and_the_difference(run: Path) -> None:
    found = examples(run, 1, 0, TRUTH)
    (lost,) = found["surest_rejected"]
    assert (lost["truth"], lost["errors"]) == ("one two", {"errors": 1, "words": 2, "rate": 0.5})
    assert lost["difference"] == [["one", "one"], ["two", "too"]]
    right = found["surest_kept"][0]
    assert (right["truth"], right["errors"]["errors"], right["difference"]) == ("four", 0, None)


def test_an_id_that_the_truth_does_not_know_has_none(run: Path) -> None:
    found = examples(run, 1, 0, Truth(pl.DataFrame({"id": ["a"], "label": [""]})))
    assert [each["truth"] for each in found["surest_kept"]] == [None, None]
    assert [each["errors"] for each in found["surest_kept"]] == [None, None]
    assert found["surest_rejected"][0]["errors"] == {"errors": 2, "words": 0, "rate": 2.0}


def test_a_truth_that_was_known_once_is_known_again(run: Path) -> None:
    assert examples(run, 1, 0)["surest_kept"][0]["truth"] is None
    known = results.write(run, TRUTH)
    assert results.write(run) == known
    assert known["generations"][1]["examples"]["surest_kept"][0]["truth"] == "four"


def test_the_teachers_units_spell_the_label_with_their_confidence(run: Path) -> None:
    write(run / "gen0/student/tokenizer.json", {"kind": "unigram", "names": ["<blank>", "\u2581on", "e", "\u2581two"]})
    rows = [{"id": "a", "tokens": [1, 2, 3], "token_confidence": [0.875, 0.5, 0.25]}]
    (found,) = examples(label_pool(run, 1, rows), 1, 0)["surest_kept"]
    assert [(each["text"], each["confidence"]) for each in found["pieces"]] == [
        (" on", 0.875),
        ("e", 0.5),
        (" two", 0.25),
    ]


@pytest.mark.parametrize(
    ("units", "tokens", "sure", "label"),
    [
        (["", "on", "e"], [1, 2], None, "one"),  # no confidences
        (["", "on", "e"], [1, 2], [0.5], "one"),  # not one for each
        (["", "on", "a"], [1, 2], [0.5, 0.5], "one"),  # another teacher's units
        (["", "on"], [1, 2], [0.5, 0.5], "one"),  # too few of them
        ([], [3], [0.5], "frog"),  # an image: there is no tokenizer
        (["", "on", "e"], [], [], ""),
    ],
)
def test_without_units_that_spell_it_a_label_has_no_pieces(
    units: list[str], tokens: list[int], sure: list[float] | None, label: str
) -> None:
    assert pieces_of(units, tokens, sure, label) is None


def test_characters_and_words_are_spelled_too() -> None:
    letters = pieces_of(["", "a", "b", "\u2581"], [1, 3, 2], [0.1, 0.2, 0.3], "a b")
    assert letters is not None
    assert "".join(piece["text"] for piece in letters) == "a b"
    words = pieces_of(["", "one", "two"], [2, 1], [0.1, 0.2], "two one")
    assert words == [{"text": " two", "confidence": 0.1}, {"text": " one", "confidence": 0.2}]


def test_a_number_that_json_does_not_have_is_null(run: Path) -> None:
    rows = [{"id": "a", "normalised_score": float("-inf")}, {"id": "b", "confidence": float("nan")}]
    found = examples(label_pool(run, 1, rows), 1, 0)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert ids(found, "surest_kept") == ["b", "a"]
    assert [each["normalised_score"] for each in found["surest_kept"]] == [0.0, None]


def test_a_text_that_nobody_reads_is_cut_and_not_aligned(run: Path) -> None:
    label = "word " * 1000
    truth = Truth(pl.DataFrame({"id": ["a"], "label": [label + "more"]}))
    (found,) = examples(label_pool(run, 1, [{"id": "a", "label": label.strip()}]), 1, 0, truth)["surest_kept"]
    assert len(found["label"]) < 2100
    assert found["label"].endswith(" ...")
    assert (found["errors"]["errors"], found["errors"]["words"], found["difference"]) == (1, 1001, None)
    assert difference("a " * 300, "b " * 300) is not None
    assert difference("a " * 500, "b " * 500) is None


def test_generation_0_has_no_examples(run: Path) -> None:
    assert [bool(entry["examples"]) for entry in results.collect(run)["generations"]] == [False, True, True]
