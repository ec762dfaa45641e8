"""The alignment at both costs is that of the plain recurrence, whatever is left out, packed or cut to be fast."""

import random
from typing import get_args

import numpy as np
import pytest

from nst_asr import align
from nst_asr.align import Costs, Operation, Unit, align_counts, aligned
from nst_asr.aligned import changed_words, edits
from nst_asr.symbols import _hash, symbols

COSTS: tuple[Costs, ...] = get_args(Costs)


def plainly_aligned(left: list[str], right: list[str], costs: Costs) -> list[Operation]:
    """The recurrence over the whole table as the docstring of `align_counts` has it, a cell at a time."""
    substitution, gap = (1, 1) if costs == "unit" else (4, 3)
    cost = np.zeros((len(left) + 1, len(right) + 1), int)
    cost[:, 0], cost[0] = np.arange(len(left) + 1) * gap, np.arange(len(right) + 1) * gap
    for i, j in np.ndindex(len(left), len(right)):
        across = cost[i, j] + substitution * (left[i] != right[j])
        cost[i + 1, j + 1] = min(across, cost[i, j + 1] + gap, cost[i + 1, j] + gap)
    i, j, back = len(left), len(right), list[Operation]()
    while i or j:
        differ = i > 0 < j and left[i - 1] != right[j - 1]
        possible: list[Operation] = []
        if i and j and cost[i, j] == cost[i - 1, j - 1] + substitution * differ:
            possible.append("substitution" if differ else "match")
        gaps: list[Operation] = ["deletion"] if i and cost[i, j] == cost[i - 1, j] + gap else []
        gaps += ["insertion"] if j and cost[i, j] == cost[i, j - 1] + gap else []
        possible += gaps if costs == "unit" else gaps[::-1]
        back.append(possible[0])
        i, j = i - (possible[0] != "insertion"), j - (possible[0] != "deletion")
    return back[::-1]


def random_pair(draw: random.Random, longest: int, letters: str, unit: Unit) -> tuple[str, str]:
    """Two texts, half of the time the second near the first, often with the same beginning and end."""
    between = " " if unit == "word" else ""
    first = draw.choices(letters, k=draw.randint(0, longest))
    second = draw.choices(letters, k=draw.randint(0, longest))
    if draw.random() < 0.5:
        second = [draw.choice([letter] * 6 + ["", draw.choice(letters)]) for letter in first]
    return between.join(first), between.join(second)


@pytest.mark.parametrize("costs", COSTS)
@pytest.mark.parametrize("unit", get_args(Unit))
@pytest.mark.parametrize(
    # one word of 64 cells and less, its very end, and several; 1,024 columns are kept at a time
    ("letters", "shortest", "longest", "number"),
    [("ab", 0, 9, 1500), ("abcd", 0, 30, 200), ("abc", 60, 68, 60), ("abcdefgh", 120, 200, 12), ("abcde", 0, 2600, 2)],
)
def test_counts_and_steps_are_those_of_the_plain_recurrence(
    costs: Costs, unit: Unit, letters: str, shortest: int, longest: int, number: int
) -> None:
    draw = random.Random(longest)
    pairs = [random_pair(draw, longest, letters, unit) for _ in range(number)]
    pairs += [(between(draw, letters, shortest, unit), between(draw, letters, longest, unit)) for _ in range(2)]
    if longest == 2600:  # the last column kept, the first one dropped, and a short text beside a long one
        pairs = [(between(draw, letters, 70, unit), between(draw, letters, size, unit)) for size in (1024, 1025, 2600)]
        pairs += [(right, left) for left, right in pairs]
    counts = align_counts([left for left, _ in pairs], [right for _, right in pairs], unit, costs)
    for (left, right), found in zip(pairs, counts, strict=True):
        sides = symbols_of(left, unit), symbols_of(right, unit)
        expected = plainly_aligned(*sides, costs)
        steps = aligned(left, right, unit, costs)
        assert [step.operation for step in steps] == expected
        assert [step.reference for step in steps if step.reference is not None] == sides[0]
        assert [step.hypothesis for step in steps if step.hypothesis is not None] == sides[1]
        assert found.tolist() == [expected.count(name) for name in get_args(Operation)[1:]] + [len(sides[0])]


def between(draw: random.Random, letters: str, size: int, unit: Unit) -> str:
    return (" " if unit == "word" else "").join(draw.choices(letters, k=size))


def symbols_of(text: str, unit: Unit) -> list[str]:
    return text.split() if unit == "word" else list(text)


def test_sclites_costs_prefer_an_insertion_and_a_deletion_to_two_substitutions() -> None:
    # 8 for two substitutions, 6 for a deletion, a match and an insertion; both are 2 errors at unit costs
    assert align_counts(["a b"], ["b c"]).tolist() == [[2, 0, 0, 2]]
    assert align_counts(["a b"], ["b c"], costs="sclite").tolist() == [[0, 1, 1, 2]]
    # three substitutions cost 12, two deletions and insertions 12: from the end, the diagonal is preferred
    assert align_counts(["a b c"], ["c x y"], costs="sclite").tolist() == [[3, 0, 0, 3]]
    # four substitutions cost 16; with c matched, a substitution and a gap on either side of it cost 14
    assert align_counts(["a b c d"], ["x c y z"], costs="sclite").tolist() == [[2, 1, 1, 4]]


