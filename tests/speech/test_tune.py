"""Weights found on dev with a real search: posteriors and language models that are made by hand."""

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from nst_asr import config
from nst_asr.align import align_counts
from nst_asr.plots import fusion_surface
from nst_asr.speech import decode
from nst_asr.speech.beam import LMError
from nst_asr.speech.fusion import Point
from nst_asr.speech.lm.model import NeuralLM
from nst_asr.speech.lm.nets import build
from nst_asr.speech.lm.plan import NetPlan
from nst_asr.speech.plan import Decode
from nst_asr.speech.tokenizer import TokenizerPlan
from nst_asr.speech.tokenizer import train as train_tokenizer
from nst_asr.speech.tune import Search, tune
from tests.speech.small_ngrams import SmallNgram

WORDS = ("aa", "bb", "cc")
TOKENIZER = train_tokenizer([" ".join(WORDS)], TokenizerPlan(kind="word"))


def turning(count: int) -> list[str]:
    """Sentences in which bb follows aa, cc bb, and aa cc."""
    return [" ".join(WORDS[(i + k) % 3] for k in range(3 + i % 4)) for i in range(count)]


class Turning(SmallNgram):
    """A bigram model of such sentences; `sure`: of the word that follows."""

    def __init__(self, sure: float = 0.9) -> None:
        self.order = 2
        names = [*WORDS, "</s>", "<unk>"]
        self.logprob: dict[tuple[str, ...], float] = {(name,): math.log10(1 / len(names)) for name in names} | {
            ("<s>",): -99.0
        }
        for i, word in enumerate(WORDS):
            after = {WORDS[(i + 1) % 3]: sure * 0.8, "</s>": sure * 0.2}
            rest = (1 - sure) / 2
            for name in (*WORDS, "</s>"):
                self.logprob[word, name] = math.log10(after.get(name, rest))
            self.logprob["<s>", word] = math.log10(1 / 3)
        self.backoff = {(word,): -1.0 for word in (*WORDS, "<s>")}


def heard(texts: Sequence[str], seed: int, doubt: float) -> list[tuple[Sequence[int], Tensor, Tensor]]:
    """Posteriors of sentences, three a batch: two frames a word, of which a share has another word ahead."""
    draw = np.random.default_rng(seed)
    rows = []
    for text in texts:
        frames = []
        for word in text.split():
            right = TOKENIZER.encode(word)[0]
            share = np.full(4, 0.02)
            other = 1 + (right + draw.integers(0, 2)) % 3
            wrong = draw.random() < doubt
            share[right], share[other] = (0.4, 0.54) if wrong else (0.9, 0.04)
            frames += [share, np.array([0.94, 0.02, 0.02, 0.02])]
        rows.append(torch.tensor(np.log(np.array(frames)), dtype=torch.float32))
    batches: list[tuple[Sequence[int], Tensor, Tensor]] = []
    for start in range(0, len(rows), 3):
        group = rows[start : start + 3]
        lengths = torch.tensor([len(row) for row in group])
        padded = torch.nn.utils.rnn.pad_sequence(group, batch_first=True)
        batches.append((range(start, start + len(group)), padded.log_softmax(-1), lengths))
    return batches


@pytest.fixture
def arpa(tmp_path: Path) -> Path:
    return Turning().write(tmp_path / "turning.arpa")


def plan(**changes: object) -> Decode:
    tuning = {"highest_weight": 1.5, "weight_step": 0.25, "anchors": [0.5, 1.0], "lowest_bonus": -1.0}
    content: dict[str, object] = {"beam": 12, "tuning": tuning | {"highest_bonus": 2.0, "bonus_step": 0.5}}
    return config.parse(Decode, content | changes)


def rate(texts: Sequence[str], posteriors: list[tuple[Sequence[int], Tensor, Tensor]], decoding: Decode) -> float:
    wrong = 0
    for places, log_probs, lengths in posteriors:
        labels = decode.labels(log_probs, lengths, decoding, TOKENIZER)
        for place, label in zip(places, labels, strict=True):
            wrong += int(align_counts([texts[place]], [TOKENIZER.decode(label.tokens)])[0, :3].sum())
    return wrong / sum(len(text.split()) for text in texts)


def test_a_language_model_that_knows_better_gets_a_weight(arpa: Path) -> None:
    texts, posteriors = turning(30), heard(turning(30), 0, doubt=0.25)
    found = tune(lambda: posteriors, texts, plan(lm={"path": str(arpa)}), TOKENIZER)
    assert found["weight"] > 0
    assert found["rate_decoded"] < 0.5 * found["rate_without_lm"]
    tuned = config.parse(Decode, json.loads(json.dumps(found))["plan"])
    assert not tuned.leaves_open
    assert rate(texts, posteriors, tuned) == pytest.approx(found["rate_decoded"])
    assert rate(texts, posteriors, tuned.alone) == pytest.approx(found["rate_without_lm"])
    assert np.array(found["surface"]["rate"]).shape == (6, 1, 7)
    assert fusion_surface(found).startswith(b"\x89PNG")


