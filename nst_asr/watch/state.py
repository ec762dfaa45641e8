"""What the folder of a run says at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nst_asr.amounts import Amounts
from nst_asr.terms import Terms

Score = Mapping[str, Any]  # the summary in a score's JSON


@dataclass(frozen=True)
class Row:
    """One model: the labels that it learnt from, its scores so far, the alarms raised on the labels."""

    name: str
    amounts: Amounts | None
    scores: Mapping[str, Score]  # by set: dev, test, dev with LM, test with LM
    alarms: tuple[str, ...]


@dataclass(frozen=True)
class Training:
    """A training that goes on, by what it last wrote for TensorBoard; None: not known.

    pseudo_share: of the batch's size; pace: updates a second; size_pace: seconds of audio, or images, a second.
    """

    done: int
    total: int | None
    loss: float | None = None
    learning_rate: float | None = None
    gradient_norm: float | None = None
    pseudo_share: float | None = None
    pace: float | None = None
    size_pace: float | None = None

    @property
    def seconds_left(self) -> float | None:
        """At the pace of the last updates."""
        return (self.total - self.done) / self.pace if self.total is not None and self.pace else None


@dataclass(frozen=True)
class Labeling:
    """A label table that is being made, in parts."""

    done: int
    total: int
    pace: float | None  # parts a second

    @property
    def seconds_left(self) -> float | None:
        """At the pace of the last parts."""
        return (self.total - self.done) / self.pace if self.pace else None


@dataclass(frozen=True)
class Taken:
    """A step that has been made, as steps.jsonl has it."""

    step: str
    seconds: float


@dataclass(frozen=True)
class State:
    """A run at one moment.

    step: that is being made, or would be next; None where all is there. working: whether a process of this machine is
    at work in the folder, None where that cannot be seen. quiet: seconds since anything in the folder changed. new:
    steps that were finished since the last look. log: the last line of run.log.
    """

    recipe: str
    seed: int | None
    terms: Terms
    rows: tuple[Row, ...]
    step: str | None
    left: tuple[str, ...]
    work: Training | Labeling | None
    working: bool | None
    quiet: float
    seconds: float
    new: tuple[Taken, ...]
    log: str

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do, and nobody is at it."""
        return not self.left and not self.working
