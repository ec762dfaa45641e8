"""Inputs that cannot be used: each is named with its reason and left out, and too many of them stop the run."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

log = logging.getLogger("nst_asr")


class UnusableError(ValueError):
    """Too many inputs that cannot be used; the message names the first few and the way out."""


@dataclass(frozen=True)
class Checked:
    """The rows whose input is as the manifest says, and (id, reason) for each of the others."""

    rows: pl.DataFrame
    bad: tuple[tuple[str, str], ...]


def sort_out(rows: pl.DataFrame, reasons: Sequence[str | None]) -> Checked:
    """The rows, in order, parted by the reason, if any, why each cannot be used; each of these is said in the log."""
    good = rows.filter(pl.Series([reason is None for reason in reasons], dtype=pl.Boolean))
    bad = tuple((name, reason) for name, reason in zip(rows["id"], reasons, strict=True) if reason is not None)
    for name, reason in bad:
        log.warning("skipped %s: %s", name, reason)
    return Checked(good, bad)


def refuse_if_too_many(
    bad: Sequence[tuple[str, str]], total: int, limit: float = 0.01, *, noun: str = "examples"
) -> None:
    """Raise UnusableError, naming the first few, where more than the share `limit` of `total` inputs is bad."""
    if len(bad) <= limit * total:
        return
    first = "\n".join(f"  {name}: {reason}" for name, reason in bad[:5])
    more = f"\n  and {len(bad) - 5} more" if len(bad) > 5 else ""
    raise UnusableError(
        f"{len(bad)} of {total} {noun} cannot be used, more than the share of {limit:g} that may be skipped:\n"
        f"{first}{more}\nMend them, take them out of the manifest, or allow a larger share."
    )
