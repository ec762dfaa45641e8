"""Labeled and pseudo-labeled rows in one stream of batches, in a stated proportion.

Each source is an endless stream: lap after lap, every lap all its rows in a keyed order (`order`; a row with two copies
occurs twice). A batch takes its stated share of seconds (or images) from either stream, so that

- every batch holds labeled data in the stated proportion,
- no row is ever dropped: it waits for its place in the lap, and each lap holds it once per copy,
- batch number `step` is a function of the key and `step` alone: going on after a crash seeks (it makes the order of one
  lap) and replays nothing.

One **epoch** is the number of batches after which every labeled row and every copy of a pseudo-labeled row has been
drawn at least once: the larger source passes once, the smaller one repeats.

To keep padding small, both streams are cut into windows of some batches; inside a window the rows are sorted by size
and dealt out so that the rows of a batch are of like size in both streams; the batches of a window come in keyed order.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, Self

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from nst_asr.config import Record
from nst_asr.corpus import Labeled, Unlabeled, fingerprint
from nst_asr.key import Key
from nst_asr.labels import ALTERNATIVES, SOFT
from nst_asr.order import Indexed, Order, Streamed
from nst_asr.pieces import bounds

SourceName = Literal["labeled", "pseudo"]
_DEFAULT_SHARE = 0.6


class MixError(ValueError):
    """A mixture that cannot be made; the message names the id, the value and the way out."""


class MixPlan(Record):
    """How labeled and pseudo-labeled data share a batch."""

    # of each batch's seconds (or images); Park et al. 2020: 0.6 early, 0.8 late
    pseudo_share: float = Field(_DEFAULT_SHARE, ge=0, lt=1)
    ratio: float | None = Field(
        None, gt=0
    )  # the same said another way: pseudo-labeled to one labeled (Xie et al. 2020)
    pooled: bool = False  # each row as often as any other, whatever its source: the share follows from the sizes
    window: int = Field(16, ge=1)  # batches among which rows are sorted by size
    order: Literal["indexed", "streamed"] = "indexed"  # streamed: read block by block, for what no page cache holds
    block: int = Field(1000, ge=1)  # streamed: rows that lie together in the manifest, such as those of a shard
    together: int = Field(8, ge=1)  # streamed: blocks that are read at the same time, their rows shuffled
    # sampled: for each copy in each lap one of the teachers' own labels, drawn (Kahn et al. 2020); best: the chosen one
    labels: Literal["best", "sampled"] = "best"

    @model_validator(mode="after")
    def _share_is_said_once(self) -> Self:
        unsaid = {"pseudo_share": _DEFAULT_SHARE, "ratio": None, "pooled": False}
        # a plan that was written out has the defaults in it
        given = [
            name for name in unsaid if name in self.model_fields_set and repr(getattr(self, name)) != repr(unsaid[name])
        ]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} both say how much of a batch is pseudo-labeled; give one of them")
        return self

    @property
    def share(self) -> float:
        """Of each batch's size that is pseudo-labeled, unless the sources are pooled."""
        return self.pseudo_share if self.ratio is None else self.ratio / (1 + self.ratio)


@dataclass(frozen=True)
class Source:
    """Rows of one kind: id, size, group, label and the task's own columns; copies (>= 1) and weights, one a row.

    Pseudo-labeled rows whose labeler gave soft labels have these too, as soft_index and soft_prob; where labels are
    sampled, those drawn from, as alternatives: of a row with none, its label is taken.
    """

    name: SourceName
    rows: pl.DataFrame
    copies: np.ndarray
    weights: np.ndarray
    places: np.ndarray  # of the rows in the manifest, ascending

    @property
    def hours(self) -> float:
        """Size with copies, in units of 3,600: hours of audio."""
        return float((self.rows["size"].to_numpy().astype(np.float64) * self.copies).sum() / 3600)


