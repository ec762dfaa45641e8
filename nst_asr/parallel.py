"""Processes that train one model together: what each has to tell the others during an update.

Every process holds the whole model and sees its own pieces of the global batch. Sums over all processes are the same
numbers, bit for bit, in each of them, so that their weights stay equal without ever being compared.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.distributed import PrefixStore  # type: ignore[attr-defined]
from torch.distributed.rendezvous import rendezvous

from nst_asr.ranks import RankError, rank, world

V = TypeVar("V")

_PATIENCE = timedelta(hours=1)  # one process may load data, or compile, while the others wait for it


@dataclass(frozen=True)
class Group:
    """The processes of one training. One process alone is a group too, and tells nobody anything."""

    rank: int
    world: int

    def sum(self, value: float) -> float:
        """The sum over all processes, in float64. Waits for all of them."""
        if self.world == 1:
            return value
        total = torch.tensor(value, dtype=torch.float64)
        distributed.all_reduce(total)
        return float(total)

    def all(self, value: V) -> list[V]:
        """The value that each process has, by rank. Waits for all of them."""
        found = [value] * self.world
        if self.world > 1:
            distributed.all_gather_object(found, value)
        return found

    def sum_named(self, values: Mapping[str, float]) -> dict[str, float]:
        """The sum of each value over the processes that have one of that name. Waits for all of them."""
        parts = self.all(dict(values))
        names = sorted({name for part in parts for name in part})
        return {name: sum(part.get(name, 0.0) for part in parts) for name in names}

    def first(self, value: V) -> V:
        """Rank 0's value. Waits for all processes."""
        return self.all(value)[0]

    def wait(self) -> None:
        """Return when all processes have come here."""
        self.all(None)

    def agree(self, what: str, value: int) -> None:
        """Raise RankError unless all processes have the same value."""
        found = self.all(value)
        if any(other != value for other in found):
            raise RankError(
                f"{what} differs between processes (rank 0, 1, ...: {', '.join(map(str, found))}): do they see the "
                "same run folder and the same files?"
            )

    def add_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace each gradient by its sum over all processes; one that a process lacks counts as zeros there.

        One reduction of one flat vector after the backward pass: it does not overlap with it, which costs a large
        model on a slow network some time, and needs no wrapper around the model.
        """
        if self.world == 1:
            return
        chosen = [parameter for parameter in parameters if parameter.requires_grad]
        flat = torch.cat([_gradient(parameter).reshape(-1) for parameter in chosen])
        distributed.all_reduce(flat)
        pieces = torch.split(flat, [parameter.numel() for parameter in chosen])
        for parameter, piece in zip(chosen, pieces, strict=True):
            parameter.grad = laid_out(piece, parameter)


def join(device: str = "cpu") -> Group:
    """The group of all processes that torchrun started, joined once in the life of a process; `device`: its own."""
    if world() > 1 and not distributed.is_initialized():
        on_gpu = torch.device(device).type == "cuda"
        if on_gpu:
            torch.cuda.set_device(device)
        # sums of a few numbers go over gloo, so that no GPU is waited for
        backend = "cpu:gloo,cuda:nccl" if on_gpu else "gloo"
        distributed.init_process_group(backend, store=_store(), rank=rank(), world_size=world(), timeout=_PATIENCE)
        # a process that ends with it open can be aborted, and torchrun would call the run failed
        atexit.register(distributed.destroy_process_group)
    return Group(rank(), world())


def _store() -> PrefixStore:
    """Where the processes find each other. Those that torchrun started again must not find the addresses of the dead:
    it keeps one store for all its attempts.
    """
    store, _, _ = next(rendezvous("env://", timeout=_PATIENCE))
    return PrefixStore(f"attempt {os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)


def laid_out(piece: Tensor, parameter: Tensor) -> Tensor:
    """The numbers of a flat piece in the shape of a weight, and in memory as the weight lies there (channels last).

    Fused optimisers go through memory, whatever the strides say.
    """
    return torch.empty_like(parameter).copy_(piece.view_as(parameter))


def _gradient(parameter: nn.Parameter) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
