"""How many copies of each kept label the student gets: tokens as often as in the truth, or classes in equal numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Literal, Self

import numpy as np
import polars as pl
import pydantic

from nst_asr.config import Record
from nst_asr.key import Key
from nst_asr.task import Shares
from nst_asr.weigh import Rows, Weights, count, divergence, weigh

_PIECE = 250_000  # rows of a lazy table read at once
_MOST_COPIES = 65_535  # the column is 16 bits wide


class BalanceError(ValueError):
    """Labels that cannot be balanced; the message names the id or the number, and the way out."""


class BalancePlan(Record):
    """What is brought into proportion, and how far."""

    by: Literal["none", "tokens", "classes"] = "none"
    cap: float = pydantic.Field(default=2.0, ge=1, le=1000)  # tokens: the largest weight of a row
    hours: float | None = pydantic.Field(
        default=None, gt=0, allow_inf_nan=False
    )  # tokens; null: those of the kept rows
    iterations: int = pydantic.Field(default=200, ge=1)  # tokens: steps tried at most
    # classes: rows of each, or of each class by name; null: the mean size of the kept classes
    per_class: int | dict[str, int] | None = None

    @pydantic.model_validator(mode="after")
    def _settings_are_used(self) -> Self:
        if self.hours is not None and self.by != "tokens":
            raise ValueError(f"hours = {self.hours:g} has no effect where by = {self.by}; it belongs to by = tokens")
        if self.per_class is not None and self.by != "classes":
            raise ValueError(f"per_class = {self.per_class} has no effect where by = {self.by}; it needs by = classes")
        for name in {"cap", "iterations"} & self.model_fields_set:
            if self.by != "tokens" and getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f"{name} has no effect where by = {self.by}; it belongs to by = tokens")
        numbers = self.per_class.values() if isinstance(self.per_class, dict) else [self.per_class or 1]
        if min(numbers, default=1) < 1:
            raise ValueError(f"per_class = {self.per_class}: at least one row of each class")
        return self


@dataclass(frozen=True)
class Copies:
    """The result of balancing.

    table: copies (u16, 0 for rows that are not kept or not chosen) and weight (f32, 1), in the order of the labels.
    tokens: each unit by its name, and how often it occurs in the labeled data, the kept rows and the copies (f64).
    rows: distinct rows that have a copy; hours: of all copies. kl_before, kl_after: KL(target || tokens of the kept
    rows once), KL(target || tokens of the copies), nats, smoothed as in `weigh.divergence`; the target is the token
    shares of the labeled data, or equal shares of its classes where classes are balanced. kl_weights: the same for
    the weights before rounding (null unless tokens are balanced). asked_hours: the
    budget; clipped: it was more than `cap` copies of all kept rows, which is what came out. iterations: steps tried.
    reverted: rounding undid the gain (of a few rows), so equal weights were rounded instead. absent: where classes are
    balanced, those of the labeled data that no kept label has.
    """

    table: pl.DataFrame
    tokens: pl.DataFrame
    by: str
    rows: int
    hours: float
    kl_before: float
    kl_after: float
    kl_weights: float | None = None
    asked_hours: float | None = None
    clipped: bool = False
    iterations: int = 0
    reverted: bool = False
    absent: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Everything but the tables, as plain values."""
        tables = ("table", "tokens")
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name not in tables}


@dataclass(frozen=True)
class _Chosen:
    """Copies of the kept rows, and what is known about how they were found."""

    copies: np.ndarray
    kl_weights: float | None = None
    asked_hours: float | None = None
    clipped: bool = False
    iterations: int = 0
    reverted: bool = False


