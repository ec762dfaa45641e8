"""Kneser-Ney: hand-worked counts, a reference written from the papers, sums of one, and two other implementations."""

import math
from pathlib import Path

import numpy as np
import pytest
from speech.ngram.reference_ngram import KneserNey
from speech.ngram.small_text import all_contexts, model_of, rows, sentences, sums

from nst_asr.speech.ngram.arpa import write_arpa
from nst_asr.speech.ngram.kneser_ney import adjusted_counts, count_ngrams, discounts, padded
from nst_asr.speech.ngram.model import Ngram, NgramError
from nst_asr.speech.ngram.text import coded
from nst_asr.speech.ngram.train import NgramPlan, train_ngram

FALLBACK = (0.5, 1.0, 1.5)


def sentence_log10(model: Ngram, sentence: str) -> float:
    tokens = np.array([model.numbers.get(word, 0) for word in ("<s>", *sentence.split(), "</s>")], np.int32)
    return float(model.logprobs(tokens, np.arange(len(tokens)))[1:].sum())


def test_counts_and_adjusted_counts_are_those_worked_by_hand() -> None:
    words = coded(["a b a b", "b"])  # a = 3, b = 4 beside <unk> 0, <s> 1, </s> 2
    tokens, place = padded(words.codes + 3, words.lengths)
    assert tokens.tolist() == [1, 3, 4, 3, 4, 2, 1, 4, 2]
    assert place.tolist() == [0, 1, 2, 3, 4, 5, 0, 1, 2]
    unigrams, bigrams, trigrams = count_ngrams(tokens, place, 3, 5)
    assert unigrams.count.tolist() == [0, 0, 2, 2, 3]
    # <s> a, <s> b, a b, b </s>, b a
    assert list(zip(bigrams.context.tolist(), bigrams.word.tolist(), bigrams.count.tolist(), strict=True)) == [
        (1, 3, 1),
        (1, 4, 1),
        (3, 4, 2),
        (4, 2, 2),
        (4, 3, 1),
    ]
    # <s> a b, <s> b </s>, a b </s>, a b a, b a b: by rows of the bigrams
    assert list(zip(trigrams.context.tolist(), trigrams.suffix.tolist(), strict=True)) == [
        (0, 2),
        (1, 3),
        (2, 3),
        (2, 4),
        (4, 2),
    ]
    adjusted = adjusted_counts([unigrams, bigrams, trigrams])
    assert adjusted[0].tolist() == [0, 0, 1, 2, 2]  # </s> after b; a after <s> and b; b after <s> and a
    assert adjusted[1].tolist() == [1, 1, 2, 2, 1]  # what begins with <s> keeps its count
    assert adjusted[2].tolist() == [1, 1, 1, 1, 1]


def test_discounts_follow_equation_26() -> None:
    counts = np.repeat([1, 2, 3, 4, 9], [10, 4, 3, 2, 7])
    y = 10 / 18
    expected = (1 - 2 * y * 4 / 10, 2 - 3 * y * 3 / 4, 3 - 4 * y * 2 / 3)
    assert discounts(counts, FALLBACK).values == pytest.approx(expected)
    assert not discounts(counts, FALLBACK).fallback


def test_discounts_fall_back_where_the_formula_has_no_answer_and_say_why() -> None:
    found = discounts(np.array([1, 1, 3, 7]), FALLBACK)
    assert found.values == FALLBACK
    assert "count 2" in found.fallback
    found = discounts(np.repeat([1, 2, 3, 4], [10, 1, 9, 1]), FALLBACK)  # 2 - 3 y 9 / 1 is below 0
    assert found.values == FALLBACK
    assert "D2" in found.fallback


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("count", [3, 400])
def test_the_model_gives_the_probabilities_of_the_reference(tmp_path: Path, order: int, count: int) -> None:
    text = sentences(count)
    model, reference = model_of(tmp_path, text, order=order), KneserNey(text, order)
    for sentence in [*text[:50], *sentences(20, seed=1), "ba new bo"]:
        known = [word if word in reference.vocabulary else "<unk>" for word in sentence.split()]
        assert sentence_log10(model, sentence) == pytest.approx(reference.log10(" ".join(known)), abs=1e-9)


@pytest.mark.parametrize(
    "plan",
    [
        {"order": 1},
        {"order": 3},
        {"order": 4},
        {"order": 3, "prune": (0, 0, 1)},
        {"order": 4, "prune": (0, 1, 2)},
        {"order": 3, "prune": (3,)},
        {"order": 3, "vocabulary": 9},
    ],
    ids=str,
)
def test_every_context_sums_to_one(tmp_path: Path, plan: dict[str, int]) -> None:
    model = model_of(tmp_path, sentences(300), **plan)
    contexts = [context for context in all_contexts(model) if all(word in model.numbers for word in context)]
    assert sums(model, contexts) == pytest.approx([1.0] * len(contexts), abs=1e-9)