def test_no_point_of_the_grid_that_was_decoded_is_better_than_the_one_that_is_taken(arpa: Path) -> None:
    texts, posteriors = turning(20), heard(turning(20), 5, doubt=0.3)
    asked = plan(lm={"path": str(arpa)})
    found = tune(lambda: posteriors, texts, asked, TOKENIZER)
    lm = asked.lm
    assert lm is not None
    for weight in (0.25, 0.75, 1.5):
        for bonus in (-1.0, 0.0, 1.0):
            other = asked.model_copy(update={"lm": lm.model_copy(update={"weight": weight, "bonus": bonus})})
            assert found["rate_decoded"] <= rate(texts, posteriors, other) + 1e-9


def test_a_language_model_of_noise_gets_the_weight_0_and_labels_are_those_without(tmp_path: Path) -> None:
    noise = SmallNgram(WORDS, 2, seed=3).write(tmp_path / "noise.arpa")
    texts, posteriors = turning(20), heard(turning(20), 1, doubt=0.0)
    found = tune(lambda: posteriors, texts, plan(lm={"path": str(noise)}), TOKENIZER)
    assert (found["weight"], found["bonus"]) == (0.0, 0.0)
    assert "does not pay" in found["reason"]
    tuned = config.parse(Decode, found["plan"])
    _, log_probs, lengths = posteriors[0]
    labels = decode.labels(log_probs, lengths, tuned, TOKENIZER)
    assert [label.tokens for label in labels] == decode.greedy(log_probs, lengths)
    assert [label.tokens_without_lm for label in labels] == [label.tokens for label in labels]


def test_a_weight_that_is_given_stays_whatever_dev_says(tmp_path: Path) -> None:
    noise = SmallNgram(WORDS, 2, seed=3).write(tmp_path / "noise.arpa")
    texts, posteriors = turning(9), heard(turning(9), 1, doubt=0.0)
    asked = plan(lm={"path": str(noise), "weight": 0.7, "bonus": "tune"})
    found = tune(lambda: posteriors, texts, asked, TOKENIZER)
    assert found["weight"] == 0.7
    assert "WARNING" in found["reason"]


def test_the_order_of_utterances_does_not_change_the_choice(arpa: Path) -> None:
    texts = turning(24)
    posteriors = heard(texts, 2, doubt=0.3)
    turn = [list(reversed(range(24)))[place] for place in range(24)]
    turned = [([turn[place] for place in places], log_probs, lengths) for places, log_probs, lengths in posteriors]
    asked = plan(lm={"path": str(arpa)})
    first = tune(lambda: posteriors, texts, asked, TOKENIZER)
    second = tune(lambda: list(reversed(turned)), list(reversed(texts)), asked, TOKENIZER)
    assert first == second


class Fake:
    """A neural language model that says what the bigram model says."""

    tokenizer = TOKENIZER

    def log_prob(self, sentences: Sequence[Sequence[int]]) -> np.ndarray:
        return np.array([Turning().sentence(TOKENIZER.decode(s).split()) for s in sentences])