def balance(
    labels: pl.DataFrame | pl.LazyFrame, kept: pl.Series, shares: Shares, plan: BalancePlan, key: Key
) -> Copies:
    """Copies of the kept rows of a label table; token i of `labels.tokens` is unit i of `shares`.

    none: each once. tokens: weights in [0, cap] that bring the token shares of the selection as near as possible to
    those of the labeled data for a budget of hours (`weigh.weigh`), rounded to floor(w) + (u < frac(w)) copies, with
    u keyed by the row's id: the order of the rows does not matter (beyond the rounding of sums). A budget beyond
    `cap` copies of everything gives `cap` copies of everything, and the result says `clipped`. Where the rounded
    weights are no better than equal weights, rounded (this happens to a few rows), those are taken, and the result
    says `reverted`. Without a budget these are the kept rows once, so `kl_after` never exceeds `kl_before`; a small
    budget draws a sample of the rows, which may be further from the target than all of them.

    classes: every class of the kept labels gets the same number of rows: the surest first, by confidence and then by
    id; a class that has fewer repeats its rows, the surest once more than the others. `cap` does not apply. The
    default number is the mean size, which leaves the total as it is, as far as it divides.

    Raises BalanceError. Sources: Park et al. 2020 (tokens, cap on repetitions); Xie et al. 2020, section 3.1
    (classes; they draw the duplicates at random, and give all classes 130,000 images).
    """
    gathered = _gather(labels, kept, len(shares.counts), plan, key)
    rows, target = gathered.rows, _target(shares, plan)
    once = count(rows, np.ones(len(rows.hours)), len(target))
    if plan.by == "tokens":
        chosen = _by_tokens(gathered.draws, rows, target, plan)
    elif plan.by == "classes":
        chosen = _Chosen(_by_classes(gathered.classes, plan.per_class))
    else:
        chosen = _Chosen(np.ones(len(rows.hours), np.int64))
    counts = count(rows, chosen.copies, len(target))
    before, after = divergence(target, once), divergence(target, counts)
    given = np.asarray(shares.counts, np.float64)
    tokens = pl.DataFrame({"token": list(shares.names), "labeled": given, "kept": once, "copies": counts})
    lacking = np.flatnonzero((target > 0) & (counts == 0)) if plan.by == "classes" else ()
    absent = tuple(shares.names[unit] for unit in lacking)
    found = {name: value for name, value in vars(chosen).items() if name != "copies"}
    distinct, hours = int((chosen.copies > 0).sum()), float(chosen.copies @ rows.hours)
    table = _laid_out(chosen.copies, kept)
    return Copies(table, tokens, plan.by, distinct, hours, before, after, **found, absent=absent)


@dataclass(frozen=True)
class _Gathered:
    """What balancing needs of the kept rows, and no more of it: millions of rows have to fit.

    draws: one number in [0, 1) for each, keyed by its id, where tokens are balanced. classes: the columns id, label and
    confidence, where classes are.
    """

    rows: Rows
    draws: np.ndarray
    classes: pl.DataFrame


def _gather(labels: pl.DataFrame | pl.LazyFrame, kept: pl.Series, units: int, plan: BalancePlan, key: Key) -> _Gathered:
    tokens, lengths, hours, draws, classes = [], [], [], [], []
    columns = ["id", "label", "confidence"] if plan.by == "classes" else []
    for part in _kept_rows(labels, kept, list(dict.fromkeys(["id", "size", "tokens", *columns]))):
        length, flat = _flat(part, units)
        tokens.append(flat)
        lengths.append(length)
        hours.append(part["size"].cast(pl.Float64).to_numpy() / 3600)
        draws.append(key.uniforms(part["id"].to_list()) if plan.by == "tokens" else np.empty(0))
        classes.append(part.select(columns))
    starts = np.concatenate((np.zeros(1, np.int64), np.cumsum(np.concatenate(lengths), dtype=np.int64)))
    rows = Rows(np.concatenate(tokens), starts, np.concatenate(hours))
    return _Gathered(rows, np.concatenate(draws), pl.concat(classes))


def _kept_rows(labels: pl.DataFrame | pl.LazyFrame, kept: pl.Series, columns: list[str]) -> Iterator[pl.DataFrame]:
    """The kept rows piece by piece, in one pass over the table."""
    lazy = labels.lazy().select(columns)
    total = int(lazy.select(pl.len()).collect().item())
    if len(kept) != total:
        raise BalanceError(f"{len(kept)} verdicts for {total} labels; give the verdicts on this very table")
    if not kept.any():
        raise BalanceError("no label is kept, there is nothing to balance; loosen the filter")
    start = 0
    for piece in lazy.collect_batches(chunk_size=_PIECE, maintain_order=True):
        yield piece.filter(kept.slice(start, len(piece)))
        start += len(piece)