@dataclass(frozen=True)
class Mix:
    """What a model is trained on."""

    sources: tuple[Source, ...]
    plan: MixPlan

    @property
    def fingerprint(self) -> str:
        """A digest of rows, labels, copies and weights."""
        columns = ("id", "size", "group", "label", *SOFT)
        tables = [
            source.rows.select(
                *(name for name in columns if name in source.rows.columns),
                *([pl.col(ALTERNATIVES).list.join("\n")] if ALTERNATIVES in source.rows.columns else []),
            ).with_columns(copies=pl.Series(source.copies), weight=pl.Series(source.weights))
            for source in self.sources
        ]
        return "-".join(map(fingerprint, tables))

    def share(self, source: Source) -> float:
        """The share of a batch's size that comes from `source`."""
        if len(self.sources) == 1:
            return 1.0
        if self.plan.pooled:
            return source.hours / sum(each.hours for each in self.sources)
        return self.plan.share if source.name == "pseudo" else 1 - self.plan.share

    def only(self, name: SourceName) -> Mix:
        """The same with one of its sources alone. Raises MixError where it has none of that name."""
        chosen = tuple(source for source in self.sources if source.name == name)
        if not chosen:
            raise MixError(f"there are no {name} rows in this mixture; raise mix.pseudo_share")
        return replace(self, sources=chosen)

    def without(self, ids: set[str]) -> Mix:
        """The same without the rows named: those a model cannot be trained on."""
        return replace(self, sources=tuple(_only(s, ~s.rows["id"].is_in(list(ids))) for s in self.sources))

    def with_alternatives(self, usable: Callable[[pl.DataFrame], pl.Series]) -> Mix:
        """The same with the alternatives that `usable` gives for the rows of a source that has some."""
        sources = (
            replace(s, rows=s.rows.with_columns(usable(s.rows))) if ALTERNATIVES in s.rows.columns else s
            for s in self.sources
        )
        return replace(self, sources=tuple(sources))

    def up_to(self, size: float) -> Mix:
        """The same without the rows larger than `size`. Raises MixError where a source has no other."""
        for source in self.sources:
            smallest = float(source.rows["size"].to_numpy().min(initial=np.inf))
            if smallest > size:
                raise MixError(
                    f"no {source.name} row is of size {size:g} or less, to begin with (the smallest: {smallest:g}); "
                    "raise the size of that lesson of the curriculum"
                )
        return replace(self, sources=tuple(_only(source, source.rows["size"] <= size) for source in self.sources))


@dataclass(frozen=True)
class Portion:
    """What one source gives to one batch, an entry for each row drawn: places in the source, copies, laps."""

    source: Source
    rows: np.ndarray
    copies: np.ndarray
    laps: np.ndarray


@dataclass(frozen=True)
class Draw:
    """One row in one batch: its source and place there, which copy in which lap, and its weight in the loss."""

    source: Source
    row: int
    copy: int
    lap: int
    weight: float

    @property
    def id(self) -> str:
        """The id of the row."""
        return str(self.source.rows["id"][self.row])

    def label(self, key: Key) -> str:
        """The label to learn: that of the row, or where labels are sampled one of its alternatives.

        Which one follows from the key, the id, the copy and the lap: a copy has one label for a lap, and each lap is
        another draw. Source: sample ensemble, Kahn, Lee and Hannun 2020, "Self-training for end-to-end speech
        recognition": each epoch one of the labels of several models is drawn, evenly.
        """
        texts = self.source.rows[ALTERNATIVES][self.row] if ALTERNATIVES in self.source.rows.columns else None
        if texts is None or not len(texts):
            return str(self.source.rows["label"][self.row])
        return str(texts[key["alternative", self.id, self.copy, self.lap].number() % len(texts)])


def mix(
    labeled: Labeled,
    pool: Unlabeled | None = None,
    labels: pl.DataFrame | None = None,
    copies: pl.DataFrame | None = None,
    plan: MixPlan | None = None,
) -> Mix:
    """The training data: all labeled rows and, of the pool, the rows that have copies, with their pseudo-labels.

    labels: of the label table id, label and, where there are some, soft labels and alternatives; copies: (copies,
    weight); both row for row in the pool's order. Raises MixError where labels are to be sampled and there are no
    alternatives.
    """
    ones = np.ones(len(labeled.rows))
    places = np.arange(len(labeled.rows))
    sources = [Source("labeled", labeled.rows, ones.astype(np.int64), ones.astype(np.float32), places)]
    plan = plan or MixPlan(pseudo_share=0.0)
    if pool is not None and labels is not None and plan.share > 0:
        sources.append(_pseudo(pool, _sampled(labels) if plan.labels == "sampled" else _chosen(labels), copies))
    return Mix(tuple(sources), plan)


def refuse_long(labeled: Labeled, plan: MixPlan, size: float) -> None:
    """Raise MixError where a labeled row is larger than the labeled share of a batch of `size`: it cannot be drawn."""
    _refuse_long(labeled.rows, "labeled", _milli(size * (1 - plan.share)))


def _refuse_long(rows: pl.DataFrame, name: str, budget: int) -> None:
    longest = rows.row(int(rows["size"].arg_max() or 0), named=True)
    if _milli(longest["size"]) > budget:
        raise MixError(
            f"{name} {longest['id']} has size {longest['size']:g}, more than the {budget / 1000:g} that a batch holds "
            "of that kind; raise the batch size or leave it out"
        )


def _chosen(labels: pl.DataFrame) -> pl.DataFrame:
    return labels.drop(ALTERNATIVES, strict=False)


def _sampled(labels: pl.DataFrame) -> pl.DataFrame:
    if ALTERNATIVES not in labels.columns:
        raise MixError(
            "mix.labels = sampled: the labels have no alternatives to draw from; label with several teachers "
            "(label.teachers), or take mix.labels = best"
        )
    return labels


