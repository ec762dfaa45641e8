"""fit(): the only optimisation loop, on one process or several. It goes on after a crash as if nothing had happened."""

from __future__ import annotations

import io
import logging
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from nst_asr.key import Key
from nst_asr.parallel import Group, join
from nst_asr.plan import FitPlan
from nst_asr.progress import Progress
from nst_asr.ranks import local_world
from nst_asr.rmsprop import RMSprop
from nst_asr.store import written_aside
from nst_asr.throughput import Throughput

log = logging.getLogger("nst_asr")


_AHEAD = 2  # batches loaded before they are needed
_NAMED = 50  # ids in a message
_FLUSH_SECONDS = 5  # until scalars are on the disk, at most
_SIZE = "size of the batch"  # among the values of an update; what is plotted of it is the throughput


class TrainError(RuntimeError):
    """A training that cannot go on; the message names the step and what was in it."""


class Piece(Protocol):
    """One part of a batch, computed at once."""

    @property
    def count(self) -> float:
        """How many of what the loss sums over are in it."""

    @property
    def ids(self) -> Sequence[str]:
        """What is in it, for messages."""

    @property
    def scalars(self) -> Mapping[str, float]:
        """What to plot of it, summed over the batch, such as seconds of audio of each source."""

    @property
    def sizes(self) -> Mapping[str, float]:
        """Size of its examples by source, `labeled` and `pseudo`: seconds of audio, or number of images.

        Nothing where there are no such sources, as in text.
        """


P = TypeVar("P", bound=Piece)


class Objective(Protocol[P]):
    """What fit() minimises."""

    @property
    def model(self) -> nn.Module:
        """The weights to find."""

    def load(self, step: int, rank: int, world: int) -> list[P]:
        """This process's pieces of batch `step` (counted from 0): numbers rank, rank + world, ... of all pieces.

        Called in a thread of its own, ahead of time. It must draw from keys alone: torch's global generator is the
        update's, which runs meanwhile. Which pieces there are may depend on `world`, what is in the batch may not.
        """

    def loss(self, piece: P) -> Tensor:
        """The loss *summed* over the piece, a scalar."""


def fit(objective: Objective[P], plan: FitPlan, folder: Path, key: Key, title: str) -> dict[str, Tensor]:
    """The weights after `plan.updates` updates: moving average and mean of snapshots as the plan has it.

    Checkpoints go to `folder`; where it holds one, training goes on from it, and the result is, bit for bit, that of
    a training never stopped (same machine, same number of threads and processes). Under torchrun each process computes
    its pieces of every batch, and all get the same weights; rank 0 alone writes. Raises TrainError at the first loss or
    gradient that is not finite.

    TensorBoard's scalars, in folder/tensorboard, every `plan.log_every` updates: `loss` of the batch, nats by what its
    pieces count; `learning_rate`; `gradient_norm` before clipping; of pieces that have sizes `pseudo_share`, the share
    of the batch's size that is pseudo-labeled, and `size_per_second`, trained on since the scalars before (seconds of
    audio in a second: times real time; or images in a second), with loading and checkpoints; and the pieces' own.
    """
    _pin_threads(plan.threads)
    device = next(objective.model.parameters()).device
    group = join(str(device))
    state = _State(objective.model, plan)
    start = state.resume(folder)
    group.agree("the update to go on from", start)
    writing = _Writer(folder, start) if group.rank == 0 else nullcontext()
    autocast = _autocast(plan.precision, device)
    objective.model.train()
    throughput = Throughput()
    with Progress(title, plan.updates, "update", start=start) as progress, writing as writer:
        for step, pieces in _ahead(objective, group, start, plan.updates):
            scalars = _update(objective, state, group, autocast, step, pieces, key)
            state.after(step + 1)
            progress.advance(note=f"loss {scalars['loss']:.3f}")
            throughput.add(scalars.pop(_SIZE, 0.0))
            if writer and (step + 1) % plan.log_every == 0:
                writer.add(scalars | throughput.since(), step + 1)
            if writer and (step + 1) % plan.checkpoint_every == 0 and step + 1 < plan.updates:
                writer.flush()  # before what they lead up to: no crash can lose them, as no resumption makes them again
                state.save(folder, step + 1)
    return state.result()


def drop_checkpoints(folder: Path) -> None:
    """Remove what only a resumption needed."""
    for path in _checkpoints(folder):
        path.unlink()


