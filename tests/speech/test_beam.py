import math
import multiprocessing
from pathlib import Path

import numpy as np
import pytest
import torch
from ctc_paths import label_probabilities
from small_ngrams import SmallNgram, strings
from torch import Tensor

from nst_asr.config import ConfigError, parse
from nst_asr.speech import beam
from nst_asr.speech.beam import Found, LMError, LmPlan, search
from nst_asr.speech.ctc import log_probability
from nst_asr.speech.decode import DecodePlan, beam_search, fingerprint, greedy, labels
from nst_asr.speech.lexicon import LexiconError
from nst_asr.speech.ngram.model import NgramError
from nst_asr.speech.tokenizer import SPACE, Tokenizer, TokenizerPlan, train

WORDS = Tokenizer("word", ("<blank>", "a", "b", "c"))
WIDE = {"beam_tokens": 100, "beam_threshold": 1e6, "nbest": 10000}


def noise(length: int, vocabulary: int, seed: int, scale: float = 2.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(length, vocabulary, generator=generator) * scale).log_softmax(-1).double()


def best(log_probs: Tensor, plan: LmPlan, tokenizer: Tokenizer, width: int = 10000) -> list[Found]:
    return search([log_probs.numpy()], width, plan, tokenizer)[0]


def plan_of(ngram: SmallNgram, folder: Path, **keys: object) -> LmPlan:
    return LmPlan(path=ngram.write(folder / "small.arpa"), **{"weight": 0.7, "bonus": 0.9, **keys})


def check_all(found: list[Found], expected: dict[tuple[int, ...], tuple[float, float, float]]) -> None:
    assert {tuple(f.tokens) for f in found} == set(expected)
    assert len(found) == len(expected)
    assert [f.score for f in found] == sorted((f.score for f in found), reverse=True)
    for f in found:
        assert (f.acoustic, f.lm, f.score) == pytest.approx(expected[tuple(f.tokens)], abs=1e-4)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize(("weight", "bonus"), [(0.7, 0.9), (1.3, -0.4)])
def test_a_beam_that_holds_every_prefix_finds_every_label_with_its_score(
    tmp_path: Path, order: int, weight: float, bonus: float
) -> None:
    ngram = SmallNgram(WORDS.names[1:], order, seed=order)
    plan = plan_of(ngram, tmp_path, weight=weight, bonus=bonus, **WIDE)
    for seed in range(3):
        log_probs = noise(5, 4, seed)
        expected = {}
        for label, p in label_probabilities(log_probs).items():
            lm = ngram.sentence([WORDS.names[unit] for unit in label])
            expected[label] = (math.log(p), lm, math.log(p) + weight * lm + bonus * len(label))
        check_all(best(log_probs, plan, WORDS), expected)


PIECES = Tokenizer("unigram", ("<blank>", SPACE + "a", "b", SPACE + "b", "a"))
CHARS = Tokenizer("char", ("<blank>", "a", SPACE, "b"))
SPELT = ["a", "ab", "b", "abb"]  # "ab" ends where "abb" may go on


def expected_with_lexicon(
    log_probs: Tensor, ngram: SmallNgram, spellings: dict[tuple[int, ...], str], separator: int | None, plan: LmPlan
) -> dict[tuple[int, ...], tuple[float, float, float]]:
    """Every label made of whole words, by putting words together."""
    truth, expected = label_probabilities(log_probs), {}
    for sentence in strings(range(len(spellings)), len(log_probs)):
        chosen = [list(spellings.items())[n] for n in sentence]
        units: list[int] = []
        for spelling, _ in chosen:
            units += [*([separator] if units and separator is not None else []), *spelling]
        if tuple(units) in truth:
            acoustic, lm = math.log(truth[tuple(units)]), ngram.sentence([word for _, word in chosen])
            weight, bonus = plan.numbers
            expected[tuple(units)] = (acoustic, lm, acoustic + weight * lm + bonus * len(chosen))
    return expected