def test_pruning_by_count_keeps_what_is_more_frequent_and_nothing_else(tmp_path: Path) -> None:
    text = sentences(200)
    whole, pruned = model_of(tmp_path, text, order=3), model_of(tmp_path, text, order=3, prune=(0, 0, 1))
    assert len(pruned.orders[1]) == len(whole.orders[1])
    seen: dict[tuple[str, ...], int] = {}
    for sentence in text:
        words = ("<s>", *sentence.split(), "</s>")
        for gram in zip(words, words[1:], words[2:], strict=False):
            seen[gram] = seen.get(gram, 0) + 1
    kept = {tuple(pruned.names[word] for word in row) for row in rows(pruned, 3)}
    assert kept == {gram for gram, count in seen.items() if count > 1}


def test_a_limited_vocabulary_keeps_the_most_frequent_words(tmp_path: Path) -> None:
    model = model_of(tmp_path, ["a a a b b c", "a b c d"], order=2, vocabulary=2)
    assert model.names == ("<unk>", "<s>", "</s>", "a", "b")
    names = {tuple(model.names[word] for word in row) for row in rows(model, 2)}
    assert names == {("<s>", "a"), ("a", "a"), ("a", "b"), ("b", "b")}


def test_the_unknown_word_has_its_share_of_the_uniform_distribution(tmp_path: Path) -> None:
    model = model_of(tmp_path, ["a b", "b a"], order=1)
    # counts a 2, b 2, </s> 2 and fall-back discounts: 3 x 1.0 of 6 are shared by a, b, </s>, <unk>
    assert 10 ** model.orders[0].logprob[model.unknown] == pytest.approx(3 / 6 / 4)
    assert 10 ** model.orders[0].logprob[model.numbers["a"]] == pytest.approx(1 / 6 + 3 / 6 / 4)


def test_units_that_do_not_occur_are_known_all_the_same() -> None:
    model = train_ngram(coded(["a b a", "b"]), NgramPlan(order=2), units=("a", "b", "z")).model
    assert "z" in model.numbers
    assert sums(model, [[], ["a"], ["z"]]) == pytest.approx([1, 1, 1])


def test_orders_that_the_text_has_no_ngrams_of_are_left_out(tmp_path: Path) -> None:
    model = model_of(tmp_path, ["a", "b", "a"], order=6)
    assert [len(order) for order in model.orders] == [5, 4, 2]
    assert sums(model, all_contexts(model)[:-2]) == pytest.approx([1.0] * 10)
    assert len(model_of(tmp_path, sentences(20), order=3, prune=(0, 0, 10**6)).orders) == 2


def test_the_order_of_the_sentences_and_of_the_files_is_no_difference(tmp_path: Path) -> None:
    text = sentences(100)
    first, second = model_of(tmp_path, text, order=3), model_of(tmp_path, text[::-1], order=3)
    assert first.names == second.names
    for left, right in zip(first.orders, second.orders, strict=True):
        assert left.logprob.tobytes() == right.logprob.tobytes()
        assert left.backoff.tobytes() == right.backoff.tobytes()


def test_flashlights_kenlm_gives_the_same_log_probabilities(tmp_path: Path) -> None:
    from flashlight.lib.text.decoder.kenlm import KenLM
    from flashlight.lib.text.dictionary import Dictionary

    model = model_of(tmp_path, sentences(300), order=4)
    write_arpa(tmp_path / "lm.arpa", model)
    words = Dictionary()
    for name in model.names:
        words.add_entry(name)
    kenlm = KenLM(str(tmp_path / "lm.arpa"), words)
    for sentence in sentences(40, seed=2):
        state, total = kenlm.start(False), 0.0
        for word in sentence.split():
            state, score = kenlm.score(state, words.get_index(word))
            total += score
        total += kenlm.finish(state)[1]
        assert total == pytest.approx(sentence_log10(model, sentence), abs=1e-4)


def test_kenlm_gives_the_same_log_probabilities(tmp_path: Path) -> None:
    kenlm = pytest.importorskip("kenlm")
    model = model_of(tmp_path, sentences(300), order=3, prune=(0, 0, 1))
    write_arpa(tmp_path / "lm.arpa", model)
    other = kenlm.Model(str(tmp_path / "lm.arpa"))
    for sentence in [*sentences(40, seed=2), "ba strange bo"]:
        assert other.score(sentence, bos=True, eos=True) == pytest.approx(sentence_log10(model, sentence), abs=1e-4)


def test_plans_that_cannot_be_followed_are_refused() -> None:
    for wrong in ({"order": 0}, {"prune": (1, 0)}, {"prune": (0, 0, 0, 0)}, {"vocabulary": 0}, {"fallback": (2, 1, 1)}):
        with pytest.raises(NgramError, match=next(iter(wrong))):
            NgramPlan(**wrong)  # type: ignore[arg-type]
    with pytest.raises(NgramError, match="no words"):
        train_ngram(coded([]), NgramPlan())


def test_no_probability_is_above_one_or_not_finite(tmp_path: Path) -> None:
    for order in model_of(tmp_path, sentences(50), order=4).orders:
        assert np.isfinite(order.logprob).all()
        assert (order.logprob <= 0).all()
        assert np.isfinite(order.backoff).all()
        assert math.isfinite(order.logprob.min())