def learning_rate(plan: FitPlan, update: int) -> float:
    """The learning rate of an update (counted from 1).

    Linear up to `peak_rate` over `warmup` updates, then peak * sqrt(warmup / update) (Vaswani et al. 2017, section
    5.3, with its peak given), or half a cosine down to zero after the last update (Loshchilov and Hutter 2017,
    without restarts), or multiplied by `decay_rate` after every `decay_every` updates, warm-up included (Tan and Le
    2019, EfficientNet).
    """
    if update <= plan.warmup:
        return plan.peak_rate * update / plan.warmup
    if plan.decay == "inverse_sqrt":
        return plan.peak_rate * math.sqrt(max(plan.warmup, 1) / update)
    if plan.decay == "exponential":
        return plan.peak_rate * plan.decay_rate ** ((update - 1) // plan.decay_every)
    done = (update - plan.warmup) / max(plan.updates - plan.warmup + 1, 1)
    return plan.peak_rate * 0.5 * (1 + math.cos(math.pi * done))


def _update(
    objective: Objective[P],
    state: _State,
    group: Group,
    autocast: AbstractContextManager[Any],
    step: int,
    pieces: list[P],
    key: Key,
) -> dict[str, float]:
    """One optimiser step on the pieces of one batch, those of the other processes included."""
    # each piece's loss is divided by what all processes together sum over: how the batch is cut does not matter
    count = group.sum(sum(piece.count for piece in pieces))
    losses = [torch.zeros(())]
    for place, piece in enumerate(pieces):
        # dropout and stochastic depth draw from torch's generator: its state is made a function of the key
        torch.manual_seed(key["step", step, group.rank + group.world * place].number())
        with autocast:
            loss = objective.loss(piece) / count
        loss.backward()  # type: ignore[no-untyped-call]
        losses.append(loss.detach())
    group.add_gradients(state.model.parameters())
    norm = nn.utils.clip_grad_norm_(state.model.parameters(), state.plan.clip or math.inf)
    found = torch.stack([value.float().to(norm.device) for value in (*losses, norm)]).tolist()
    scalars = _summed(group, pieces, sum(found[:-1]))
    for name, value in (("loss", scalars["loss"]), ("gradient norm", found[-1])):
        if not math.isfinite(value):
            ids = group.all([id for piece in pieces for id in piece.ids])  # all processes come here
            raise TrainError(_not_finite(name, value, step, [id for part in ids for id in part]))
    rate = learning_rate(state.plan, step + 1)
    state.step(rate)
    return {"learning_rate": rate, "gradient_norm": found[-1], **scalars}


def _summed(group: Group, pieces: Sequence[Piece], loss: float) -> dict[str, float]:
    """Loss and scalars of the whole batch; where its pieces have sizes also _SIZE, their sum, and `pseudo_share`."""
    values = {"loss": loss, **_added([piece.scalars for piece in pieces])}
    sizes = _added([piece.sizes for piece in pieces])
    found = group.sum_named(values | {f"{_SIZE} {source}": size for source, size in sizes.items()})
    # numbers that the batch was made with: nothing is asked of a GPU
    summed = {name: found.pop(name) for name in list(found) if name.startswith(f"{_SIZE} ")}
    if size := sum(summed.values()):
        found |= {_SIZE: size, "pseudo_share": summed.get(f"{_SIZE} pseudo", 0.0) / size}
    return found


def _added(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The sum of each value over the parts that have one of that name."""
    names = sorted({name for part in parts for name in part})
    return {name: sum(part.get(name, 0.0) for part in parts) for name in names}


def _not_finite(what: str, value: float, step: int, ids: Sequence[str]) -> str:
    held = ", ".join(ids[:_NAMED]) + (f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else "")
    return (
        f"the {what} of update {step + 1} is {value}; the batch holds {held}. Look at these, lower "
        "fit.peak_rate or raise fit.warmup; the last checkpoint is kept"
    )


class _State:
    """Everything that an update changes."""

    def __init__(self, model: nn.Module, plan: FitPlan) -> None:
        self.model, self.plan = model, plan
        self.optimizer = _optimizer(model, plan)
        self.ema = _float32(model) if plan.ema else {}
        self.snapshots: list[dict[str, Tensor]] = []

    def step(self, rate: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def after(self, update: int) -> None:
        """Follow the weights after an update: the moving average at each, a snapshot at the last few of them."""
        if self.plan.ema:
            # a young average follows faster, so that it forgets the random start (decay rises to its final value)
            decay = min(self.plan.ema, (1 + update) / (10 + update))
            with torch.no_grad():
                now = [value.float() for value in self.model.state_dict().values()]
                torch._foreach_lerp_(list(self.ema.values()), now, 1 - decay)
        behind, rest = divmod(self.plan.updates - update, self.plan.average_every)
        if rest == 0 and behind < self.plan.average:
            self.snapshots.append({k: v.clone() for k, v in (self.ema or _float32(self.model)).items()})

    def result(self) -> dict[str, Tensor]:
        first, *others = self.snapshots
        total = {name: value.double() for name, value in first.items()}
        for snapshot in others:
            for name, value in snapshot.items():
                total[name] += value
        return {name: (value / len(self.snapshots)).float().cpu().contiguous() for name, value in total.items()}

    def save(self, folder: Path, update: int) -> None:
        content = {
            "update": update,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "ema": self.ema,
            "snapshots": self.snapshots,
        }
        buffer = io.BytesIO()
        torch.save(content, buffer)
        with written_aside(folder / f"checkpoint-{update:07d}.pt") as part:
            # written by Python, whose error names a full disk; torch's own writer hides it
            part.write_bytes(buffer.getbuffer())
        for old in _checkpoints(folder)[:-2]:
            old.unlink()

    def resume(self, folder: Path) -> int:
        """The number of updates done: those of the newest checkpoint that can be read."""
        device = next(self.model.parameters()).device
        for path in reversed(_checkpoints(folder)):
            try:
                content = torch.load(path, map_location=device, weights_only=True)
            except Exception as error:
                log.warning("%s cannot be read (%s); going on from the one before it", path, error)
                continue
            self.model.load_state_dict(content["model"])
            self.optimizer.load_state_dict(content["optimizer"])
            self.ema, self.snapshots = content["ema"], content["snapshots"]
            log.info("going on after update %d of %d", content["update"], self.plan.updates)
            return int(content["update"])
        return 0


def _optimizer(model: nn.Module, plan: FitPlan) -> torch.optim.Optimizer:
    """The plan's optimiser over the weights that are to change; the learning rate is set at every update."""
    trained = [p for p in model.parameters() if p.requires_grad]
    matrices, others = [p for p in trained if p.ndim >= 2], [p for p in trained if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": plan.weight_decay}, {"params": others, "weight_decay": 0.0}]
    if plan.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=0.0, momentum=plan.momentum, nesterov=plan.momentum > 0, fused=True)
    if plan.optimizer == "rmsprop":
        return RMSprop(groups, momentum=plan.momentum)
    return torch.optim.AdamW(groups, lr=0.0, betas=(plan.beta1, plan.beta2), fused=True)


def _float32(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().float().clone() for name, value in model.state_dict().items()}


def _checkpoints(folder: Path) -> list[Path]:
    return sorted(folder.glob("checkpoint-*.pt"))


def _ahead(objective: Objective[P], group: Group, start: int, stop: int) -> Iterator[tuple[int, list[P]]]:
    """The steps with this process's pieces, loaded some batches ahead in one thread."""
    with ThreadPoolExecutor(1, thread_name_prefix="load") as pool:

        def submit(step: int) -> Future[list[P]]:
            return pool.submit(objective.load, step, group.rank, group.world)

        coming = [submit(step) for step in range(start, min(start + _AHEAD, stop))]
        try:
            for step in range(start, stop):
                pieces = coming.pop(0).result()
                if step + _AHEAD < stop:
                    coming.append(submit(step + _AHEAD))
                yield step, pieces
        finally:
            for future in coming:
                future.cancel()


def _pin_threads(threads: int) -> None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    torch.set_num_threads(threads or max(1, cores // local_world()))


def _autocast(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """bfloat16 autocast where it is asked for, or of itself on a GPU that has it."""
    able = device.type == "cuda" and torch.cuda.is_bf16_supported()
    if precision == "bfloat16" or (precision == "auto" and able):
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()


class _Writer:
    """TensorBoard scalars."""

    def __init__(self, folder: Path, start: int) -> None:
        # events of updates that a crash lost are hidden by those of the resumed training; who watches sees them soon
        self.events = SummaryWriter(folder / "tensorboard", purge_step=start + 1, flush_secs=_FLUSH_SECONDS)

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self.events.close()

    def flush(self) -> None:
        self.events.flush()

    def add(self, scalars: Mapping[str, float], update: int) -> None:
        for name, value in scalars.items():
            self.events.add_scalar(name, value, update)