@pytest.mark.parametrize("order", [1, 2, 3])
def test_with_a_lexicon_of_pieces_every_string_of_words_is_found_with_its_score(tmp_path: Path, order: int) -> None:
    ngram = SmallNgram(SPELT, order, seed=order)
    lexicon = tmp_path / "lexicon.txt"
    lexicon.write_text(f"a {SPACE}a\nab {SPACE}a b\nb\t{SPACE}b\nabb {SPACE}a b b\n", encoding="utf-8")
    spellings = {(1,): "a", (1, 2): "ab", (3,): "b", (1, 2, 2): "abb"}
    plan = plan_of(ngram, tmp_path, lexicon=lexicon, **WIDE)
    for seed in range(3):
        log_probs = noise(5, 5, seed)
        check_all(best(log_probs, plan, PIECES), expected_with_lexicon(log_probs, ngram, spellings, None, plan))


@pytest.mark.parametrize("order", [1, 2, 3])
def test_with_a_lexicon_of_characters_the_space_stands_between_words(tmp_path: Path, order: int) -> None:
    ngram = SmallNgram(SPELT, order, seed=order)
    lexicon = tmp_path / "lexicon.txt"
    lexicon.write_text(f"a a\nab a b {SPACE}\nb b\n\nabb a b b\n", encoding="utf-8")
    spellings = {(1,): "a", (1, 3): "ab", (3,): "b", (1, 3, 3): "abb"}
    plan = plan_of(ngram, tmp_path, lexicon=lexicon, **WIDE)
    for seed in range(3):
        log_probs = noise(6, 4, seed)
        check_all(best(log_probs, plan, CHARS), expected_with_lexicon(log_probs, ngram, spellings, 2, plan))


def test_where_nothing_whole_is_in_the_beam_the_whole_words_of_the_best_are_the_label(tmp_path: Path) -> None:
    lexicon = tmp_path / "lexicon.txt"
    lexicon.write_text("ab a b\n", encoding="utf-8")
    ngram = SmallNgram(["ab"], 2, seed=0, share=1.0)
    log_probs = torch.full((6, 4), -40.0, dtype=torch.float64)
    for t, unit in enumerate([1, 3, 0, 2, 1, 1]):  # ab, space, a
        log_probs[t, unit] = 0.0
    (found,) = best(log_probs.log_softmax(-1), plan_of(ngram, tmp_path, lexicon=lexicon, beam_threshold=5.0), CHARS, 3)
    assert found.tokens == [1, 3]
    assert found.lm == pytest.approx(ngram.sentence(["ab"]))
    whole = log_probability(log_probs.log_softmax(-1)[None], torch.tensor([6]), [[1, 3]])
    assert found.acoustic == pytest.approx(float(whole[0]), rel=1e-4)


def test_a_weight_of_nothing_finds_what_the_search_without_a_language_model_finds(tmp_path: Path) -> None:
    plan = plan_of(SmallNgram(WORDS.names[1:], 3, seed=1), tmp_path, weight=0.0, bonus=0.0, beam_threshold=1e6, nbest=8)
    for seed in range(10):
        log_probs = noise(25, 4, seed)
        found = best(log_probs, plan, WORDS, 8)
        alone = beam_search(log_probs[None], torch.tensor([25]), 8)[0]
        # the beams are the same; the end of the sentence counts nothing
        assert [(f.tokens, f.score) for f in found] == [(h.tokens, pytest.approx(h.logprob)) for h in alone]
        assert [f.acoustic for f in found] == [f.score for f in found]


def test_a_small_beam_names_each_label_once_and_claims_no_more_than_its_probability(tmp_path: Path) -> None:
    plan = plan_of(SmallNgram(WORDS.names[1:], 3, seed=1), tmp_path, nbest=8)
    for seed in range(20):
        log_probs = noise(20, 4, seed)
        found = best(log_probs, plan, WORDS, 8)
        assert len({tuple(f.tokens) for f in found}) == len(found)
        truth = log_probability(
            log_probs[None].expand(len(found), -1, -1), torch.full((len(found),), 20), [f.tokens for f in found]
        )
        assert all(f.acoustic <= float(p) + 1e-3 for f, p in zip(found, truth, strict=True))


