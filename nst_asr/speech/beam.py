"""CTC beam search with an n-gram language model: the best labels, their acoustic and LM parts kept apart.

T frames, V vocabulary; index 0 is the blank.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field

from nst_asr.config import Record
from nst_asr.speech import lexicon
from nst_asr.speech.backoff import after, compiled
from nst_asr.speech.ctc import log_probability
from nst_asr.speech.fused import Fusion, Limits, Words, fused_search
from nst_asr.speech.ngram.arpa import is_arpa, read_arpa
from nst_asr.speech.ngram.model import BOS, EOS, UNK
from nst_asr.speech.search import NEVER, spell
from nst_asr.speech.tokenizer import Tokenizer
from nst_asr.store import file_digest

_MARKS = (BOS, EOS, UNK, UNK.upper())  # of a language model, that nobody says
_LEAST = -1e30  # stands for minus infinity where that is multiplied by 0

SomePath = Annotated[Path, Field(strict=False)]


class LMError(ValueError):
    """A language model that cannot be used; the message names it and the way out."""


class LmPlan(Record):
    """A language model in the search: score = log P(label | frames) + weight * log P_LM(label) + bonus * length.

    All in nats; the length is in words with a lexicon, in the model's units without one.
    """

    path: SomePath  # ARPA file: over the model's units, or over words with a lexicon
    weight: Annotated[float, Field(ge=0)] | Literal["tune"] = "tune"  # tune: found on dev; 0: the model by itself
    bonus: float | Literal["tune"] | None = None  # null: as the weight, to be tuned; or 0 beside a weight that is given
    # null: the LM is over the model's units. vocabulary: it is over words, each spelt by the tokenizer. Or a file of
    # lines `word unit unit ...`
    lexicon: Literal["vocabulary"] | SomePath | None = None
    beam_tokens: int = Field(16, ge=1)  # units that may extend a label in a frame: its most probable
    beam_threshold: float = Field(10.0, gt=0)  # nats below the best at which a label is dropped
    nbest: int = Field(4, ge=1)  # labels given, at most

    @property
    def numbers(self) -> tuple[float, float]:
        """Weight and bonus. Raises LMError where one of them is still to be found on dev."""
        if self.weight == "tune" or self.bonus == "tune":
            raise LMError(
                "lm.weight and lm.bonus: `tune` stands for what a run finds on dev; give numbers here, such as those "
                "that fusion.json of a run holds"
            )
        return self.weight, self.bonus or 0.0


@dataclass(frozen=True)
class Found:
    """A label with its score = acoustic + weight * lm + bonus * length, nats."""

    tokens: list[int]
    acoustic: float  # log P(tokens | frames), summed over the alignments that the search saw: at most the true one
    lm: float  # log P of its units or words, and of the end after them
    score: float


@dataclass(frozen=True)
class LanguageModel:
    """An n-gram model with what the search needs to know of a tokenizer's units."""

    fusion: Fusion
    words: Words


def search(
    rows: Sequence[np.ndarray], beam: int, plan: LmPlan, tokenizer: Tokenizer, *, threads: int = 1
) -> list[list[Found]]:
    """Up to plan.nbest labels of each utterance, the best first, each once. rows: log probabilities (T, V), float64.

    A label sums over its alignments, also those of N-best entries that differ in times alone, so none is there twice.
    threads: the search holds no lock; what is found does not depend on it. With a lexicon a label is whole words of it;
    where the beam holds none, it is the best one's whole words. Raises LMError and LexiconError.
    """
    model = load(plan, tokenizer)
    limits = Limits(beam, plan.beam_tokens, plan.beam_threshold)
    if threads <= 1:
        return [_found(row, limits, plan, model) for row in rows]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda row: _found(row, limits, plan, model), rows))


def load(plan: LmPlan, tokenizer: Tokenizer) -> LanguageModel:
    """The plan's language model for a tokenizer, read once in a process. Raises LMError and LexiconError."""
    loaded = _loaded(plan.path, plan.lexicon, *digests(plan), tokenizer)
    weight, bonus = plan.numbers
    return LanguageModel(loaded.fusion._replace(weight=weight, bonus=bonus), loaded.words)


def digests(plan: LmPlan) -> tuple[str, str]:
    """What tells the language model and the lexicon from others: of files, their contents and not their names."""
    return _digest(plan.path), _digest(plan.lexicon) if isinstance(plan.lexicon, Path) else plan.lexicon or ""


def _found(row: np.ndarray, limits: Limits, plan: LmPlan, model: LanguageModel) -> list[Found]:
    acoustic, lm, lengths, nodes, tree = fused_search(row, limits, model.fusion, model.words)
    if not len(nodes):
        raise LMError(
            f"{plan.lexicon}: by these frames every string of the lexicon's words has a probability of 0; give log "
            "probabilities that are not minus infinity, or a lexicon with what was said"
        )
    if acoustic[0] == NEVER:  # a beginning: the search has not summed over its alignments
        label = torch.from_numpy(row)[None], torch.tensor([len(row)]), [spell(int(nodes[0]), tree)]
        acoustic[0] = float(log_probability(*label))
    weight, bonus = plan.numbers
    scores = acoustic + weight * np.maximum(lm, _LEAST) + bonus * lengths
    scores[lm == NEVER] = NEVER
    best = np.argsort(-scores, kind="stable")[: min(plan.nbest, int((lm > NEVER).sum()))]
    return [Found(spell(int(nodes[k]), tree), float(acoustic[k]), float(lm[k]), float(scores[k])) for k in best]


@lru_cache(maxsize=4)
def _loaded(path: Path, spelt_by: Path | str | None, lm: str, spellings: str, tokenizer: Tokenizer) -> LanguageModel:
    """A language model and its words; the digests `lm` and `spellings` tell their files from earlier ones."""
    if not is_arpa(path):
        raise LMError(f"{path}: no ARPA file; of a binary one (KenLM, SRILM) give the ARPA file that it was made of")
    ngram = read_arpa(path)
    known, model = ngram.numbers, compiled(ngram)
    source = str(path)
    if spelt_by is None:
        words = lexicon.without(tokenizer, known, source)
    else:
        found = (
            lexicon.read(spelt_by, tokenizer)
            if isinstance(spelt_by, Path)
            else lexicon.spelt([name for name in ngram.names if name not in _MARKS], tokenizer, source)
        )
        words = lexicon.compiled(found, known, model.logprob[1 : 1 + len(known)], tokenizer, source)
    return LanguageModel(Fusion(model, after([known[BOS]], model), known[EOS], 0.0, 0.0), words)


def _digest(path: Path) -> str:
    """A digest of a file's content, made again only when the file has changed."""
    try:
        stat = path.stat()
        return _file_digest(path, stat.st_mtime_ns, stat.st_size)
    except OSError as error:
        raise LMError(f"{path}: cannot be read ({error.strerror}); name the language model, or its lexicon") from None


@lru_cache(maxsize=8)
def _file_digest(path: Path, changed: int, size: int) -> str:
    return file_digest(path)
