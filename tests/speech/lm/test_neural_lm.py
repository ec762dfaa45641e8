"""Neural language models: what they learn, that both ways to ask them agree, and that a crash leaves no trace."""

import gzip
import json
import logging
import math
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from nst_asr import config, train
from nst_asr.key import Key
from nst_asr.speech.lm.model import NeuralLM, fingerprint, load
from nst_asr.speech.lm.nets import build
from nst_asr.speech.lm.objective import TextObjective
from nst_asr.speech.lm.plan import LMFit, NetPlan, NeuralLMPlan
from nst_asr.speech.lm.text import TextError, parted, read_text
from nst_asr.speech.lm.training import train_neural
from nst_asr.speech.tokenizer import Tokenizer, TokenizerPlan
from nst_asr.speech.tokenizer import train as train_tokenizer
from nst_asr.store import StoreError

NOUNS, VERBS = ("cat", "dog", "cow"), ("sees", "hears")


def grammar(count: int, seed: int = 0) -> list[str]:
    """the NOUN VERB the NOUN, or the same with 'and the NOUN'."""
    draw = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        first, second, third = draw.choice(NOUNS, 3)
        more = f" and the {third}" if draw.random() < 0.5 else ""
        found.append(f"the {first} {draw.choice(VERBS)} the {second}{more}")
    return found


TOKENIZER = train_tokenizer(grammar(100), TokenizerPlan(kind="word"))


def plan(kind: str = "lstm", **fit: object) -> NeuralLMPlan:
    content = {
        "net": {"kind": kind, "width": 32, "layers": 2, "dropout": 0.1},
        "fit": {"updates": 150, "batch": 200, "peak_rate": 0.01, "warmup": 5, "threads": 1, "checkpoint_every": 7}
        | fit,
        "longest": 50,
    }
    return config.parse(NeuralLMPlan, content)


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt.gz"
    path.write_bytes(gzip.compress("\n".join(grammar(400)).encode()))
    return path


@pytest.fixture
def held(tmp_path: Path) -> Path:
    path = tmp_path / "held.txt"
    path.write_text("\n".join(grammar(100, seed=1)))
    return path


def model(kind: str = "lstm") -> NeuralLM:
    torch.manual_seed(3)
    return NeuralLM(build(NetPlan.model_validate({"kind": kind, "width": 16, "layers": 2}), TOKENIZER.size), TOKENIZER)


def unigram_perplexity(learnt: list[str], held: list[str]) -> float:
    counts = Counter(word for line in learnt for word in [*line.split(), "</s>"])
    wanted = [word for line in held for word in [*line.split(), "</s>"]]
    return math.exp(-sum(math.log(counts[word] / counts.total()) for word in wanted) / len(wanted))


@pytest.mark.parametrize("kind", ["lstm", "transformer"])
def test_it_learns_a_grammar_that_a_unigram_cannot(kind: str, text: Path, held: Path, tmp_path: Path) -> None:
    found = train_neural([text], TOKENIZER, plan(kind), tmp_path / "lm", held_out=[held])
    # what the grammar leaves open: two or three nouns of three, a verb of two, to go on or not
    entropy = (2.5 * math.log(3) + 2 * math.log(2)) / (0.5 * 6 + 0.5 * 9)
    assert found["unit_perplexity"] < 1.1 * math.exp(entropy)
    assert found["unit_perplexity"] < 0.4 * unigram_perplexity(grammar(400), grammar(100, seed=1))
    assert found == json.loads((tmp_path / "lm" / "perplexity.json").read_text())
    assert not list((tmp_path / "lm").glob("checkpoint-*"))


@pytest.mark.parametrize("kind", ["lstm", "transformer"])
def test_a_sentence_is_as_probable_as_its_units_one_after_the_other(kind: str) -> None:
    found, sentence = model(kind), [1, 2, 2, 3, 1, 4]
    log_probs, state = found.start(2)
    total = torch.zeros(2)
    for unit in sentence:
        total += log_probs[:, unit]
        log_probs, state = found.step(state, torch.tensor([unit, unit]))
    total += log_probs[:, 0]
    assert total.tolist() == pytest.approx([found.log_prob([sentence])[0]] * 2, abs=1e-4)


@pytest.mark.parametrize("kind", ["lstm", "transformer"])
def test_states_can_be_picked_by_their_places(kind: str) -> None:
    """What a search does when it keeps other hypotheses than it had."""
    found = model(kind)
    _, state = found.start(3)
    _, state = found.step(state, torch.tensor([1, 2, 3]))
    swapped, _ = found.step(tuple(part[[2, 0]] for part in state), torch.tensor([4, 5]))
    straight, _ = found.step(state, torch.tensor([5, 1, 4]))
    assert torch.allclose(swapped, straight[[2, 0]], atol=1e-5)


@pytest.mark.parametrize("kind", ["lstm", "transformer"])
def test_all_continuations_sum_to_one(kind: str) -> None:
    log_probs, _ = model(kind).start(1)
    assert float(log_probs.exp().sum()) == pytest.approx(1.0)


def test_a_sentence_does_not_depend_on_its_company() -> None:
    found = model()
    together = found.log_prob([[1], [1, 2, 3, 4, 5], [], [3, 3]])
    alone = [found.log_prob([sentence])[0] for sentence in ([1], [1, 2, 3, 4, 5], [], [3, 3])]
    assert together.tolist() == pytest.approx(alone, abs=1e-5)


def test_what_is_no_unit_is_refused() -> None:
    with pytest.raises(ValueError, match="not all are units"):
        model().log_prob([[0, 1]])