def test_a_wider_beam_finds_labels_of_a_higher_score(tmp_path: Path) -> None:
    plan = plan_of(SmallNgram(WORDS.names[1:], 3, seed=1), tmp_path, beam_threshold=1e6, nbest=1)
    rows = [noise(30, 4, seed, scale=1.0).numpy() for seed in range(50)]
    mean = [np.mean([found[0].score for found in search(rows, width, plan, WORDS)]) for width in (1, 4, 64)]
    assert mean[0] < mean[1] < mean[2]


def test_pruning_units_keeps_the_most_probable_of_each_frame(tmp_path: Path) -> None:
    plan = plan_of(SmallNgram(WORDS.names[1:], 2, seed=1), tmp_path, weight=0.0, bonus=0.0, **WIDE)
    narrow = plan.model_copy(update={"beam_tokens": 1})
    log_probs = noise(4, 4, seed=5)
    likeliest = log_probs[:, 1:].argmax(1) + 1
    found = {tuple(f.tokens) for f in best(log_probs, narrow, WORDS)}
    assert found < {tuple(f.tokens) for f in best(log_probs, plan, WORDS)}
    # a label's units are in order among the frames' likeliest
    for label in found:
        frames = iter(likeliest.tolist())
        assert all(unit in frames for unit in label)


def test_the_threshold_leaves_only_what_is_near_the_best(tmp_path: Path) -> None:
    ngram = SmallNgram(WORDS.names[1:], 1, seed=1)
    plan = plan_of(ngram, tmp_path, weight=0.0, bonus=0.0, beam_threshold=2.0, nbest=100)
    for seed in range(10):
        found = best(noise(12, 4, seed), plan, WORDS, 100)
        assert all(found[0].score - f.score <= 2.0 for f in found)


def test_the_order_of_the_units_changes_nothing(tmp_path: Path) -> None:
    ngram = SmallNgram(WORDS.names[1:], 3, seed=4)
    plan = plan_of(ngram, tmp_path, nbest=16)
    order = [0, 3, 1, 2]
    shuffled = Tokenizer("word", tuple(WORDS.names[unit] for unit in order))
    for seed in range(10):
        log_probs = noise(15, 4, seed)
        found, again = best(log_probs, plan, WORDS, 16), best(log_probs[:, order].contiguous(), plan, shuffled, 16)
        assert [WORDS.decode(f.tokens) for f in found] == [shuffled.decode(f.tokens) for f in again]
        assert [f.score for f in found] == pytest.approx([f.score for f in again])


def test_words_spelt_by_characters_pieces_or_as_units_are_the_same_words(tmp_path: Path) -> None:
    texts = ["one two three", "two two one", "three one"]
    ngram = SmallNgram(["one", "three", "two"], 3, seed=2)
    heard = "two one one three"
    found = []
    for kind, pieces in (("word", None), ("char", None), ("unigram", 10)):
        tokenizer = train(texts, TokenizerPlan(kind=kind, pieces=pieces))
        # the units in turn, a blank between them, each a little unsure
        frames = [unit for token in tokenizer.encode(heard) for unit in (token, 0)]
        log_probs = torch.zeros(len(frames), tokenizer.size, dtype=torch.float64)
        log_probs[range(len(frames)), frames] = 6.0
        plan = plan_of(ngram, tmp_path, lexicon=None if kind == "word" else "vocabulary")
        label = best(log_probs.log_softmax(-1), plan, tokenizer, 32)[0]
        found.append((tokenizer.decode(label.tokens), label.lm))
    assert found == [(heard, pytest.approx(ngram.sentence(heard.split())))] * 3


def test_the_language_model_decides_between_words_that_sound_alike(tmp_path: Path) -> None:
    ngram = SmallNgram(WORDS.names[1:], 1, seed=1)
    ngram.logprob |= {("a",): -2.0, ("b",): -0.2}
    log_probs = torch.tensor([[0.1, 0.5, 0.4, 0.0]]).double().clamp_min(1e-9).log()
    assert greedy(log_probs[None], torch.tensor([1])) == [[1]]
    plan = DecodePlan(beam=8, lm=plan_of(ngram, tmp_path, weight=0.5, bonus=0.5))
    (label,) = labels(log_probs[None], torch.tensor([1]), plan, WORDS)
    assert (label.tokens, label.tokens_without_lm) == ([2], [1])
    assert label.lm_logprob == pytest.approx(ngram.sentence(["b"]))
    expected = math.log(0.4) + 0.5 * ngram.sentence(["b"]) + 0.5
    second = max(math.log(0.5) + 0.5 * ngram.sentence(["a"]) + 0.5, math.log(0.1) + 0.5 * ngram.sentence([]))
    assert (label.score, label.margin) == pytest.approx((expected, expected - second))