def test_of_a_deletion_and_an_insertion_sclite_has_the_insertion_last() -> None:
    # either a or b can match at a cost of 6; from the end sclite takes the insertion, and what is left matches b
    assert [step.operation for step in aligned("a b", "b a", costs="sclite")] == ["deletion", "match", "insertion"]
    assert [step.operation for step in aligned("a b", "b a")] == ["substitution", "substitution"]


def test_the_errors_at_sclites_costs_are_never_fewer_and_the_costs_never_more() -> None:
    draw = random.Random(4)
    left, right = zip(*(random_pair(draw, 12, "abc", "word") for _ in range(2000)), strict=True)
    unit, sclite = align_counts(left, right), align_counts(left, right, costs="sclite")
    prices = np.array([4, 3, 3])
    assert np.all(sclite[:, :3].sum(1) >= unit[:, :3].sum(1))
    assert np.all(sclite[:, :3] @ prices <= unit[:, :3] @ prices)
    assert np.any(sclite[:, :3].sum(1) > unit[:, :3].sum(1))


def test_unknown_costs_are_refused() -> None:
    with pytest.raises(ValueError, match="no costs 'free': they are unit or sclite"):
        align_counts(["a"], ["b"], costs="free")  # type: ignore[arg-type]


@pytest.mark.parametrize("costs", COSTS)
@pytest.mark.parametrize("unit", get_args(Unit))
def test_counts_do_not_depend_on_how_many_pairs_are_aligned_at_a_time(
    costs: Costs, unit: Unit, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = random.Random(5)
    left, right = zip(*(random_pair(draw, 30, "abcd", unit) for _ in range(1200)), strict=True)
    whole = align_counts(left, right, unit, costs)
    one_by_one = [align_counts([a], [b], unit, costs)[0] for a, b in zip(left[:100], right[:100], strict=True)]
    np.testing.assert_array_equal(whole[:100], one_by_one)
    monkeypatch.setattr(align, "_LETTERS", 50)
    np.testing.assert_array_equal(align_counts(left, right, unit, costs), whole)


def test_pieces_hold_few_pairs_few_letters_and_every_pair_once_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(align, "_LETTERS", 10)
    left = ["a" * size for size in (1, 2, 30, 1, 1, 1, 4)]
    found = list(align.pieces(left, left, 3))
    assert [text for piece, _ in found for text in piece] == left
    assert all(len(piece) <= 3 and (len(piece) == 1 or 2 * sum(map(len, piece)) <= 10) for piece, _ in found)


@pytest.mark.parametrize("costs", COSTS)
def test_changed_words_are_those_of_the_alignment_at_the_same_costs_in_any_pieces(
    costs: Costs, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = random.Random(6)
    before, after = zip(*(random_pair(draw, 9, "abcd", "word") for _ in range(400)), strict=True)
    expected: dict[tuple[str | None, str | None], int] = {}
    for step in (step for pair in zip(before, after, strict=True) for step in aligned(*pair, costs=costs)):
        if step.operation != "match":
            key = (step.reference, step.hypothesis)
            expected[key] = expected.get(key, 0) + 1
    found = changed_words(before, after, costs)
    assert {(left, right): count for left, right, count in found.iter_rows()} == expected
    monkeypatch.setattr("nst_asr.aligned._PAIRS", 7)
    monkeypatch.setattr("nst_asr.aligned._MOST", 20)
    assert changed_words(before, after, costs).equals(found)


def test_changed_words_of_nothing_are_none() -> None:
    assert changed_words([], []).is_empty()
    assert changed_words(["a"], ["a"]).is_empty()
    assert edits([], []).tolist() == []


def test_different_words_have_different_numbers_and_equal_ones_the_same() -> None:
    draw = random.Random(7)
    # around nine letters the numbers are found in another way; NUL, other scripts and long words are hashed
    words = ["".join(draw.choices("ab\0zé語", k=draw.randint(1, 12))) for _ in range(40_000)]
    words += ["a" * size for size in range(1, 300)] + ["\0", "\0a", "a\0", "\x7f", "\x80", "aaaaaaaaa", "aaaaaaaa\x7f"]
    texts = [" ".join(words[start : start + 7]) for start in range(0, len(words), 7)]
    found = symbols(texts, "word")
    split = [word for text in texts for word in text.split(" ")]
    by_word: dict[str, int] = {}
    numbers = [by_word.setdefault(word, len(by_word)) for word in split]
    assert found.numbers.tolist() == numbers
    assert found.ends.tolist() == np.cumsum([len(text.split(" ")) for text in texts]).tolist()
    assert [found.name(number) for number in range(found.kinds)] == list(by_word)


def test_words_with_the_same_hash_are_told_apart() -> None:
    # found by trying 24 million
    first, second = "\u8b0f\u8f93\u627e\u4e00", "\u850c\u6640\u87fd\U000c79fb"
    hashes = [_hash(np.array([ord(letter) for letter in word], np.int32), 0, 4) for word in (first, second)]
    assert hashes[0] == hashes[1]
    assert symbols([first, second, first], "word").numbers.tolist() == [0, 1, 0]
    assert align_counts([first], [second]).tolist() == [[1, 0, 0, 1]]
