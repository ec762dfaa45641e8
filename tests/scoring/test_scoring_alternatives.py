"""References with alternatives: all their readings, and the one that a hypothesis comes closest to."""

from pathlib import Path

import polars as pl
import pytest

from nst_asr.scoring.alternatives import closest, with_alternatives
from nst_asr.scoring.texts import ScoringError
from nst_asr.scoring.trn import read_trn
from tests.scoring.scored import only, refused, scored, write


def readings(tmp_path: Path, text: str) -> list[str]:
    write(tmp_path / "r.trn", f"plain (s-0)\n{text} (s-1)\n")
    rows = with_alternatives(read_trn(tmp_path / "r.trn")).rows
    assert rows["alternatives"][0] is None
    found: list[str] = rows["alternatives"][1].to_list()
    assert rows["text"].to_list() == ["plain", found[0]]
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x { a / b c } y", ["x a y", "x b c y"]),
        ("{a/@}", ["a", ""]),
        ("{ a / { b / c } d } e/f", ["a e/f", "b d e/f", "c d e/f"]),
        ("{ a / b } { c / d }", ["a c", "a d", "b c", "b d"]),
        ("{ a / a }", ["a"]),
    ],
)
def test_all_readings_come_in_the_order_in_which_they_are_written(
    text: str, expected: list[str], tmp_path: Path
) -> None:
    assert readings(tmp_path, text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a { b / c", "without its }"),
        ("a } b", "without its {"),
        (" ".join(["{ a / b }"] * 10), "more than 1000 readings"),
    ],
)
def test_alternatives_that_do_not_close_or_are_too_many_are_named(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ScoringError, match=r"r\.trn, line 2: ") as caught:
        readings(tmp_path, text)
    assert message in str(caught.value)


def test_the_closest_reading_depends_on_the_costs() -> None:
    # against the first: two substitutions, 2 errors or 8; against the second: 3 insertions, 3 errors or 9; the third
    # has 2 insertions and no more: 2 errors or 6
    pairs = pl.DataFrame(
        {"label": ["x y", "q"], "heard": ["a b", "q"], "alternatives": [["x y", "a b c d e"], None]},
        schema_overrides={"alternatives": pl.List(pl.String)},
    )
    assert closest(pairs, "unit").to_list() == ["x y", "q"]
    longer = pairs.with_columns(alternatives=pl.Series([["x y", "a b c d"], None]))
    assert closest(longer, "unit").to_list() == ["x y", "q"]
    assert closest(longer, "sclite").to_list() == ["a b c d", "q"]


def test_each_hypothesis_is_scored_against_its_own_reading(tmp_path: Path) -> None:
    reference = write(tmp_path / "r.trn", "i am { Going to / gonna } go (s-1)\nb (s-2)\n")
    first = write(tmp_path / "a.trn", "i am going to go (s-1)\nc (s-2)\n")
    second = write(tmp_path / "b.trn", "i am gonna go (s-1)\nb (s-2)\n")
    found = scored(tmp_path, reference, first, second, "--normalise", "ignore-case")
    scores = {name: one["score"] for name, one in found["hypotheses"].items()}
    assert [(scores[name]["errors"], scores[name]["words"]) for name in (first, second)] == [(1, 6), (0, 5)]
    assert "closest reading" in found["reference"]["notes"][0]
    (comparison,) = found["comparisons"]
    assert comparison["bootstrap"]["difference"] == pytest.approx(-1 / 6)
    assert comparison["matched_pairs"] is None
    assert "different readings" in comparison["matched_pairs_reason"]


def test_alternatives_in_a_hypothesis_are_refused_by_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = write(tmp_path / "r.trn", "a (s-1)\n"), write(tmp_path / "h.trn", "{a/b} (s-1)\n")
    assert "h.trn, line 1: alternatives in a hypothesis (s-1)" in refused(capsys, *files)


def test_braces_are_words_in_a_format_that_has_no_alternatives(tmp_path: Path) -> None:
    files = write(tmp_path / "r", "u1 { a / b }\n"), write(tmp_path / "h", "u1 a\n")
    assert only(scored(tmp_path, *files))["score"]["words"] == 5