def test_labels_without_a_language_model_are_those_of_the_searches() -> None:
    log_probs, lengths = torch.stack([noise(20, 4, seed) for seed in range(6)]), torch.arange(15, 21)
    assert [label.tokens for label in labels(log_probs, lengths, DecodePlan(), WORDS)] == greedy(log_probs, lengths)
    found = labels(log_probs, lengths, DecodePlan(beam=4), WORDS)
    for label, expected in zip(found, beam_search(log_probs, lengths, 4), strict=True):
        assert [f.tokens for f in label.nbest] == [h.tokens for h in expected]
        assert label.margin == expected[0].logprob - expected[1].logprob
        assert (label.score, label.lm_logprob, label.tokens_without_lm) == (None, None, None)


def test_other_pieces_of_the_same_text_are_no_other_label() -> None:
    tokenizer = train(["ab", "a b"], TokenizerPlan(kind="unigram", pieces=4))
    a, b, spaced = (tokenizer.names.index(name) for name in ("a", "b", SPACE + "a"))
    space = tokenizer.names.index(SPACE)
    probabilities = torch.full((2, tokenizer.size), 1e-6, dtype=torch.float64)
    probabilities[0, spaced], probabilities[0, space] = 0.6, 0.4
    probabilities[1, b], probabilities[1, a], probabilities[1, 0] = 0.5, 0.3, 0.2
    log_probs = probabilities.log().log_softmax(-1)[None]
    (label,) = labels(log_probs, torch.tensor([2]), DecodePlan(beam=32), tokenizer)
    texts = [tokenizer.decode(f.tokens) for f in label.nbest]
    assert len(set(texts[:2])) == 2 or label.margin != label.nbest[0].score - label.nbest[1].score
    other = next(f for f, text in zip(label.nbest, texts, strict=True) if text != texts[0])
    assert label.margin == label.nbest[0].score - other.score


def test_an_utterance_without_frames_is_an_empty_label(tmp_path: Path) -> None:
    ngram = SmallNgram(WORDS.names[1:], 2, seed=0)
    plan = DecodePlan(beam=4, lm=plan_of(ngram, tmp_path))
    (label,) = labels(noise(3, 4, 0)[None], torch.tensor([0]), plan, WORDS)
    assert (label.tokens, label.lm_logprob) == ([], pytest.approx(ngram.sentence([])))


def test_hard_zeros_are_gone_through(tmp_path: Path) -> None:
    log_probs = torch.full((1, 3, 4), -math.inf)
    for t, unit in enumerate([1, 0, 1]):
        log_probs[0, t, unit] = 0.0
    plan = DecodePlan(beam=4, lm=plan_of(SmallNgram(WORDS.names[1:], 2, seed=0), tmp_path))
    (label,) = labels(log_probs, torch.tensor([3]), plan, WORDS)
    assert (label.tokens, label.nbest[0].acoustic) == ([1, 1], 0.0)


def _in_worker(job: tuple[np.ndarray, LmPlan, Tokenizer]) -> list[Found]:
    rows, plan, tokenizer = job
    return search([rows], 8, plan, tokenizer)[0]


def test_threads_and_spawned_processes_find_the_same(tmp_path: Path) -> None:
    plan = plan_of(SmallNgram(WORDS.names[1:], 3, seed=0), tmp_path)
    rows = [noise(length, 4, seed=length).numpy() for length in range(5, 40)]
    found = search(rows, 8, plan, WORDS)
    assert search(rows, 8, plan, WORDS, threads=4) == found
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(_in_worker, [(row, plan, WORDS) for row in rows[:3]]) == found[:3]


