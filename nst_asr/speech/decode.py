"""Labels out of log probabilities.

B batch, T frames (after subsampling), U tokens, V vocabulary; index 0 is the blank.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Self

from pydantic import Field, model_validator
from torch import Tensor

from nst_asr.plan import Decoding
from nst_asr.speech import beam as lm_search
from nst_asr.speech.alignment import align as align
from nst_asr.speech.alignment import check, frames_of
from nst_asr.speech.beam import Found, LmPlan
from nst_asr.speech.confidence import Confidence as Confidence
from nst_asr.speech.confidence import confidences as confidences
from nst_asr.speech.ctc import BLANK
from nst_asr.speech.fusion import FusionPlan
from nst_asr.speech.lm import model as neural
from nst_asr.speech.rescore import RescorePlan, language_model, rescored
from nst_asr.speech.search import prefix_search, spell
from nst_asr.speech.tokenizer import Tokenizer


class DecodePlan(Decoding):
    """How a label is looked for."""

    beam: int = Field(1, ge=1)  # prefixes kept after each frame; 1 = greedy
    lm: LmPlan | None = None  # null: what the model hears by itself
    rescore: RescorePlan | None = None  # a neural language model that judges all labels in the beam
    tuning: FusionPlan = FusionPlan()  # where weights are looked for that `lm` and `rescore` leave to `tune`

    @model_validator(mode="after")
    def _lm_has_a_beam(self) -> Self:
        if self.lm is not None and self.beam == 1:
            raise ValueError("beam = 1 is greedy and asks no language model; with lm take a beam of 8 or more")
        if self.lm is not None and self.lm.nbest > self.beam:
            raise ValueError(
                f"lm.nbest = {self.lm.nbest} is more than the beam = {self.beam} holds; raise beam, or lower lm.nbest"
            )
        return self

    @model_validator(mode="after")
    def _rescoring_has_labels_to_choose_from(self) -> Self:
        if self.rescore is not None and self.beam == 1:
            raise ValueError("beam = 1 is greedy and gives one label: nothing to rescore; take a beam of 8 or more")
        if self.rescore is not None and self.lm is not None and self.rescore.bonus is not None:
            raise ValueError(f"rescore.bonus = {self.rescore.bonus}: with lm its bonus counts, lm.bonus; leave it out")
        if self.second_lm is not None and self.lm is not None and self.lm.weight == 0:
            raise ValueError("lm.weight = 0 is no language model in the search: leave lm out beside rescore")
        if self.lm is None and self.rescore is None and self.tuning != FusionPlan():
            raise ValueError("tuning has no effect where there is neither lm nor rescore; leave it out")
        return self

    @property
    def first_lm(self) -> LmPlan | None:
        """The language model of the search, where it has a weight."""
        return self.lm if self.lm is not None and self.lm.weight != 0 else None

    @property
    def second_lm(self) -> RescorePlan | None:
        """The language model that rescores, where it has a weight."""
        return self.rescore if self.rescore is not None and self.rescore.weight != 0 else None

    @property
    def leaves_open(self) -> bool:
        """Whether a weight or bonus of a language model is still to be found on dev."""
        return any("tune" in (lm.weight, lm.bonus) for lm in (self.first_lm, self.second_lm) if lm)

    @property
    def alone(self) -> Self:
        """The same by the model alone: greedy, as every label with a language model is compared with."""
        if self.lm is None and self.rescore is None:
            return self
        return self.model_copy(update={"beam": 1, "lm": None, "rescore": None, "tuning": FusionPlan()})


@dataclass(frozen=True)
class Hypothesis:
    """A label and its log probability, nats, summed over the alignments that the search saw: at most the true one."""

    tokens: list[int]
    logprob: float


@dataclass(frozen=True)
class Label:
    """The label of an utterance and what the search says of it.

    tokens: without blanks. score: what was maximised, nats; lm_logprob: the language model's part, nats, before its
    weight (the neural one's where it rescored); tokens_without_lm: the greedy label of the same frames; all three None
    without a language model. margin: nats between the score and that of the best label of another text, None under
    greedy decoding and where nothing else was found; with a language model it is at most lm.beam_threshold, and that
    where nothing else was found: the search drops what is farther away. nbest: the best labels, the first of them this
    one; empty under greedy decoding.
    """

    tokens: list[int]
    score: float | None = None
    lm_logprob: float | None = None
    margin: float | None = None
    tokens_without_lm: list[int] | None = None
    nbest: tuple[Found, ...] = ()


def labels(
    log_probs: Tensor, lengths: Tensor, plan: DecodePlan, tokenizer: Tokenizer, *, threads: int = 1
) -> list[Label]:
    """The label of each utterance as the plan has it. log_probs: (B, T, V) nats; lengths: (B,).

    threads: that search with a language model; the labels do not depend on it. Raises ValueError for log probabilities
    that are not a number, and LMError for a language model or lexicon that cannot be used.
    """
    alone = greedy(log_probs, lengths)
    first, second = plan.first_lm, plan.second_lm
    if first is None and second is None:
        if plan.lm is not None or plan.rescore is not None:  # of weight 0
            return [Label(tokens, tokens_without_lm=tokens) for tokens in alone]
        if plan.beam == 1:
            return [Label(tokens) for tokens in alone]
    nbests = _nbests(log_probs, lengths, plan, tokenizer, threads)
    if second is not None:
        judged = rescored(nbests, second, language_model(second, tokenizer, str(log_probs.device)))
        heard = zip(judged, alone, strict=True)
        return [_label(nbest, nbest[0].neural, without, first, tokenizer) for nbest, without in heard]
    if first is not None:
        found = zip(nbests, alone, strict=True)
        return [_label(nbest, nbest[0].lm, without, first, tokenizer) for nbest, without in found]
    return [Label(nbest[0].tokens, margin=_margin(nbest, tokenizer), nbest=tuple(nbest)) for nbest in nbests]


def _nbests(
    log_probs: Tensor, lengths: Tensor, plan: DecodePlan, tokenizer: Tokenizer, threads: int
) -> Sequence[Sequence[Found]]:
    """The best labels after the search, best first: all in the beam where they are to be rescored."""
    if plan.first_lm is not None:
        rows = list(frames_of(log_probs, lengths))
        most = plan.beam if plan.second_lm else plan.first_lm.nbest
        first = plan.first_lm.model_copy(update={"nbest": most})
        return lm_search.search(rows, plan.beam, first, tokenizer, threads=threads)
    return [
        [Found(h.tokens, h.logprob, 0.0, h.logprob) for h in hypotheses]
        for hypotheses in beam_search(log_probs, lengths, plan.beam)
    ]


def _label(nbest: Sequence[Found], lm: float, without: list[int], search: LmPlan | None, tokenizer: Tokenizer) -> Label:
    margin = _margin(nbest, tokenizer)
    if search is not None:
        margin = search.beam_threshold if margin is None else min(margin, search.beam_threshold)
    return Label(nbest[0].tokens, nbest[0].score, lm, margin, without, tuple(nbest))


def fingerprint(plan: DecodePlan, apart: Collection[str] = ()) -> str:
    """Names all that decoding depends on: the plan, and the contents of the language models and the lexicon.

    apart: keys of a larger plan that decide something else.
    """
    # without a language model it is as it was before plans had any
    parts = [plan.model_dump_json(exclude={"lm", "rescore", "tuning", *apart})]
    if plan.lm is not None:
        parts += [plan.lm.model_dump_json(exclude={"path", "lexicon"}), *lm_search.digests(plan.lm)]
    if plan.rescore is not None:
        parts += [plan.rescore.model_dump_json(exclude={"path"}), neural.fingerprint(plan.rescore.path)]
    return "\n".join(parts)


def _margin(nbest: Sequence[Found], tokenizer: Tokenizer) -> float | None:
    """Of word pieces several strings are the same text, and count as one label."""
    if len(nbest) < 2:
        return None
    text = tokenizer.decode(nbest[0].tokens)
    return next((nbest[0].score - f.score for f in nbest[1:] if tokenizer.decode(f.tokens) != text), None)


def decode(log_probs: Tensor, lengths: Tensor, plan: DecodePlan) -> list[list[int]]:
    """The label of each utterance by the model alone, without blanks. log_probs: (B, T, V) nats; lengths: (B,).

    Raises ValueError for a plan with a language model, which `labels` asks.
    """
    if plan.lm is not None or plan.rescore is not None:
        raise ValueError("decode() asks no language model; take labels()")
    if plan.beam == 1:
        return greedy(log_probs, lengths)
    return [hypotheses[0].tokens for hypotheses in beam_search(log_probs, lengths, plan.beam)]


def greedy(log_probs: Tensor, lengths: Tensor) -> list[list[int]]:
    """The label of each utterance's most probable path: repeats merged, then blanks removed.

    Graves et al. 2006, section 3.2 (best path decoding). Of equally probable tokens the first in the vocabulary.
    Raises ValueError for log probabilities that are not a number.
    """
    real = check(log_probs, lengths)
    best = log_probs.argmax(dim=2)
    starts = real & (best != BLANK)
    starts[:, 1:] &= best[:, 1:] != best[:, :-1]
    tokens = iter(best[starts].tolist())
    return [list(islice(tokens, count)) for count in starts.sum(dim=1).tolist()]


def beam_search(log_probs: Tensor, lengths: Tensor, beam: int) -> list[list[Hypothesis]]:
    """Up to `beam` labels for each utterance, the most probable first, each only once: CTC prefix beam search.

    After each frame the `beam` most probable prefixes stay; a prefix sums over its alignments (Graves et al. 2006,
    section 3.2; Hannun et al. 2014, algorithm 1, without a language model). With a beam that holds every prefix the
    search is exact; a beam of one is not greedy decoding, it sums where greedy follows one path. Of equally probable
    prefixes the one found first stays ahead. Raises ValueError for log probabilities that are not a number.
    """
    found = []
    for frames in frames_of(log_probs, lengths):
        scores, nodes, tree = prefix_search(frames, beam)
        found.append([Hypothesis(spell(n, tree), s) for n, s in zip(nodes.tolist(), scores.tolist(), strict=True)])
    return found