def _flat(part: pl.DataFrame, units: int) -> tuple[np.ndarray, np.ndarray]:
    """How many tokens each row has, and all of them, as small numbers as the units allow."""
    length = part["tokens"].list.len().fill_null(0).to_numpy()
    tokens = part["tokens"].filter(pl.Series(length > 0)).explode().to_numpy()
    if len(tokens) and not 0 <= tokens.min() <= tokens.max() < units:
        place = int(np.flatnonzero((tokens < 0) | (tokens >= units))[0])
        row = int(np.searchsorted(np.cumsum(length), place, side="right"))
        raise BalanceError(
            f"{part['id'][row]} has the token {tokens[place]}, but the labeled data has units 0 to {units - 1}; count "
            "the labeled data with the tokenizer of the teacher that made the labels"
        )
    return length, tokens.astype(np.uint16 if units <= 2**16 else np.int32)


def _target(shares: Shares, plan: BalancePlan) -> np.ndarray:
    counts = np.asarray(shares.counts, np.float64)
    if not (counts.sum() > 0 and np.isfinite(counts).all() and counts.min() >= 0):
        raise BalanceError("the labeled data has no tokens to aim at, or negative counts; check its transcripts")
    aim = (counts > 0).astype(np.float64) if plan.by == "classes" else counts
    return np.asarray(aim / aim.sum())


def _by_tokens(draws: np.ndarray, rows: Rows, target: np.ndarray, plan: BalancePlan) -> _Chosen:
    there = float(rows.hours.sum())
    asked = plan.hours or there
    even = min(asked / there, plan.cap)
    if even < plan.cap:
        found = weigh(rows, target, hours=asked, cap=plan.cap, iterations=plan.iterations)
    else:
        everything = np.full(len(draws), plan.cap)
        found = Weights(everything, divergence(target, count(rows, everything, len(target))), 0)
    rounded, equal = _rounded(found.weights, draws), _rounded(np.full(len(draws), even), draws)
    candidates = [copies for copies in (rounded, equal) if copies.any()]
    if not candidates:
        raise BalanceError(
            f"hours = {asked:g} leaves none of {len(draws)} rows ({there:g} hours); give a larger budget"
        )
    best = min(candidates, key=lambda copies: divergence(target, count(rows, copies, len(target))))
    return _Chosen(best, found.kl, asked, asked > plan.cap * there, found.iterations, best is equal)


def _rounded(weights: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """floor(w) + (u < w - floor(w)): w copies on average, never further away than one."""
    whole = np.floor(weights)
    return np.asarray(whole + (draws < weights - whole), np.int64)


def _by_classes(table: pl.DataFrame, per_class: int | dict[str, int] | None) -> np.ndarray:
    surest_first = (
        table.with_row_index("place")
        .with_columns(pl.col("confidence").fill_nan(None))
        .sort("label", "confidence", "id", descending=[False, True, False], nulls_last=True)
        .with_columns(rank=pl.int_range(pl.len()).over("label"), size=pl.len().over("label"))
    )
    size, rank = surest_first["size"].to_numpy().astype(np.int64), surest_first["rank"].to_numpy()
    wanted = _wanted(surest_first["label"], per_class)
    copies = np.zeros(len(table), np.int64)
    copies[surest_first["place"].to_numpy()] = wanted // size + (rank < wanted % size)
    if copies.max() > _MOST_COPIES:
        name = table["label"][int(copies.argmax())]
        raise BalanceError(f"the class {name!r} would repeat a row {copies.max()} times; lower per_class")
    return copies


def _wanted(labels: pl.Series, per_class: int | dict[str, int] | None) -> np.ndarray:
    """How many copies the class of each row is to have. Raises BalanceError for a class that is given no number."""
    if isinstance(per_class, dict):
        absent = sorted(set(labels.unique()) - set(per_class))
        if absent:
            raise BalanceError(f"per_class has no number for the class {absent[0]!r}; give one for each that is kept")
        return labels.replace_strict(per_class, return_dtype=pl.Int64).to_numpy()
    number = per_class or max(1, math.floor(len(labels) / labels.n_unique() + 0.5))
    return np.full(len(labels), number)


def _laid_out(copies: np.ndarray, kept: pl.Series) -> pl.DataFrame:
    column = np.zeros(len(kept), np.uint16)
    column[kept.to_numpy()] = copies
    return pl.DataFrame({"copies": column, "weight": np.ones(len(kept), np.float32)})
