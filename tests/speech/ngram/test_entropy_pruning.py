"""Entropy pruning: the formula by hand, sums of one, and what it costs."""

import math
from pathlib import Path

import numpy as np
import pytest
from speech.ngram.small_text import all_contexts, model_of, rows, sentences, sums, written

from nst_asr.speech.ngram.arpa import read_arpa, write_arpa
from nst_asr.speech.ngram.model import BOS, EOS, Ngram, NgramError
from nst_asr.speech.ngram.perplexity import perplexity
from nst_asr.speech.ngram.prune import prune, with_backoffs

THRESHOLD = 1e-4


def grams(model: Ngram, order: int) -> dict[tuple[str, ...], int]:
    return {tuple(model.names[word] for word in row): n for n, row in enumerate(rows(model, order))}


def change_by_enumeration(model: Ngram, context: str, word: str) -> float:
    """exp(D) - 1 of taking the bigram away, from the definition: P(h) times the KL divergence of the two models."""
    words = [name for name in model.names if name != BOS]
    unigram = {name: 10 ** model.orders[0].logprob[model.numbers[name]] for name in words}
    explicit = {
        gram[1]: 10 ** model.orders[1].logprob[row] for gram, row in grams(model, 2).items() if gram[0] == context
    }

    def distribution(known: dict[str, float]) -> dict[str, float]:
        weight = (1 - sum(known.values())) / (1 - sum(unigram[name] for name in known))
        return {name: known.get(name, weight * unigram[name]) for name in words}

    before = distribution(explicit)
    after = distribution({name: p for name, p in explicit.items() if name != word})
    history = unigram[EOS if context == BOS else context]
    return math.expm1(history * sum(p * math.log(p / after[name]) for name, p in before.items()))


def test_the_change_of_each_bigram_is_the_divergence_of_the_two_models(tmp_path: Path) -> None:
    model = model_of(tmp_path, sentences(60), order=2)
    changes = {gram: change_by_enumeration(model, *gram) for gram in grams(model, 2)}
    for threshold in np.quantile(list(changes.values()), [0.1, 0.5, 0.9]):
        kept = grams(prune(model, float(threshold) * (1 + 1e-9)), 2)
        assert set(kept) == {gram for gram, change in changes.items() if change > threshold * (1 + 1e-9)}


@pytest.mark.parametrize("order", [2, 3, 4])
def test_a_pruned_model_sums_to_one_in_memory_and_as_a_file(tmp_path: Path, order: int) -> None:
    model = model_of(tmp_path, sentences(300), order=order)
    pruned = prune(model, THRESHOLD)
    assert 0 < len(pruned.orders[-1]) < len(model.orders[-1])
    contexts = all_contexts(model)
    assert sums(pruned, contexts) == pytest.approx([1.0] * len(contexts), abs=1e-9)
    write_arpa(tmp_path / "pruned.arpa", pruned)
    assert sums(read_arpa(tmp_path / "pruned.arpa"), contexts) == pytest.approx([1.0] * len(contexts), abs=1e-5)


def test_what_stays_keeps_its_probability_and_every_context_stays(tmp_path: Path) -> None:
    model = model_of(tmp_path, sentences(300), order=3)
    pruned = prune(model, THRESHOLD)
    for k in (2, 3):
        before, after = grams(model, k), grams(pruned, k)
        for gram, row in after.items():
            assert pruned.orders[k - 1].logprob[row] == model.orders[k - 1].logprob[before[gram]]
    assert {gram[:2] for gram in grams(pruned, 3)} <= set(grams(pruned, 2))


def test_more_is_pruned_and_lost_at_a_higher_threshold(tmp_path: Path) -> None:
    model = model_of(tmp_path, sentences(1000), order=3)
    text = written(tmp_path / "held_out.txt", sentences(300, seed=5))
    sizes, losses = [], []
    for threshold in (1e-6, 1e-4, 1e-3):
        pruned = prune(model, threshold)
        sizes.append(sum(map(len, pruned.orders)))
        losses.append(perplexity(pruned, [text]).perplexity or math.inf)
    whole = perplexity(model, [text]).perplexity or math.inf
    assert sum(map(len, model.orders)) >= sizes[0] > sizes[1] > sizes[2]
    assert losses[0] == pytest.approx(whole, rel=1e-3)
    assert losses[0] < losses[1] < losses[2] < 2 * whole


def test_the_backoffs_of_a_whole_model_are_found_again(tmp_path: Path) -> None:
    model = model_of(tmp_path, sentences(200), order=3)
    again = with_backoffs(model)
    for old, new in zip(model.orders, again.orders, strict=True):
        assert np.allclose(old.backoff, new.backoff, atol=1e-9)


def test_a_model_of_which_nothing_longer_is_left_is_one_of_single_words(tmp_path: Path) -> None:
    pruned = prune(model_of(tmp_path, sentences(50), order=3), 1e6)
    assert len(pruned.orders) == 1
    assert sums(pruned, [[], ["ba"]]) == pytest.approx([1, 1])


@pytest.mark.parametrize("threshold", [0.0, -1.0, float("nan")])
def test_a_threshold_that_prunes_nothing_is_refused(tmp_path: Path, threshold: float) -> None:
    with pytest.raises(NgramError, match="threshold"):
        prune(model_of(tmp_path, sentences(5), order=2), threshold)
