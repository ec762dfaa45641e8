"""A neural language model from text files: a sealed folder, made once, gone on with after a crash."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from nst_asr import sealed
from nst_asr.key import Key
from nst_asr.ranks import RankError, world
from nst_asr.speech.lm.model import NeuralLM
from nst_asr.speech.lm.nets import build
from nst_asr.speech.lm.objective import TextObjective
from nst_asr.speech.lm.plan import NeuralLMPlan
from nst_asr.speech.lm.text import Text, TextError, in_units, parted, read_text
from nst_asr.speech.ngram.made_of import text_files, write_made_of
from nst_asr.speech.ngram.text import read_words
from nst_asr.speech.text_leakage import eightgrams, letters
from nst_asr.speech.tokenizer import Tokenizer
from nst_asr.store import StoreError, once, read_json, write_json
from nst_asr.train import drop_checkpoints, fit

log = logging.getLogger("nst_asr")

_BEGUN = "training.json"  # what the training in an unfinished folder is of


def train_neural(
    texts: Sequence[Path],
    tokenizer: Tokenizer,
    plan: NeuralLMPlan,
    out: Path,
    *,
    held_out: Sequence[Path] = (),
    device: str = "cpu",
) -> dict[str, Any]:
    """The held-out perplexity of the language model in the folder `out`, which is trained unless it is there.

    Killed and started again it gives the same weights, bit for bit, as never stopped (same machine, same threads).
    Raises TextError, NgramError and TokenizerError for text that cannot be used, and StoreError where `out` was made of
    other text or another plan.
    """
    if world() > 1:
        raise RankError("a language model is trained by one process: leave torchrun away")
    if out.exists() and not (out / sealed.DESCRIPTION).is_file():
        raise StoreError(f"{out}: there already, and no language model; name a folder that is not there yet")
    key, words = Key(plan.seed)["lm"], read_words(texts)
    learnt = in_units(words, tokenizer, plan.longest, ", ".join(map(str, texts)))
    if held_out:
        held = read_text(held_out, tokenizer, plan.longest)
    else:
        learnt, held = parted(learnt, plan.held_out, key["held-out"])
        if not len(learnt):
            raise TextError(f"{', '.join(map(str, texts))}: every sentence was held out; lower held_out, or give more")
    lineage = {
        "text": learnt.fingerprint,
        "held_out": held.fingerprint,
        "tokenizer": tokenizer.fingerprint,
        "plan": _deciding(plan),
    }

    def make(part: Path) -> None:
        _begin(part, lineage)
        # what guards against transcripts of a corpus in a language model's text
        write_made_of(part, {"text": text_files(texts), "letters": letters(words)}, eightgrams(words))
        if not sealed.is_finished(part):  # killed between the last file and the renaming of the folder
            _train(learnt, held, tokenizer, plan, lineage, part, key, device)
        drop_checkpoints(part)
        (part / _BEGUN).unlink()

    once(out, make)
    _refuse_other(out / sealed.DESCRIPTION, out, lineage)
    return dict(read_json(out / "perplexity.json"))


def _train(
    learnt: Text,
    held: Text,
    tokenizer: Tokenizer,
    plan: NeuralLMPlan,
    lineage: dict[str, Any],
    out: Path,
    key: Key,
    device: str,
) -> None:
    torch.manual_seed(key["init"].number())
    net = build(plan.net, tokenizer.size).to(device)
    objective = TextObjective(net, learnt, plan.fit, key["batches"], torch.device(device))
    log.info(
        "%s of %.2f M parameters; %d sentences of %d units; %d updates of %g units, %.2f epochs",
        *(plan.net.kind, sum(p.numel() for p in net.parameters()) / 1e6, len(learnt), len(learnt.units)),
        *(plan.fit.updates, plan.fit.batch, plan.fit.updates / objective.epoch),
    )
    net.load_state_dict(fit(objective, plan.fit, out, key["fit"], f"train {out.name.removesuffix('.part')}"))
    found = NeuralLM(net, tokenizer)
    write_json(out / "perplexity.json", found.perplexity(held) if len(held) else {"sentences": 0})
    found.save(out, lineage)


def _begin(folder: Path, lineage: dict[str, Any]) -> None:
    """Make the folder, or refuse the one that another training was killed in."""
    folder.mkdir(parents=True, exist_ok=True)
    begun = folder / _BEGUN
    if begun.exists():
        _refuse_other(begun, folder, lineage)
    write_json(begun, {"lineage": lineage})


def _refuse_other(description: Path, folder: Path, lineage: dict[str, Any]) -> None:
    known = read_json(description)["lineage"]
    other = [name for name, value in lineage.items() if known.get(name) != value]
    if other:
        raise StoreError(
            f"{folder}: holds a language model made with another {' and another '.join(other)}; "
            "use another folder, or move this one away"
        )


def _deciding(plan: NeuralLMPlan) -> dict[str, Any]:
    """The plan without what changes only how fast a training goes."""
    free = {"checkpoint_every", "log_every", "loaders"}
    return plan.model_dump(mode="json", exclude={"fit": free})


def describe(found: dict[str, Any], folder: Path) -> str:
    """One line for people."""
    if not found["sentences"]:
        return f"{folder}: trained; no text was held out to measure it on"
    return (
        f"{folder}: perplexity {found['unit_perplexity']:.2f} a unit, {found['word_perplexity']:.1f} a word, on "
        f"{found['sentences']} held-out sentences of {found['words']} words"
    )
