"""What changed between two generations' labels, with numbers worked by hand."""

import json
import random
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from simulated_run import TRUTH, make_run, write

from nst_asr import cli, side_by_side
from nst_asr.align import align_counts, aligned
from nst_asr.aligned import changed_words, edits
from nst_asr.changes import changes
from nst_asr.changes_text import describe
from nst_asr.corpus import Truth
from nst_asr.store import StoreError
from nst_asr.terms import Terms


def relabel(run: Path, labels: list[str], verdicts: list[str]) -> Path:
    """The run with these labels and verdicts of a, b and c (0.5, 1 and 2 hours) in generation 2."""
    for part, texts in (("00000", labels[:2]), ("00001", labels[2:])):
        path = run / f"gen2/1-labels/part-{part}.parquet"
        pl.read_parquet(path).with_columns(label=pl.Series(texts)).write_parquet(path)
    path = run / "gen2/2-verdicts.parquet"
    pl.read_parquet(path).with_columns(verdict=pl.Series(verdicts)).write_parquet(path)
    return run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Generation 1 keeps b and c and rejects a by score; generation 2 keeps a and c, and rejects b by rate.

    Labels: a "one too" -> "one two", b "three" -> "three three", c "four" -> "four". All of generation 2's a and c are
    right, its b has an insertion; of generation 1's labels a has a substitution.
    """
    return relabel(make_run(tmp_path / "run"), ["one two", "three three", "four"], ["kept", "rate", "kept"])


def test_hours_kept_in_each_and_in_both(run: Path) -> None:
    found = changes(run, 1, 2).to_json()
    assert (found["rows"], found["hours"]) == (3, 3.5)
    assert found["from"] == {"generation": 1, "teacher": 0, "kept": {"rows": 2, "hours": 3.0}}
    assert found["to"] == {"generation": 2, "teacher": 1, "kept": {"rows": 2, "hours": 2.5}}
    assert found["kept_in_both"] == {"rows": 1, "hours": 2.0}


def test_shares_of_changed_labels(run: Path) -> None:
    found = changes(run, 1, 2).to_json()
    assert found["changed"] == {"rows": 2, "hours": 1.5, "share": pytest.approx(2 / 3)}
    assert found["changed_of_kept_in_both"]["share"] == 0.0


def test_the_distance_is_pooled_over_the_words_and_characters_of_the_older_labels(run: Path) -> None:
    found = changes(run, 1, 2).to_json()
    # one substitution and one insertion in four words; "o" -> "w" and " three" (6) in 7 + 5 + 4 characters
    assert (found["distance"]["errors"], found["distance"]["words"], found["distance"]["rate"]) == (2, 4, 0.5)
    assert found["distance"]["characters"] == {"errors": 7, "characters": 16, "rate": pytest.approx(7 / 16)}
    assert found["distance_of_kept_in_both"]["rate"] == 0.0


def test_what_changed_sides_is_told_with_the_rule_that_rejects(run: Path) -> None:
    found = changes(run, 1, 2).to_json()
    rules = [{"rule": "rate", "rows": 1, "hours": 1.0}]
    assert found["kept_to_rejected"] == {"rows": 1, "hours": 1.0, "rules": rules}
    assert found["rejected_to_kept"]["rules"] == [{"rule": "score", "rows": 1, "hours": 0.5}]


def test_words_that_changed_vanished_and_appeared(run: Path) -> None:
    found = changes(run, 1, 2).to_json()
    assert found["changed_words"] == [
        {"before": "too", "after": "two", "count": 1},
        {"before": None, "after": "three", "count": 1},
    ]
    assert found["vanished"] == {"kinds": 1, "words": [{"word": "too", "count": 1}]}
    assert found["appeared"] == {"kinds": 1, "words": [{"word": "two", "count": 1}]}


def test_by_the_truth_errors_of_all_kept_and_changed_labels(run: Path) -> None:
    found = changes(run, 1, 2, TRUTH).to_json()["label_error"]
    assert found["known"] == 3
    counts = {
        name: [(rates[side]["errors"], rates[side]["words"]) for side in ("from", "to")]
        for name, rates in found.items()
        if name != "known"
    }
    assert counts == {
        "all": [(1, 4), (1, 4)],
        "kept": [(0, 2), (0, 3)],
        "changed": [(1, 3), (1, 3)],
        "kept_to_rejected": [(0, 1), (1, 1)],
        "rejected_to_kept": [(1, 2), (0, 2)],
    }


def test_the_truth_may_know_some_ids_only_or_none(run: Path) -> None:
    some = Truth(pl.DataFrame({"id": ["b"], "label": ["three"]}))
    found = changes(run, 1, 2, some).to_json()["label_error"]
    assert (found["known"], found["all"]["to"]["rate"]) == (1, 1.0)
    none = Truth(pl.DataFrame({"id": ["x"], "label": ["three"]}))
    assert changes(run, 1, 2, none).to_json()["label_error"] is None


def test_backwards_the_same_changes_are_found_the_other_way_round(run: Path) -> None:
    there, back = changes(run, 1, 2).to_json(), changes(run, 2, 1).to_json()
    assert back["kept_to_rejected"]["rows"] == there["rejected_to_kept"]["rows"]
    assert back["vanished"] == there["appeared"]
    assert back["distance"]["errors"] == there["distance"]["errors"]


def test_one_row_at_a_time_gives_what_the_whole_gives(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = changes(run, 1, 2, TRUTH).to_json()
    for place in range(2):  # every part holds one row
        folder = run / f"gen{place + 1}/1-labels"
        rows = pl.read_parquet(sorted(folder.glob("*.parquet")))
        for index in range(3):
            rows[index : index + 1].write_parquet(folder / f"part-{index:05d}.parquet")
    monkeypatch.setattr(side_by_side, "_PIECE", 1)
    assert changes(run, 1, 2, TRUTH).to_json() == whole


@pytest.mark.parametrize("seed", range(20))
def test_changed_words_are_those_of_the_alignment_pair_by_pair(seed: int) -> None:
    draw = random.Random(seed)
    before, after = ([" ".join(draw.choices("abcd", k=draw.randrange(7))) for _ in range(30)] for _ in range(2))
    expected: dict[tuple[str | None, str | None], int] = {}
    for left, right in zip(before, after, strict=True):
        for step in aligned(left, right):
            if step.operation != "match":
                pair = (step.reference, step.hypothesis)
                expected[pair] = expected.get(pair, 0) + 1
    found = changed_words(before, after)
    assert {(left, right): count for left, right, count in found.iter_rows()} == expected
    assert found["count"].sum() == align_counts(before, after)[:, :3].sum()
    assert np.all(np.diff(found["count"].to_numpy()) <= 0)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("letters", "longest"), [("ab", 7), ("abcdefgh", 40)])
def test_edits_are_the_errors_of_the_alignment(seed: int, letters: str, longest: int) -> None:
    draw = random.Random(seed)
    before = ["".join(draw.choices(letters, k=draw.randrange(longest))) for _ in range(100)]
    after = ["".join(draw.choices(letters, k=draw.randrange(longest))) for _ in range(50)]
    # half of them are near: some letters are others, some are gone
    after += ["".join(draw.choice((letter, letter, letter, "", "a")) for letter in text) for text in before[50:]]
    expected = align_counts(before, after, "character")[:, :3].sum(1)
    assert edits(before, after, "character").tolist() == expected.tolist()


def test_texts_before_and_after_are_pairs() -> None:
    with pytest.raises(ValueError, match="1 texts before but 2 after"):
        changed_words(["a"], ["a", "b"])


def test_the_text_says_it_in_the_words_of_the_task(run: Path) -> None:
    found = changes(run, 1, 2, TRUTH).to_json()
    text = describe(found)
    for line in (
        "generation 1 -> 2 (labeled by generation 0 -> 1): 3 utterances, 3.50 hours",
        "kept: 2 utterances, 3.00 hours -> 2 utterances, 2.50 hours; in both: 1 utterances, 2.00 hours",
        "changed labels: 66.67 % of all, 0.00 % of those kept in both",
        "WER 50.00 %, CER 43.75 %",
        "kept -> rejected: 1 utterances, 1.00 hours (by rate 1)",
        "rejected -> kept: 1 utterances, 0.500 hours (before, by score 1)",
        "  kept_to_rejected".replace("_to_", " -> ") + "          0.00 %      100.00 %",
        "  too -> two  1",
        "words that vanished (in labels of 1, not of 2): 1; too 1",
    ):
        assert line in text
    images = describe(found, Terms(error="top-1 error", amount="images", unit=1.0, example="image", token="label"))
    assert "CER" not in images
    assert "3 images" in images
    assert "hours" not in images


@pytest.mark.parametrize(
    ("numbers", "message"),
    [((1, 3), r"no labels of generation 3 that have been judged; there are those of: 1, 2"), ((1, 1), "name two")],
)
def test_generations_that_are_not_there_are_refused(run: Path, numbers: tuple[int, int], message: str) -> None:
    with pytest.raises(StoreError, match=message):
        changes(run, *numbers)


def test_labels_that_are_not_of_the_same_examples_are_refused(run: Path) -> None:
    path = run / "gen2/1-labels/part-00001.parquet"
    pl.read_parquet(path).with_columns(id=pl.lit("z")).write_parquet(path)
    with pytest.raises(StoreError, match="not the same examples"):
        changes(run, 1, 2)
    path.unlink()
    with pytest.raises(StoreError, match="1 parts, where the other generation has 2"):
        changes(run, 1, 2)


def test_a_damaged_part_is_named(run: Path) -> None:
    (run / "gen2/1-labels/part-00000.parquet").write_bytes(b"PAR1 cut short")
    with pytest.raises(StoreError, match="gen2/1-labels"):
        changes(run, 1, 2)


def test_the_verb_prints_text_or_json(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = tmp_path / "truth.tsv"
    truth.write_text("id\ttext\na\tone two\n")
    words = ["diff", str(run), "--from", "1", "--to", "2", "--truth", str(truth)]
    assert cli.main(words) == 0
    assert "known of 1 utterances" in capsys.readouterr().out
    assert cli.main([*words, "--json", "--top", "1"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["changed_words"]) == 1
    assert found["label_error"]["known"] == 1


def test_the_verb_says_in_a_line_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["diff", str(tmp_path), "--from", "1", "--to", "2"]) == 1
    assert "no run.json in it" in capsys.readouterr().err
    write(tmp_path / "run.json", {"recipe": "digits"})
    assert cli.main(["diff", str(tmp_path), "--from", "1", "--to", "2"]) == 1
    assert "there are those of: none yet" in capsys.readouterr().err