@pytest.fixture
def neural(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of a language model; what answers in its place is `Fake`."""
    torch.manual_seed(0)
    NeuralLM(build(NetPlan(width=8, layers=1), TOKENIZER.size), TOKENIZER).save(tmp_path / "neural", {})
    monkeypatch.setattr("nst_asr.speech.tune.language_model", lambda *_: Fake())
    monkeypatch.setattr("nst_asr.speech.decode.language_model", lambda *_: Fake())
    return tmp_path / "neural"


def test_a_neural_language_model_alone_chooses_among_what_the_search_found(neural: Path) -> None:
    texts, calls = turning(30), 0
    posteriors = heard(texts, 0, doubt=0.25)

    def counting() -> Iterator[tuple[Sequence[int], Tensor, Tensor]]:
        nonlocal calls
        calls += 1
        return iter(posteriors)

    found = tune(counting, texts, plan(rescore={"path": str(neural)}), TOKENIZER)
    assert calls == 1
    assert found["neural_weight"] > 0
    assert found["weight"] == 0
    assert found["rate_decoded"] < 0.5 * found["rate_without_lm"]
    tuned = config.parse(Decode, found["plan"])
    assert rate(texts, posteriors, tuned) == pytest.approx(found["rate_decoded"])


def test_both_weights_are_found_together(neural: Path, tmp_path: Path) -> None:
    arpa = Turning(sure=0.5).write(tmp_path / "vague.arpa")
    texts = turning(30)
    posteriors = heard(texts, 4, doubt=0.3)
    asked = plan(lm={"path": str(arpa)}, rescore={"path": str(neural)})
    found = tune(lambda: posteriors, texts, asked, TOKENIZER)
    alone = tune(lambda: posteriors, texts, plan(lm={"path": str(arpa)}), TOKENIZER)
    assert found["rate_decoded"] <= alone["rate_decoded"]
    assert found["neural_weight"] > 0
    assert np.array(found["surface"]["rate"]).shape == (6, 7, 7)
    assert rate(texts, posteriors, config.parse(Decode, found["plan"])) == pytest.approx(found["rate_decoded"])
    assert fusion_surface(found).startswith(b"\x89PNG")


def test_rescored_labels_add_up_and_are_in_order(neural: Path) -> None:
    decoding = plan(rescore={"path": str(neural), "weight": 0.5, "bonus": 0.25}, tuning={})
    for _, log_probs, lengths in heard(turning(3), 0, doubt=0.5):
        for label in decode.labels(log_probs, lengths, decoding, TOKENIZER):
            scores = [found.score for found in label.nbest]
            assert scores == sorted(scores, reverse=True)
            for found in label.nbest:
                lm = Fake().log_prob([found.tokens])[0]
                assert found.score == pytest.approx(found.acoustic + 0.5 * lm + 0.25 * len(found.tokens))
            assert label.margin == pytest.approx(scores[0] - scores[1])


def test_a_plan_that_leaves_weights_open_labels_nothing(arpa: Path) -> None:
    _, log_probs, lengths = heard(turning(3), 0, doubt=0.0)[0]
    with pytest.raises(LMError, match="`tune` stands for what a run finds on dev"):
        decode.labels(log_probs, lengths, plan(lm={"path": str(arpa)}), TOKENIZER)


def test_a_language_model_over_other_units_is_refused(tmp_path: Path) -> None:
    other = train_tokenizer(["xx yy"], TokenizerPlan(kind="word"))
    NeuralLM(build(NetPlan(width=8, layers=1), other.size), other).save(tmp_path / "lm", {})
    _, log_probs, lengths = heard(turning(3), 0, doubt=0.0)[0]
    with pytest.raises(LMError, match="over 2 word units, not the recogniser's 3"):
        decode.labels(
            log_probs, lengths, plan(rescore={"path": str(tmp_path / "lm"), "weight": 0.5}, tuning={}), TOKENIZER
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"beam": 1, "rescore": {"path": "x"}, "tuning": {}}, "nothing to rescore"),
        ({"lm": {"path": "x"}, "rescore": {"path": "y", "bonus": 1.0}}, "with lm its bonus counts"),
        ({"lm": {"path": "x", "weight": 0.0}, "rescore": {"path": "y"}}, "leave lm out beside rescore"),
        ({"tuning": {"rows": 5}}, "tuning has no effect"),
        ({"lm": {"path": "x", "weight": "auto"}}, "lm.weight"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(config.ConfigError, match=message):
        plan(**change)


@pytest.mark.parametrize("lexicon", ["vocabulary", None])
def test_the_parts_of_a_label_add_up_to_the_score_of_the_search(
    lexicon: str | None, arpa: Path, tmp_path: Path
) -> None:
    """So that scoring a list under other weights is what a search under these would have scored."""
    characters = train_tokenizer([" ".join(WORDS)], TokenizerPlan(kind="char"))
    path = arpa if lexicon else SmallNgram(characters.names[1:], 2, seed=0, share=1.0).write(tmp_path / "units.arpa")
    draw = np.random.default_rng(0)
    log_probs = torch.tensor(draw.normal(0, 2, (2, 14, characters.size)), dtype=torch.float32).log_softmax(-1)
    asked = plan(beam=200, lm={"path": str(path), "lexicon": lexicon, "beam_tokens": 99, "beam_threshold": 99.0})
    batch = (range(2), log_probs, torch.tensor([14, 11]))
    search = Search(lambda: [batch], ["aa bb", "cc"], asked, characters, "cpu", 1)
    point = Point(0.5, 0.0, 1.5)
    (nbests,) = search.decode([point])
    lm = asked.lm
    assert lm is not None
    given = asked.model_copy(update={"lm": lm.model_copy(update={"weight": 0.5, "bonus": 1.5, "nbest": 200})})
    for nbest, label in zip(nbests, decode.labels(*batch[1:], given, characters), strict=True):
        assert len(nbest) == len(label.nbest) > 1
        for found in label.nbest:
            parts = nbest[tuple(found.tokens)]
            assert found.score == pytest.approx(parts.acoustic + 0.5 * parts.lm + 1.5 * parts.length)
