"""Alignment: unit costs, the tie-break, and totals equal to an independent tool's."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import jiwer
import numpy as np
import polars as pl
import pytest

from nst_asr.align import align_counts, aligned

# the tables whose last column is `text`, in a folder that README.md speaks of
EXCERPT = [
    lines
    for table in sorted(Path(os.environ.get("NST_ASR_DATA", "nowhere")).glob("librispeech/*.tsv"))
    if (lines := table.read_text(encoding="utf-8").splitlines())[0].endswith("\ttext")
]


def pairs(number: int, seed: int, words: int = 4, longest: int = 8) -> tuple[list[str], list[str]]:
    """Random texts of few different words, some of them empty."""
    draw = random.Random(seed)
    texts = [" ".join(f"w{draw.randrange(words)}" for _ in range(draw.randint(0, longest))) for _ in range(2 * number)]
    return texts[:number], texts[number:]


def damaged(texts: list[str], seed: int) -> list[str]:
    """The texts with about a word in five gone, replaced or followed by another."""
    draw = random.Random(seed)
    words = ["the", "a", "ONE", "Öl", "naïve", "語", "😀", "hm"]
    changes: list[Callable[[str], str]] = [
        lambda word: "",
        lambda word: draw.choice(words),
        lambda word: f"{word} {draw.choice(words)}",
        *[lambda word: word] * 12,
    ]
    return [" ".join(draw.choice(changes)(word) for word in text.split()) for text in texts]


def unicode_pairs(number: int, seed: int) -> tuple[list[str], list[str]]:
    """Random texts of many scripts, a few of them empty, with spaces around and in rows; half of the pairs are near."""
    draw = random.Random(seed)
    words = [
        "a",
        "A",
        "e\u0301",
        "\u00e9",
        "Straße",
        "STRASSE",
        "語",
        "語語",
        "😀",
        "שלום",
        "don't",
        "x-y",
        "thirteenletters",
    ]
    texts = [
        draw.choice(("", " ")) + draw.choice((" ", "  ")).join(draw.choices(words, k=draw.randrange(25)))
        for _ in range(3 * number // 2)
    ]
    return texts[:number], texts[number:] + damaged(texts[: number - number // 2], seed)


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


def errors_by_jiwer(found: jiwer.WordOutput | jiwer.CharacterOutput) -> list[int]:
    """The errors of each pair: of its chunks that do not match, the longer side."""
    return [
        sum(
            max(chunk.ref_end_idx - chunk.ref_start_idx, chunk.hyp_end_idx - chunk.hyp_start_idx)
            for chunk in chunks
            if chunk.type != "equal"
        )
        for chunks in found.alignments
    ]


def test_totals_are_those_of_jiwer_on_ten_thousand_pairs() -> None:
    references, hypotheses = unicode_pairs(10_000, 0)
    assert references.count("") > 100 < hypotheses.count("")
    ours, theirs = align_counts(references, hypotheses), jiwer.process_words(references, hypotheses)
    assert ours[:, :3].sum(1).tolist() == errors_by_jiwer(theirs)
    assert ours[:, 3].tolist() == [len(text) for text in theirs.references]


def test_character_totals_are_those_of_jiwer_on_ten_thousand_pairs() -> None:
    # it counts every blank of a row, so there are single ones only
    references, hypotheses = ([" ".join(text.split()) for text in side] for side in unicode_pairs(10_000, 1))
    ours, theirs = align_counts(references, hypotheses, "character"), jiwer.process_characters(references, hypotheses)
    assert ours[:, :3].sum(1).tolist() == errors_by_jiwer(theirs)
    assert ours[:, 3].tolist() == [len(text) for text in references]


def test_empty_references_alone_are_counted_as_jiwer_does() -> None:
    theirs = jiwer.process_words(["", ""], ["one two", ""])
    assert align_counts(["", ""], ["one two", ""]).sum(0).tolist() == [0, 0, theirs.insertions, 0]
    assert theirs.wer == 2  # the number of errors, where there is no word to divide by


@pytest.mark.skipif(not EXCERPT, reason="NST_ASR_DATA does not name a folder with librispeech/*.tsv")
def test_totals_are_those_of_jiwer_on_real_transcripts() -> None:
    references = [line.split("\t")[-1] for lines in EXCERPT for line in lines[1:]]
    assert len(references) > 1000
    hypotheses = damaged(references, 3)
    ours, theirs = align_counts(references, hypotheses), jiwer.process_words(references, hypotheses)
    assert ours[:, :3].sum(1).tolist() == errors_by_jiwer(theirs)
    assert ours[:, 3].sum() == sum(map(len, theirs.references)) > 10_000


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


def test_words_are_what_stands_between_all_that_polars_takes_for_whitespace() -> None:
    # the surrogates are no characters
    points = [chr(point) for point in range(0x110000) if not 0xD800 <= point < 0xE000]
    texts = [f"a{point}b" for point in points]
    words = pl.Series(texts).str.extract_all(r"\S+").list.len().to_numpy()
    assert (words == 2).sum() == 25
    np.testing.assert_array_equal(align_counts(texts, [""] * len(texts))[:, 3], words)


def test_what_is_no_text_is_refused_with_its_value() -> None:
    with pytest.raises(TypeError, match="None among the texts"):
        align_counts(["a", None], ["a", "b"])  # type: ignore[list-item]


def test_series_are_aligned_as_lists_are() -> None:
    references, hypotheses = unicode_pairs(2000, 5)
    found = align_counts(pl.Series(references), pl.Series(hypotheses))
    np.testing.assert_array_equal(found, align_counts(references, hypotheses))
