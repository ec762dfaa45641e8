"""Inputs that cannot be used: each is named with its reason and left out, and too many of them stop the run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import polars as pl

from nst_asr.corpus import Labeled, Unlabeled
from nst_asr.run import Run
from nst_asr.store import read_table, write_json

S = TypeVar("S", bound=Labeled | Unlabeled)

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
    raise UnusableError(
        f"{len(bad)} of {total} {noun} cannot be used, more than the share of {limit:g} that may be skipped:\n"
        f"{_first(bad)}\nMend them, take them out of the manifest, or allow a larger share."
    )


def refuse_if_none(bad: Sequence[tuple[str, str]], total: int, *, noun: str = "examples") -> None:
    """Raise UnusableError, naming the first few, where not one of `total` inputs can be used, whatever is allowed."""
    if len(bad) < total:
        return
    raise UnusableError(
        f"none of the {total} {noun} can be used, so there is nothing to work on:\n{_first(bad)}\n"
        "Look whether the manifest names the right place, and whether the files are whole."
    )


def _first(bad: Sequence[tuple[str, str]]) -> str:
    more = f"\n  and {len(bad) - 5} more" if len(bad) > 5 else ""
    return "\n".join(f"  {name}: {reason}" for name, reason in bad[:5]) + more


def usable(
    run: Run, part: S, check: Callable[[pl.DataFrame], Checked], columns: Sequence[str], limit: float, *, noun: str
) -> S:
    """The part without the inputs that cannot be used, which are listed, with reasons, in the run folder.

    columns: what `check` finds out, which the part takes over. Raises UnusableError beyond the share `limit`, and
    where none is left.
    """

    def make(out: Path) -> None:
        checked = check(part.rows)
        if checked.bad:
            listed = [{"id": name, "reason": reason} for name, reason in checked.bad]
            write_json(out.parent / f"{part.name}.bad.json", listed)
            log.warning("%s: %d of %d %s cannot be used and are left out", part.name, len(listed), len(part.rows), noun)
        refuse_if_none(checked.bad, len(part.rows), noun=f"{noun} of {part.name}")
        refuse_if_too_many(checked.bad, len(part.rows), limit, noun=noun)
        # group and label besides, so that a report needs no manifest
        besides = [name for name in ("group", "label") if name in checked.rows.columns and name not in columns]
        checked.rows.select("id", *columns, *besides).write_parquet(out)

    kept = read_table(run.step(f"corpus/{part.name}.parquet", make)).select("id", *columns)
    rows = part.rows.drop(columns, strict=False).join(kept, on="id", how="inner", maintain_order="left")
    new = [name for name in columns if name not in part.rows.columns]
    return type(part)(rows.select(*part.rows.columns, *new), part.name)
