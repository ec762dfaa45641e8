"""What soft labels say beyond the best guess: top-5, Brier score, negative log-likelihood."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from nst_asr.accuracy.guesses import MEASURES, AccuracyError, Guesses, beside

BEST = 5
_AT_ONCE = 4_000_000  # shares
_ABSENT = np.iinfo(np.int64).max  # the rank of a class that a soft label leaves out
_NEAR = 0.01  # of 1, for the sum of shares that were written as half floats


def soft_numbers(reference: pl.DataFrame, guesses: Guesses) -> dict[str, Any]:
    """top5, brier and nll, as plain values; {} where there are no soft labels.

    top5: the share of images whose class is among the five largest of the soft label; of equal shares the first comes
    first. With p the shares as they stand, of an image of class t:

        Brier score = sum over classes k of (p_k - [k = t])^2,  from 0 to 2
        negative log-likelihood = -log p_t,  nats

    and both are means over images. Without names the numbers of the classes are learnt from the rows: the largest
    share and the label are the same class. What cannot be known is None, and top5_reason or probabilities_reason (the
    last two) says why; alone, top5_reason is that of all three. Raises AccuracyError for what is no list of numbers.
    Source: Brier 1950, in its original form; the reliability's Brier score is that of the confidence alone.
    """
    rows = guesses.rows
    if not {"soft_index", "soft_prob"} <= set(rows.columns) or rows["soft_index"].null_count() == len(rows):
        return {}
    _refuse_no_lists(rows)
    pairs = beside(reference, rows)
    none = {"top5": None, "brier": None, "nll": None}
    bad = pairs.filter((pl.col("soft_index").list.len() > 0).fill_null(False).not_() | (_lengths_differ()))
    if len(bad):
        return none | {"top5_reason": f"{len(bad)} of {len(pairs)} images have no soft label, such as {bad['id'][0]}"}
    bad = pairs.filter(_gaps())
    if len(bad):
        where = f"{len(bad)} of {len(pairs)} images have a soft label with gaps, such as {bad['id'][0]}"
        return none | {"top5_reason": f"{where}: every class and share is to be a number"}
    places = _named(pairs) if guesses.classes is None else {name: k for k, name in enumerate(guesses.classes)}
    unknown = sorted(set(pairs["label"]) - set(places))
    if unknown:
        reason = f"which number is {unknown[0]} is not known ({len(unknown)} such classes); give --classes"
        return none | {"top5_reason": reason}
    true = pairs["label"].replace_strict(places, return_dtype=pl.Int64).to_numpy()
    rank, own, squares, total = _measured(pairs, true)
    return _top5(pairs, rank) | _proper(pairs["id"], own, squares, total)


def largest_shares(rows: pl.DataFrame) -> pl.Series | None:
    """The largest share of each soft label, f64, null where there is none; None without any."""
    if "soft_prob" not in rows.columns or rows["soft_prob"].null_count() == len(rows):
        return None
    return rows["soft_prob"].list.max().cast(pl.Float64)


def _refuse_no_lists(rows: pl.DataFrame) -> None:
    for name, wanted in (("soft_index", "whole numbers"), ("soft_prob", "numbers")):
        kind = rows[name].dtype
        inner = kind.inner if isinstance(kind, pl.List) else None
        if inner is None or not (inner.is_integer() if name == "soft_index" else inner.is_numeric()):
            raise AccuracyError(f"{name} is {kind}, not lists of {wanted}; give a .parquet with such, or leave it out")


def _lengths_differ() -> pl.Expr:
    return (pl.col("soft_index").list.len() != pl.col("soft_prob").list.len()).fill_null(True)


def _gaps() -> pl.Expr:
    lacking = [pl.col(name).list.drop_nulls().list.len() < pl.col(name).list.len() for name in MEASURES[1:]]
    return pl.any_horizontal(*lacking, pl.col("soft_prob").list.sum().cast(pl.Float64).is_nan())


def _top5(pairs: pl.DataFrame, rank: np.ndarray) -> dict[str, Any]:
    few = pairs["soft_index"].list.len().to_numpy() < BEST
    lost = np.flatnonzero(few & (rank == _ABSENT))
    if not len(lost):
        return {"top5": float(np.mean(rank < BEST))}
    which = f"the soft labels of {len(lost)} images leave their class out, such as {pairs['id'][int(lost[0])]}"
    return {"top5": None, "top5_reason": f"{which}, and have fewer than {BEST} classes"}


def _proper(ids: pl.Series, own: np.ndarray, squares: np.ndarray, total: np.ndarray) -> dict[str, Any]:
    """The two proper scores, where the shares are probabilities and the true class has one."""
    odd = np.flatnonzero(~(np.abs(total - 1) <= _NEAR))  # nan is odd too
    if len(odd):
        reason = f"the shares of {len(odd)} images do not sum to 1, such as {ids[int(odd[0])]} ({total[odd[0]]:.3g})"
        return {"brier": None, "nll": None, "probabilities_reason": reason}
    found = {"brier": float(np.mean(squares - 2 * own + 1)), "nll": None}
    lost = np.flatnonzero(own <= 0)
    if len(lost):
        reason = (
            f"no negative log-likelihood: the soft labels of {len(lost)} images leave their class out, such as "
            f"{ids[int(lost[0])]}; it takes a probability for every class"
        )
        return found | {"probabilities_reason": reason}
    return found | {"nll": float(-np.mean(np.log(own)))}


def _measured(pairs: pl.DataFrame, true: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """How many shares come before the true class's (`_ABSENT` where it has none), that share, the sum of squares
    and the sum of shares, (N,) each."""
    parts = []
    for start, index, share, starts, row in _flat(pairs):
        hits = np.flatnonzero(index == true[start : start + len(starts)][row])
        place = np.full(len(starts), -1)
        place[row[hits]] = hits
        own = np.where(place >= 0, share[place], 0)
        before = (share > own[row]) | ((share == own[row]) & (np.arange(len(share)) < place[row]))
        rank = np.where(place >= 0, np.add.reduceat(before, starts, dtype=np.int64), _ABSENT)
        sums = (np.add.reduceat(part, starts, dtype=np.float64) for part in (share**2, share))
        parts.append((rank, own.astype(np.float64), *sums))
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))  # type: ignore[return-value]


def _named(pairs: pl.DataFrame) -> dict[str, int]:
    """Class name -> its number, as the largest share of each soft label and the guess beside it have it."""
    best = []
    for _, index, share, starts, row in _flat(pairs):
        candidates = np.flatnonzero(share == np.maximum.reduceat(share, starts)[row])
        best.append(index[candidates[np.searchsorted(candidates, starts)]])
    largest = pairs.select("heard", index=pl.Series(np.concatenate(best))).unique()
    doubled = largest.filter(pl.col("heard").is_duplicated() | pl.col("index").is_duplicated())
    return dict(largest.filter(~pl.col("heard").is_in(doubled["heard"].implode())).iter_rows())


_Flat = tuple[int, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _flat(pairs: pl.DataFrame) -> Iterator[_Flat]:
    """The soft labels one after the other, some at a time: the first row, classes, shares, where each row begins, and
    the row (from the first) of each share."""
    lengths = pairs["soft_index"].list.len().cast(pl.Int64).to_numpy()
    step = max(1, _AT_ONCE // int(lengths.max()))
    for start in range(0, len(pairs), step):
        part, sizes = pairs[start : start + step], lengths[start : start + step]
        index = part["soft_index"].explode().cast(pl.Int32).to_numpy()
        share = part["soft_prob"].explode().cast(pl.Float32).to_numpy()
        yield start, index, share, np.cumsum(sizes) - sizes, np.repeat(np.arange(len(sizes)), sizes)
