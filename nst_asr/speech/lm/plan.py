"""How a neural language model is made."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from nst_asr.config import Record
from nst_asr.plan import FitPlan


class NetPlan(Record):
    """The net. Embedding and output share their weights (Press and Wolf 2017)."""

    kind: Literal["lstm", "transformer"] = "lstm"
    width: int = Field(512, ge=2)
    layers: int = Field(2, ge=1)
    dropout: float = Field(0.1, ge=0, lt=1)
    heads: int = Field(4, ge=1)  # transformer
    feed_forward: int = Field(4, ge=1)  # transformer: times the width

    @model_validator(mode="after")
    def _settings_are_used(self) -> Self:
        if self.kind == "lstm":
            for name in ("heads", "feed_forward"):
                if (value := getattr(self, name)) != NetPlan.model_fields[name].default:
                    raise ValueError(f"{name} = {value} has no effect where kind = lstm; leave it out")
        elif self.width % self.heads or self.width % 2:
            raise ValueError(f"width = {self.width} is odd, or no multiple of heads = {self.heads}; change one of them")
        return self


class LMFit(FitPlan):
    """How a language model's weights are found. `batch` counts units of text, each sentence's end included."""

    batch: float = Field(4000, gt=0)


class NeuralLMPlan(Record):
    """A whole training."""

    seed: int = Field(0, ge=0)
    net: NetPlan = NetPlan()
    fit: LMFit
    longest: int = Field(400, ge=1)  # units; longer sentences are left out, and counted in the log
    # of the sentences that perplexity is measured on where no text is given for it; equal sentences stay together
    held_out: float = Field(0.01, ge=0, lt=1)

    @model_validator(mode="after")
    def _sentences_fit_into_a_batch(self) -> Self:
        if self.fit.batch < self.longest + 1:
            raise ValueError(
                f"fit.batch = {self.fit.batch:g} units cannot hold a sentence of longest = {self.longest} and its end; "
                "raise the batch, or lower longest"
            )
        return self
