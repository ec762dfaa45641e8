"""A neural language model judges the labels that a search has found: the N-best, in a new order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from nst_asr.config import Record
from nst_asr.speech.beam import Found, LMError
from nst_asr.speech.lm import model as neural
from nst_asr.speech.tokenizer import Tokenizer


class RescorePlan(Record):
    """A second look at all labels in the beam: score = that of the search + weight * log P_LM(label) + bonus * units.

    All in nats. After a search with a language model of its own the length has its bonus already (`lm.bonus`).
    """

    path: Annotated[Path, Field(strict=False)]  # folder of a neural language model over the model's units
    weight: Annotated[float, Field(ge=0)] | Literal["tune"] = "tune"  # tune: found on dev; 0: off
    bonus: float | Literal["tune"] | None = None  # nats a unit, where the search had no language model; null: tune

    @property
    def numbers(self) -> tuple[float, float]:
        """Weight and bonus. Raises LMError where the weight, or a bonus, is still to be found on dev."""
        if self.weight == "tune" or self.bonus == "tune":
            raise LMError(
                "rescore.weight and rescore.bonus: `tune` stands for what a run finds on dev; give numbers here, such "
                "as those that fusion.json of a run holds"
            )
        return self.weight, self.bonus or 0.0


@dataclass(frozen=True)
class Rescored(Found):
    """A label that was looked at twice: its score holds weight * neural too."""

    neural: float  # log P of the neural language model, the end included, nats


def rescored(nbests: Sequence[Sequence[Found]], plan: RescorePlan, lm: neural.NeuralLM) -> list[list[Rescored]]:
    """Each N-best with the neural language model's part added, best first; of equal scores the earlier stays ahead."""
    weight, bonus = plan.numbers
    result = []
    looked_at = judged([[found.tokens for found in nbest] for nbest in nbests], lm)
    for nbest, logprobs in zip(nbests, looked_at, strict=True):
        again = [
            Rescored(f.tokens, f.acoustic, f.lm, f.score + weight * logprob + bonus * len(f.tokens), logprob)
            for f, logprob in zip(nbest, logprobs.tolist(), strict=True)
        ]
        result.append(sorted(again, key=lambda found: -found.score))
    return result


def judged(labels: Sequence[Sequence[Sequence[int]]], lm: neural.NeuralLM) -> list[np.ndarray]:
    """log P of each label of each utterance, nats."""
    flat = lm.log_prob([tokens for nbest in labels for tokens in nbest])
    return np.split(flat, np.cumsum([len(nbest) for nbest in labels])[:-1]) if labels else []


def language_model(plan: RescorePlan, tokenizer: Tokenizer, device: str) -> neural.NeuralLM:
    """The plan's language model. Raises LMError where its units are not the recogniser's; StoreError for no model."""
    found = neural.loaded(plan.path, neural.fingerprint(plan.path), device)
    if found.tokenizer.fingerprint != tokenizer.fingerprint:
        raise LMError(
            f"{plan.path}: this language model is over {found.tokenizer.size - 1} {found.tokenizer.kind} units, not "
            f"the recogniser's {tokenizer.size - 1} {tokenizer.kind} units; train one with the tokenizer/ of this run"
        )
    return found
