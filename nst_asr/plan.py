"""The plan of a run: teacher, generations and how each is trained, labeled, filtered, balanced and mixed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, Literal, Protocol, Self, TypeVar

from pydantic import Field, model_validator

from nst_asr.alarms import AlarmPlan
from nst_asr.balance import BalancePlan
from nst_asr.config import ConfigError, Record, merge
from nst_asr.filter import FilterPlan
from nst_asr.mix import MixPlan
from nst_asr.weights import Weigh


class Noise(Protocol):
    """The strength of a plan's noise."""

    def components(self) -> dict[str, float]:
        """Component -> strength; larger is noisier, 0 is none."""


class FitPlan(Record):
    """How a model's weights are found. An update is one optimiser step on one batch."""

    updates: int = Field(ge=1)
    batch: float = Field(gt=0)  # seconds of audio (or images) in one update, pseudo-labeled ones included
    accumulate: int = Field(1, ge=1)  # pieces a process computes its part of a batch in; saves memory
    loaders: int = Field(1, ge=1)  # threads of each process that read the examples of a batch
    recompute: bool = False  # activation checkpointing: blocks are computed again in the backward pass; saves memory
    compile: bool = False  # torch.compile of the model's blocks; pays on a GPU, after minutes of compiling
    peak_rate: float = Field(1e-3, gt=0)  # learning rate at the end of warm-up
    warmup: int = Field(100, ge=0)  # updates
    decay: Literal["cosine", "inverse_sqrt", "exponential"] = "cosine"
    decay_rate: float = Field(0.97, gt=0, le=1)  # exponential: what the rate is multiplied by, in steps
    decay_every: int = Field(1000, ge=1)  # exponential: updates from one step to the next
    optimizer: Literal["adamw", "sgd", "rmsprop"] = "adamw"
    beta1: float = Field(0.9, ge=0, lt=1)  # adamw
    beta2: float = Field(0.98, ge=0, lt=1)  # adamw; Gulati et al. 2020, section 3.2; their epsilon is 1e-9, here 1e-8
    momentum: float = Field(0.9, ge=0, lt=1)  # sgd (Nesterov's) and rmsprop
    weight_decay: float = Field(1e-2, ge=0)  # on matrices only; decoupled from the gradient in adamw alone
    clip: float | None = Field(1.0, gt=0)  # largest gradient norm; null: none is clipped
    ema: float = Field(0.0, ge=0, lt=1)  # decay of the moving average of the weights, kept in float32; 0 = none
    average: int = Field(1, ge=1)  # the model is the mean of this many snapshots, the last being the final one
    average_every: int = Field(50, ge=1)  # updates between snapshots
    precision: Literal["auto", "float32", "bfloat16"] = "auto"  # auto: bfloat16 autocast on a GPU that has it
    checkpoint_every: int = Field(200, ge=1)  # updates; a killed training loses at most these
    threads: int = Field(0, ge=0)  # of torch on a CPU; 0 = every core. Bitwise repeats need the same number
    log_every: int = Field(20, ge=1)  # updates between TensorBoard scalars

    @model_validator(mode="after")
    def _fits_into_the_updates(self) -> Self:
        if self.warmup > self.updates:
            raise ValueError(f"warmup = {self.warmup} is more than updates = {self.updates}: the peak is never reached")
        if (self.average - 1) * self.average_every >= self.updates:
            raise ValueError(
                f"average = {self.average} snapshots every {self.average_every} updates do not fit into "
                f"updates = {self.updates}; take fewer, or closer ones"
            )
        return self

    @model_validator(mode="after")
    def _settings_are_used(self) -> Self:
        uses = {
            "beta1": self.optimizer == "adamw",
            "beta2": self.optimizer == "adamw",
            "momentum": self.optimizer != "adamw",
            "decay_rate": self.decay == "exponential",
            "decay_every": self.decay == "exponential",
        }
        for name in self.model_fields_set & {name for name, used in uses.items() if not used}:
            if (value := getattr(self, name)) != FitPlan.model_fields[name].default:
                owner = f"decay = {self.decay}" if name.startswith("decay") else f"optimizer = {self.optimizer}"
                raise ValueError(f"{name} = {value:g} has no effect where {owner}; leave it out")
        return self


class TrainPlan(Record):
    """A task's own training plan adds model and noise to this."""

    fit: FitPlan

    def noise_components(self) -> dict[str, float]:
        """Component -> strength of the noise that training is under."""
        noise: Noise | None = getattr(self, "noise", None)
        return noise.components() if noise else {}


class Decoding(Record):
    """How a task's models are decoded; a task's own plan adds to this."""

    @property
    def alone(self) -> Self:
        """The same by the model alone, without the language model that it may have."""
        return self

    @property
    def of_one(self) -> Self:
        """The same for a model by itself, as it is scored: without others that may label beside it."""
        return self

    @property
    def leaves_open(self) -> bool:
        """Whether there is something in it that is to be found on dev first (`Task.tune`)."""
        return False

    @property
    def gives_alternatives(self) -> bool:
        """Whether a label comes with those that others have given, from which `mix.labels = sampled` draws."""
        return False


T = TypeVar("T", bound=TrainPlan)
D = TypeVar("D", bound=Decoding)


class Generation(Record, Generic[T, D]):
    """One turn of the loop."""

    label: D
    filter: FilterPlan = FilterPlan()
    balance: BalancePlan = BalancePlan()
    weigh: Weigh = "off"  # in the loss: by the label's confidence (linear), or by 1 - its expected error (calibrated)
    mix: MixPlan = MixPlan()
    student: T
    init: Literal["scratch", "teacher"] = "scratch"  # where the student's weights start


class Plan(Record, Generic[T, D]):
    """A whole run."""

    recipe: str
    seed: int = Field(0, ge=0)
    label: D  # how the models are decoded when they are scored
    teacher: T
    generations: tuple[Generation[T, D], ...]
    succeed: Literal["best", "last", "stop"] = "best"  # what a student significantly worse than its teacher means
    alarms: AlarmPlan = AlarmPlan()
    block: int = Field(512, ge=1)  # rows of the pool in one part of the label table
    workers: int = Field(1, ge=1)  # processes that label

    @model_validator(mode="after")
    def _samples_are_drawn_from_something(self) -> Self:
        for number, generation in enumerate(self.generations, 1):
            if generation.mix.labels == "sampled" and not generation.label.gives_alternatives:
                raise ValueError(
                    f"generation {number}: mix.labels = sampled: labels of one teacher have no alternatives to draw "
                    "from; on speech name others in label.teachers, or take mix.labels = best"
                )
        return self


def expand(content: Mapping[str, Any]) -> dict[str, Any]:
    """A plan file's short form written out.

    `generation` holds what all generations share, laid over `student` <- `teacher` and `label`; `generations` is a
    list of what each changes, or simply their number.
    """
    result = dict(content)
    shared = result.pop("generation", None) or {}
    if not isinstance(shared, Mapping):
        raise ConfigError(f"generation = {shared!r}: give what all generations share, key by key")
    turns = result.get("generations", [])
    if isinstance(turns, int) and not isinstance(turns, bool) and turns >= 0:
        turns = [{}] * turns
    if not isinstance(turns, list) or not all(turn is None or isinstance(turn, Mapping) for turn in turns):
        raise ConfigError(f"generations = {turns!r}: give a number, or a list of what each generation changes")
    base = {"label": result.get("label", {}), "student": result.get("teacher", {})}
    result["generations"] = [merge(merge(base, shared), turn or {}) for turn in turns]
    return result
