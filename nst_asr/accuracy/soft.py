"""What soft labels say beyond the best guess: top-5, Brier score, negative log-likelihood."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from nst_asr.accuracy.guesses import AccuracyError, Guesses, beside

BEST = 5
_AT_ONCE = 4_000_000  # shares
_NEAR = 0.01  # of 1, for the sum of shares that were written as half floats


def soft_numbers(reference: pl.DataFrame, guesses: Guesses) -> dict[str, Any]:
    """top5, brier and nll, as plain values; {} where there are no soft labels.

    top5: the share of images whose class is among the five largest of the soft label; of equal shares the first comes
    first. With p the shares as they stand, of an image of class t:

        Brier score = sum over classes k of (p_k - [k = t])^2,  from 0 to 2
        negative log-likelihood = -log p_t,  nats

    and both are means over images. Without names the numbers of the classes are learnt from the rows: the largest
    share and the label are the same class. What cannot be known is None, and top5_reason (all three) or
    probabilities_reason (the last two) says why.
    Source: Brier 1950, in its original form; the reliability's Brier score is that of the confidence alone.
    """
    rows = guesses.rows
    if not {"soft_index", "soft_prob"} <= set(rows.columns) or rows["soft_index"].null_count() == len(rows):
        return {}
    for name in ("soft_index", "soft_prob"):
        kind = rows[name].dtype
        if not (isinstance(kind, pl.List) and kind.inner.is_numeric()):
            raise AccuracyError(f"{name} is {kind}, not lists of numbers; give a .parquet with such, or leave it out")
    pairs = beside(reference, rows)
    none = {"top5": None, "brier": None, "nll": None}
    bad = pairs.filter((pl.col("soft_index").list.len() > 0).fill_null(False).not_() | (_lengths_differ()))
    if len(bad):
        return none | {"top5_reason": f"{len(bad)} of {len(pairs)} images have no soft label, such as {bad['id'][0]}"}
    places = _named(pairs) if guesses.classes is None else {name: k for k, name in enumerate(guesses.classes)}
    unknown = sorted(set(pairs["label"]) - set(places))
    if unknown:
        reason = f"which number is {unknown[0]} is not known ({len(unknown)} such classes); give --classes"
        return none | {"top5_reason": reason}
    true = pairs["label"].replace_strict(places, return_dtype=pl.Int64).to_numpy()
    rank, own, squares, total = _measured(pairs, true)
    return {"top5": float(np.mean(rank < BEST)), **_proper(pairs["id"], own, squares, total)}


def largest_shares(rows: pl.DataFrame) -> pl.Series | None:
    """The largest share of each soft label, f64, null where there is none; None without any."""
    if "soft_prob" not in rows.columns or rows["soft_prob"].null_count() == len(rows):
        return None
    return rows["soft_prob"].list.max().cast(pl.Float64)


def _lengths_differ() -> pl.Expr:
    return (pl.col("soft_index").list.len() != pl.col("soft_prob").list.len()).fill_null(True)


def _proper(ids: pl.Series, own: np.ndarray, squares: np.ndarray, total: np.ndarray) -> dict[str, Any]:
    """The two proper scores, where the shares are probabilities and the true class has one."""
    odd = np.flatnonzero(~(np.abs(total - 1) <= _NEAR))  # nan is odd too
    if len(odd):
        reason = f"the shares of {len(odd)} images do not sum to 1, such as {ids[int(odd[0])]} ({total[odd[0]]:.3g})"
        return {"brier": None, "nll": None, "probabilities_reason": reason}
    found = {"brier": float(np.mean(squares - 2 * own + 1)), "nll": None}
    lost = np.flatnonzero(own == 0)
    if len(lost):
        reason = (
            f"no negative log-likelihood: the soft labels of {len(lost)} images leave their class out, such as "
            f"{ids[int(lost[0])]}; it takes a probability for every class"
        )
        return found | {"probabilities_reason": reason}
    return found | {"nll": float(-np.mean(np.log(own)))}


def _measured(pairs: pl.DataFrame, true: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """How many shares come before the true class's (a large number where it has none), that share, the sum of squares
    and the sum of shares, (N,) each."""
    parts = []
    for start, index, share, starts, row in _flat(pairs):
        hits = np.flatnonzero(index == true[start : start + len(starts)][row])
        place = np.full(len(starts), -1)
        place[row[hits]] = hits
        own = np.where(place >= 0, share[place], 0)
        before = (share > own[row]) | ((share == own[row]) & (np.arange(len(share)) < place[row]))
        rank = np.where(place >= 0, np.add.reduceat(before, starts, dtype=np.int64), np.iinfo(np.int64).max)
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