def test_a_language_model_is_read_once_and_again_when_its_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []
    monkeypatch.setattr(beam, "read_arpa", lambda path, real=beam.read_arpa: (read.append(path), real(path))[1])
    plan = DecodePlan(beam=4, lm=plan_of(SmallNgram(WORDS.names[1:], 2, seed=3), tmp_path))
    log_probs, lengths = noise(6, 4, 0)[None], torch.tensor([6])
    first = [labels(log_probs, lengths, plan, WORDS)[0].score for _ in range(3)]
    before = fingerprint(plan)
    assert len(read) == 1
    plan_of(SmallNgram(WORDS.names[1:], 2, seed=4, share=0.9), tmp_path)
    assert labels(log_probs, lengths, plan, WORDS)[0].score != first[0]
    assert len(read) == 2
    assert fingerprint(plan) != before


def test_the_fingerprint_names_contents_and_not_places(tmp_path: Path) -> None:
    ngram = SmallNgram(["a", "b"], 2, seed=3)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "lexicon.txt").write_text("a a\n")
    here, there = plan_of(ngram, tmp_path), plan_of(ngram, tmp_path / "elsewhere")
    assert fingerprint(DecodePlan(beam=4, lm=here)) == fingerprint(DecodePlan(beam=4, lm=there))
    different = [
        DecodePlan(beam=4),
        DecodePlan(beam=4, lm=here),
        DecodePlan(beam=5, lm=here),
        DecodePlan(beam=4, lm=here.model_copy(update={"weight": 0.8})),
        DecodePlan(beam=4, lm=here.model_copy(update={"lexicon": "vocabulary"})),
        DecodePlan(beam=4, lm=here.model_copy(update={"lexicon": tmp_path / "lexicon.txt"})),
    ]
    assert len({fingerprint(plan) for plan in different}) == len(different)
    assert fingerprint(DecodePlan(beam=4)) == '{"beam":4}'


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"beam": 0}, "beam = 0"),
        ({"beam": -1}, "beam = -1"),
        ({"beam": 1, "lm": {"path": "a.arpa"}}, "beam = 1 is greedy and asks no language model"),
        ({"beam": 3, "lm": {"path": "a.arpa"}}, "lm.nbest = 4 is more than the beam = 3 holds"),
        ({"beam": 8, "lm": {"path": "a.arpa", "nbest": 0}}, "lm.nbest = 0"),
        ({"beam": 8, "lm": {"path": "a.arpa", "beam_tokens": 0}}, "lm.beam_tokens = 0"),
        ({"beam": 8, "lm": {"path": "a.arpa", "beam_threshold": 0}}, "lm.beam_threshold = 0"),
        ({"beam": 8, "lm": {}}, "lm.path"),
    ],
)
def test_plans_that_cannot_be_meant_are_refused(keys: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse(DecodePlan, keys)


def refused(folder: Path, tokenizer: Tokenizer = WORDS, **keys: object) -> str:
    """What is said of a plan when its language model is loaded."""
    with pytest.raises((LMError, LexiconError, NgramError)) as error:
        beam.load(LmPlan(weight=1.0, **{"path": folder / "small.arpa", **keys}), tokenizer)
    return str(error.value)


def test_files_that_are_no_language_model_are_refused(tmp_path: Path) -> None:
    assert "small.arpa: cannot be read (No such file" in refused(tmp_path)
    (tmp_path / "small.arpa").write_bytes(b"mmap lm http://kheafield.com/code format version 5\n\0" + bytes(1000))
    assert "no ARPA file" in refused(tmp_path)
    path = SmallNgram(WORDS.names[1:], 2, seed=0).write(tmp_path / "small.arpa")
    path.write_text(path.read_text().replace("\\end\\", ""))
    assert "small.arpa" in refused(tmp_path)
    path.write_text(path.read_text().replace("ngram 1=", "ngram 1=9"))
    assert "small.arpa" in refused(tmp_path)
    assert "cannot be read (Is a directory" in refused(tmp_path, path=tmp_path)


def test_a_language_model_that_lacks_units_is_refused_naming_them(tmp_path: Path) -> None:
    SmallNgram(["a", "c"], 2, seed=0).write(tmp_path / "small.arpa")
    assert "does not know 1 of the 3 units of the tokenizer: 'b'." in refused(tmp_path)