def _pseudo(pool: Unlabeled, labels: pl.DataFrame, copies: pl.DataFrame | None) -> Source:
    if not labels["id"].equals(pool.rows["id"]):
        raise MixError("the label table is not in the pool's order; it belongs to another pool")
    counts = np.ones(len(labels), np.int64) if copies is None else copies["copies"].to_numpy().astype(np.int64)
    weights = np.ones(len(labels), np.float32) if copies is None else copies["weight"].to_numpy().astype(np.float32)
    chosen = counts > 0
    rows = pool.rows.hstack(labels.drop("id")).filter(pl.Series(chosen)).rechunk()
    return Source("pseudo", rows, counts[chosen], weights[chosen], np.flatnonzero(chosen))


def _only(source: Source, keep: pl.Series) -> Source:
    mask = keep.to_numpy()
    kept = source.rows.filter(keep)
    return Source(source.name, kept, source.copies[mask], source.weights[mask], source.places[mask])


class Batches:
    """The endless sequence of batches of a mixture: `batches[step]` is a pure function of key and step."""

    def __init__(self, data: Mix, size: float, key: Key) -> None:
        """size: seconds of audio (or images) in a batch. Raises MixError where a row is larger than its share."""
        self.key = key
        self.streams = [
            _Stream(source, _milli(size * data.share(source)), data.plan, key["stream", source.name])
            for source in data.sources
        ]
        laps = [stream.total // stream.budget for stream in self.streams]
        # a window over the end of a lap can hold a row twice; in a short one of two, they would often share a batch
        self.window = int(max(1, min([data.plan.window, *(lap // 2 for lap in laps)])))

    @property
    def epoch(self) -> int:
        """The number of batches in one epoch."""
        # a row is drawn somewhere in its window, so whole windows count
        windows = max(math.ceil(stream.total / (stream.budget * self.window)) for stream in self.streams)
        return windows * self.window

    def __getitem__(self, step: int) -> list[Draw]:
        """The rows of batch `step` (counted from 0), labeled ones first."""
        return [draw for portion in self.portions(step) for draw in _draws(portion)]

    def portions(self, step: int) -> list[Portion]:
        """The same as arrays, source by source: for batches of many small rows."""
        number, place = divmod(step, self.window)
        slot = int(self.key["slots", number].generator().permutation(self.window)[place])
        return [stream.batch(number, slot, self.window) for stream in self.streams]


class _Stream:
    """One source, lap after lap. Sizes are whole thousandths, so that sums are exact however they are made."""

    def __init__(self, source: Source, budget: int, plan: MixPlan, key: Key) -> None:
        self.source, self.budget = source, budget
        self.row = np.repeat(np.arange(len(source.rows)), source.copies)
        first = np.cumsum(source.copies) - source.copies
        self.copy = np.arange(len(self.row)) - np.repeat(first, source.copies)
        of_rows = np.maximum(1, np.rint(source.rows["size"].to_numpy().astype(np.float64) * 1000).astype(np.int64))
        self.sizes = of_rows[self.row]
        self.total = int(self.sizes.sum())
        self._refuse()
        self.order = _order(self.sizes, source.places[self.row], plan, key)
        self._window = lru_cache(maxsize=2)(self._make_window)

    def batch(self, number: int, slot: int, window: int) -> Portion:
        entries, laps, bounds = self._window(number, window)
        here = slice(bounds[slot], bounds[slot + 1])
        return Portion(self.source, self.row[entries[here]], self.copy[entries[here]], laps[here])

    def _refuse(self) -> None:
        if not self.total:
            raise MixError(f"no {self.source.name} rows to train on")
        _refuse_long(self.source.rows, self.source.name, self.budget)

    def _make_window(self, number: int, window: int) -> tuple[np.ndarray, np.ndarray, list[int]]:
        """The entries that begin within a window, sorted by size, their laps, and the bounds of its batches."""
        begin, end = number * window * self.budget, (number + 1) * window * self.budget
        parts, laps = [], []
        for lap in range(begin // self.total, (end - 1) // self.total + 1):
            parts.append(self.order.between(lap, begin - lap * self.total, end - lap * self.total))
            laps.append(np.full(len(parts[-1]), lap))
        entries, lap_of = np.concatenate(parts), np.concatenate(laps)
        by_size = np.argsort(self.sizes[entries], kind="stable")
        entries = entries[by_size]
        return entries, lap_of[by_size], bounds(self.sizes[entries], window)


def _draws(portion: Portion) -> list[Draw]:
    source, weights = portion.source, portion.source.weights[portion.rows]
    numbers = zip(portion.rows, portion.copies, portion.laps, weights, strict=True)
    return [Draw(source, int(row), int(copy), int(lap), float(weight)) for row, copy, lap, weight in numbers]


def _order(sizes: np.ndarray, places: np.ndarray, plan: MixPlan, key: Key) -> Order:
    """sizes, places: of each entry; blocks are those of the manifest, whatever the filter has left of them."""
    if plan.order == "indexed":
        return Indexed(sizes, key)
    return Streamed(sizes, key, np.flatnonzero(np.diff(places // plan.block, prepend=-1)), plan.together)


def _milli(size: float) -> int:
    return max(1, round(size * 1000))
