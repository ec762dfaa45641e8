"""CTC beam searches with an n-gram, ours and other libraries', as (log probabilities of an utterance) -> text.

T frames, V vocabulary; index 0 is the blank. Weight and bonus are given in nats, and passed on in each library's units.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from nst_asr.speech.beam import LmPlan, search
from nst_asr.speech.lexicon import Spelling, read, spelt
from nst_asr.speech.ngram.arpa import read_arpa
from nst_asr.speech.tokenizer import SPACE, Tokenizer

Decode = Callable[[np.ndarray], str]
_MARKS = {"<s>", "</s>", "<unk>", "<UNK>"}


@dataclass(frozen=True)
class Task:
    """What all systems of one run have in common."""

    tokenizer: Tokenizer
    plan: LmPlan
    folder: Path  # for files that a library wants

    @property
    def spellings(self) -> list[Spelling]:
        """The words and their units; none without a lexicon."""
        if self.plan.lexicon is None:
            return []
        if isinstance(self.plan.lexicon, Path):
            return read(self.plan.lexicon, self.tokenizer)
        words = [word for word in read_arpa(self.plan.path).names if word not in _MARKS]
        return spelt(words, self.tokenizer, str(self.plan.path))


def ours(task: Task, beam: int) -> Decode:
    """This package's search."""
    plan = task.plan.model_copy(update={"nbest": min(task.plan.nbest, beam)})

    def decode(log_probs: np.ndarray) -> str:
        found = search([log_probs.astype(np.float64)], beam, plan, task.tokenizer)
        return task.tokenizer.decode(found[0][0].tokens)

    return decode


def torchaudio_plain(task: Task, beam: int) -> Decode:
    """torchaudio's flashlight decoder with its own defaults: every unit in every frame, threshold 50."""
    return _torchaudio(task, beam, {})


def torchaudio_pruned(task: Task, beam: int) -> Decode:
    """The same with this package's pruning."""
    pruning = {"beam_size_token": task.plan.beam_tokens, "beam_threshold": task.plan.beam_threshold}
    return _torchaudio(task, beam, pruning)


def torchaudio_summed(task: Task, beam: int) -> Decode:
    """The same, alignments of a label summed as this package does."""
    pruning = {"beam_size_token": task.plan.beam_tokens, "beam_threshold": task.plan.beam_threshold}
    return _torchaudio(task, beam, {**pruning, "log_add": True})


def _torchaudio(task: Task, beam: int, pruning: Mapping[str, object]) -> Decode:
    weight, bonus = task.plan.numbers
    blank = task.tokenizer.names[0]
    decoder = import_module("torchaudio.models.decoder").ctc_decoder(
        lexicon=_lexicon_file(task),
        tokens=list(task.tokenizer.names),
        lm=str(task.plan.path),
        beam_size=beam,
        lm_weight=weight * math.log(10),  # its scores are logarithms to base 10
        word_score=bonus,
        blank_token=blank,
        # what may follow a word: the space of characters; pieces have none, and the blank stands in for it
        sil_token=SPACE if task.tokenizer.kind == "char" else blank,
        **pruning,
    )

    def decode(log_probs: np.ndarray) -> str:
        hypotheses = decoder(torch.from_numpy(log_probs)[None])[0]
        if not hypotheses:
            return ""
        if task.plan.lexicon is not None:
            return " ".join(hypotheses[0].words)
        return task.tokenizer.decode([unit for unit in hypotheses[0].tokens.tolist() if unit])

    return decode


def _lexicon_file(task: Task) -> str | None:
    if task.plan.lexicon is None:
        return None
    path = task.folder / "lexicon.txt"
    names = task.tokenizer.names
    lines = [" ".join([spelling.word, *(names[unit] for unit in spelling.units)]) for spelling in task.spellings]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def pyctcdecode(task: Task, beam: int) -> Decode:
    """pyctcdecode's, of words over characters or pieces; it knows no other language models."""
    logging.getLogger("pyctcdecode").setLevel(logging.ERROR)
    weight, bonus = task.plan.numbers
    decoder = import_module("pyctcdecode").build_ctcdecoder(
        ["", *_spaced(task.tokenizer)[1:]],
        kenlm_model_path=str(task.plan.path),
        unigrams=sorted({spelling.word for spelling in task.spellings}),
        alpha=weight,
        beta=bonus,
    )

    def decode(log_probs: np.ndarray) -> str:
        return str(decoder.decode(log_probs, beam_width=beam))

    return decode


def speechbrain(task: Task, beam: int) -> Decode:
    """SpeechBrain's CTCBeamSearcher, likewise."""
    logging.getLogger("speechbrain").setLevel(logging.ERROR)
    weight, bonus = task.plan.numbers
    searcher = import_module("speechbrain.decoders.ctc").CTCBeamSearcher(
        blank_index=0,
        vocab_list=["", *_spaced(task.tokenizer)[1:]],
        kenlm_model_path=str(task.plan.path),
        unigrams=sorted({spelling.word for spelling in task.spellings}),
        alpha=weight,
        beta=bonus,
        beam_size=beam,
    )

    def decode(log_probs: np.ndarray) -> str:
        return str(searcher(torch.from_numpy(log_probs)[None], torch.ones(1))[0][0].text)

    return decode


def _spaced(tokenizer: Tokenizer) -> list[str]:
    """The units as the others name them: the space of characters is one."""
    return [" " if tokenizer.kind == "char" and name == SPACE else name for name in tokenizer.names]


SYSTEMS: dict[str, tuple[Callable[[Task, int], Decode], tuple[str, ...], bool]] = {
    # what builds it, the packages that it needs, whether it takes language models over units
    "nst_asr": (ours, (), True),
    "torchaudio": (torchaudio_plain, ("flashlight", "kenlm"), True),
    "torchaudio, our pruning": (torchaudio_pruned, ("flashlight", "kenlm"), True),
    "torchaudio, our pruning, log_add": (torchaudio_summed, ("flashlight", "kenlm"), True),
    "pyctcdecode": (pyctcdecode, ("pyctcdecode", "kenlm"), False),
    "SpeechBrain": (speechbrain, ("speechbrain", "kenlm"), False),
}


def systems(task: Task) -> tuple[dict[str, Callable[[Task, int], Decode]], dict[str, str]]:
    """Those that can be run, and why others cannot."""
    able: dict[str, Callable[[Task, int], Decode]] = {}
    unable: dict[str, str] = {}
    for name, (build, packages, takes_units) in SYSTEMS.items():
        missing = [package for package in packages if find_spec(package) is None]
        if missing:
            unable[name] = f"not installed: {', '.join(missing)}"
        elif task.plan.lexicon is None and not takes_units:
            unable[name] = "takes language models over words only; give --lexicon"
        else:
            able[name] = build
    return able, unable