def killed(folder: Path, text: Path, held: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training that dies after its second checkpoint."""
    save, done = train._State.save, []

    def dying(self: train._State, place: Path, update: int) -> None:
        save(self, place, update)
        done.append(update)
        if len(done) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(train._State, "save", dying)
        with pytest.raises(KeyboardInterrupt):
            train_neural([text], TOKENIZER, plan(updates=30), folder, held_out=[held])


def test_a_killed_training_gives_the_weights_of_one_never_stopped(
    text: Path, held: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(tmp_path / "killed", text, held, monkeypatch)
    assert not (tmp_path / "killed").exists()
    for name in ("killed", "whole"):
        train_neural([text], TOKENIZER, plan(updates=30), tmp_path / name, held_out=[held])
    assert fingerprint(tmp_path / "killed") == fingerprint(tmp_path / "whole")


def test_another_plan_or_text_in_the_same_folder_is_refused(
    text: Path, held: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(tmp_path / "lm", text, held, monkeypatch)
    with pytest.raises(StoreError, match="made with another plan"):
        train_neural([text], TOKENIZER, plan(updates=31), tmp_path / "lm", held_out=[held])
    train_neural([text], TOKENIZER, plan(updates=30), tmp_path / "lm", held_out=[held])
    with pytest.raises(StoreError, match="made with another text"):
        train_neural([held], TOKENIZER, plan(updates=30), tmp_path / "lm", held_out=[held])


def test_a_folder_is_self_contained_and_its_hash_tells_of_damage(text: Path, held: Path, tmp_path: Path) -> None:
    found = train_neural([text], TOKENIZER, plan(updates=5), tmp_path / "lm", held_out=[held])
    moved = shutil.copytree(tmp_path / "lm", tmp_path / "moved")
    again = load(moved)
    assert again.perplexity(read_text([held], again.tokenizer, 50)) == pytest.approx(found)
    (moved / "weights.safetensors").write_bytes((moved / "weights.safetensors").read_bytes()[:-4] + b"\0\0\0\1")
    with pytest.raises(StoreError, match="damaged"):
        load(moved)


def test_every_sentence_is_read_once_an_epoch_and_batches_follow_from_their_number(text: Path) -> None:
    learnt = read_text([text], TOKENIZER, 50)
    fit = LMFit(updates=1, warmup=0, batch=100)
    both = [TextObjective(model().net, learnt, fit, Key(7), torch.device("cpu")) for _ in range(2)]
    steps = 16 * math.ceil(both[0].epoch / 16)
    drawn = np.concatenate([both[0].batch(step) for step in range(steps)])
    assert set(drawn.tolist()) == set(range(400))
    assert np.bincount(drawn).max() <= 2
    assert both[1].batch(9).tolist() == both[0].batch(9).tolist()


def test_pieces_hold_the_whole_batch_whatever_the_number_of_processes(text: Path) -> None:
    learnt = read_text([text], TOKENIZER, 50)
    objective = TextObjective(model().net, learnt, LMFit(updates=1, warmup=0, batch=100), Key(7), torch.device("cpu"))
    objective.model.eval()
    alone, two = objective.load(5), [piece for rank in (0, 1) for piece in objective.load(5, rank, 2)]
    assert sorted(id for piece in two for id in piece.ids) == sorted(id for piece in alone for id in piece.ids)
    losses = [sum(objective.loss(piece).item() for piece in pieces) for pieces in (alone, two)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert losses[0] == pytest.approx(
        -model().log_prob([learnt[place].tolist() for place in objective.batch(5)]).sum(), rel=1e-5
    )


def test_sentences_that_are_too_long_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="nst_asr")
    (tmp_path / "x.txt").write_text("the cat sees the dog\n" + "the " * 60)
    found = read_text([tmp_path / "x.txt"], TOKENIZER, 50)
    assert (len(found), found.words.tolist()) == (1, [5])
    assert "x.txt: left out 0 sentences with what the tokenizer does not know, and 1 of more than 50" in caplog.text
    with pytest.raises(TextError, match="no sentence of at most 3 units"):
        read_text([tmp_path / "x.txt"], TOKENIZER, 3)


@pytest.mark.parametrize("kind", ["word", "char", "unigram"])
def test_words_are_counted_whatever_the_units(kind: str, text: Path) -> None:
    pieces = 17 if kind == "unigram" else None
    found = read_text(
        [text], train_tokenizer(grammar(100), TokenizerPlan.model_validate({"kind": kind, "pieces": pieces})), 200
    )
    assert found.words.tolist() == [len(line.split()) for line in grammar(400)]


def test_equal_sentences_are_held_out_together(text: Path) -> None:
    learnt, held = parted(read_text([text, text], TOKENIZER, 50), 0.3, Key(0))
    assert len(held)
    assert len(learnt) + len(held) == 800
    assert not {tuple(learnt[i]) for i in range(len(learnt))} & {tuple(held[i]) for i in range(len(held))}


def test_settings_that_do_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="heads = 2 has no effect"):
        NetPlan(kind="lstm", heads=2)
    with pytest.raises(ValueError, match="cannot hold a sentence"):
        NeuralLMPlan(fit=LMFit(updates=1, warmup=0, batch=100))


def test_a_tokenizer_of_characters_will_do(tmp_path: Path, text: Path) -> None:
    characters = train_tokenizer(grammar(100), TokenizerPlan(kind="char"))
    found = train_neural([text], characters, plan(updates=3, warmup=1), tmp_path / "lm")
    assert isinstance(load(tmp_path / "lm").tokenizer, Tokenizer)
    assert found["words"] < found["units"]
