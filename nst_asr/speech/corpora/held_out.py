"""Speakers that are held out for dev and test, drawn so that a corpus of any order gives the same ones."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from nst_asr.key import Key
from nst_asr.lines import ManifestError

TRAINING = ""  # the name of the set that is not held out


@dataclass(frozen=True)
class HoldOut:
    """A set to be held out: at least `share` of the hours."""

    name: str
    share: float  # in (0, 1)


def parse_hold_out(text: str) -> HoldOut:
    """The set that NAME=SHARE asks for. Raises ManifestError for what is not of that form."""
    name, _, share = text.partition("=")
    if not re.fullmatch(r"[\w.-]+", name) or not re.fullmatch(r"0?\.\d*[1-9]\d*", share):
        raise ManifestError(f"--hold-out {text}: expected NAME=SHARE, a share of the hours such as dev=0.1")
    return HoldOut(name, float(share))


def split(rows: pl.LazyFrame, wanted: Sequence[HoldOut], key: Key) -> tuple[pl.LazyFrame, tuple[str, ...]]:
    """The rows with a column `set`, and warnings.

    Whole speakers (groups) are held out; where a row's speaker is unknown, its whole file. Each of these gets a draw
    that depends on the key and its name alone; in the order of the draws they go to the first set until it has its
    share of all hours, then to the next. Raises ManifestError where nobody would be left for training.
    """
    if not wanted:
        return rows.with_columns(set=pl.lit(TRAINING)), ()
    rows = rows.with_columns(unit=pl.coalesce("speaker " + pl.col("group"), "file " + pl.col("path")))
    units = rows.group_by("unit").agg(seconds=pl.col("size").cast(pl.Float64).sum()).sort("unit").collect()
    chosen = units.with_columns(set=pl.Series(_sets(units, wanted, key), dtype=pl.String)).select("unit", "set")
    unknown = int(units["unit"].str.starts_with("file ").sum())
    warnings = (
        f"{unknown} files have no known speaker and were drawn one by one: whether a held-out voice is also heard "
        "in training cannot be seen",
    )
    joined = rows.join(chosen.lazy(), on="unit", how="left", maintain_order="left").drop("unit")
    return joined, warnings if unknown else ()


def _sets(units: pl.DataFrame, wanted: Sequence[HoldOut], key: Key) -> np.ndarray:
    """The set of each unit."""
    order = np.argsort(key["hold-out"].uniforms(units["unit"]), kind="stable")
    seconds = units["seconds"].to_numpy()
    sets, place = np.full(len(units), TRAINING, dtype=object), 0
    for asked in wanted:
        held = 0.0
        while held < asked.share * seconds.sum() and place < len(order):
            sets[order[place]] = asked.name
            held += seconds[order[place]]
            place += 1
    if place >= len(order):
        asked_for = ", ".join(f"{asked.name}={asked.share:g}" for asked in wanted)
        raise ManifestError(
            f"holding out {asked_for} leaves no speaker for training: there are {len(order)} speakers or files, and "
            "whole ones are held out; ask for less, or give the sets as corpora of their own"
        )
    return sets
