"""Alignment: unit costs, the tie-break, and totals equal to an independent tool's."""

import random

import jiwer
import numpy as np
import pytest

from nst_asr.align import align_counts, aligned


def pairs(number: int, seed: int, words: int = 4, longest: int = 8) -> tuple[list[str], list[str]]:
    """Random texts of few different words, some of them empty."""
    draw = random.Random(seed)
    texts = [" ".join(f"w{draw.randrange(words)}" for _ in range(draw.randint(0, longest))) for _ in range(2 * number)]
    return texts[:number], texts[number:]


def test_one_of_each_error_is_counted() -> None:
    counts = align_counts(["one two three four"], ["one too three three four"])
    assert counts.tolist() == [[1, 0, 1, 4]]
    assert align_counts(["one two three"], ["one three"]).tolist() == [[0, 1, 0, 3]]


def test_an_empty_reference_counts_insertions_and_an_empty_hypothesis_deletions() -> None:
    assert align_counts(["", "one two", "  "], ["one two", "", ""]).tolist() == [
        [0, 0, 2, 0],
        [0, 2, 0, 2],
        [0, 0, 0, 0],
    ]


def test_a_batch_of_nothing_has_no_rows() -> None:
    assert align_counts([], []).shape == (0, 4)
    assert align_counts([""], [""], "character").tolist() == [[0, 0, 0, 0]]


def test_different_numbers_of_references_and_hypotheses_are_refused() -> None:
    with pytest.raises(ValueError, match="2 references but 1 hypotheses"):
        align_counts(["a", "b"], ["a"])


def test_word_totals_are_those_of_jiwer_on_thousands_of_pairs() -> None:
    references, hypotheses = pairs(3000, 0)
    ours = align_counts(references, hypotheses)
    for counts, reference, hypothesis in zip(ours, references, hypotheses, strict=True):
        theirs = jiwer.process_words(reference, hypothesis)
        assert counts[:3].sum() == theirs.substitutions + theirs.deletions + theirs.insertions
        assert counts[3] == len(theirs.references[0])


def test_character_totals_are_those_of_jiwer() -> None:
    references, hypotheses = pairs(300, 1)
    ours = align_counts(references, hypotheses, "character")
    theirs = jiwer.process_characters(references, hypotheses)
    assert ours[:, :3].sum() == theirs.substitutions + theirs.deletions + theirs.insertions
    assert ours[:, 3].sum() == sum(map(len, references))


def test_characters_outside_ascii_count_once_each() -> None:
    assert align_counts(["naïve 😀"], ["naive 😀"], "character").tolist() == [[1, 0, 0, 7]]


def test_runs_of_whitespace_make_no_difference() -> None:
    assert align_counts(["one two"], [" one\t\n two "]).tolist() == [[0, 0, 0, 2]]
    assert align_counts(["one two"], [" one\t\n two "], "character").tolist() == [[0, 0, 0, 7]]


def test_a_tie_prefers_substitution_then_deletion_then_insertion_from_the_end() -> None:
    # "a b" against "b c" costs two: either two substitutions, or a deletion, a match and an insertion
    assert align_counts(["a b"], ["b c"]).tolist() == [[2, 0, 0, 2]]
    # "a a" against "a": going back from the end the last a matches, the first is deleted
    assert [step.operation for step in aligned("a a", "a")] == ["deletion", "match"]


def test_the_operations_of_a_pair_add_up_to_its_counts() -> None:
    references, hypotheses = pairs(300, 2)
    for reference, hypothesis, counts in zip(references, hypotheses, align_counts(references, hypotheses), strict=True):
        steps = aligned(reference, hypothesis)
        names = [step.operation for step in steps]
        assert [names.count(name) for name in ("substitution", "deletion", "insertion")] == counts[:3].tolist()
        assert [step.reference for step in steps if step.reference is not None] == reference.split()
        assert [step.hypothesis for step in steps if step.hypothesis is not None] == hypothesis.split()


def test_swapping_the_sides_swaps_deletions_and_insertions_in_number() -> None:
    references, hypotheses = pairs(500, 3)
    there, back = align_counts(references, hypotheses), align_counts(hypotheses, references)
    np.testing.assert_array_equal(there[:, :3].sum(1), back[:, :3].sum(1))
    np.testing.assert_array_equal(there[:, 1] - there[:, 2], back[:, 2] - back[:, 1])


def test_a_pair_is_counted_the_same_whatever_stands_beside_it() -> None:
    references, hypotheses = pairs(200, 4)
    order = np.random.default_rng(0).permutation(200)
    together = align_counts(references, hypotheses)
    shuffled = align_counts([references[i] for i in order], [hypotheses[i] for i in order])
    np.testing.assert_array_equal(together[order], shuffled)
