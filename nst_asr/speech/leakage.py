"""Audio that occurs in two sets under other ids: what the core's guard, which knows ids and speakers, cannot see."""

from __future__ import annotations

from itertools import product

import polars as pl

from nst_asr.corpus import Corpus, Labeled, Unlabeled


def shared_audio(corpus: Corpus, test: Labeled | None) -> list[str]:
    """One line for each pair of training and held-out set that hear some stretch of the same file."""
    held_out = [corpus.dev, *([test] if test else [])]
    training: list[Labeled | Unlabeled] = [corpus.labeled, corpus.unlabeled]
    found = (_shared(seen, held) for seen, held in product(training, held_out))
    return [line for line in found if line]


def _shared(seen: Labeled | Unlabeled, held: Labeled) -> str | None:
    columns = ("id", "path", "start", "size")
    pairs = seen.rows.select(columns).join(held.rows.select(columns), on="path", suffix="_held")
    overlap = pairs.filter(
        pl.col("start") < pl.col("start_held") + pl.col("size_held"),
        pl.col("start_held") < pl.col("start") + pl.col("size"),
    )
    if overlap.is_empty():
        return None
    first = overlap.row(0, named=True)
    return (
        f"{len(overlap)} utterances of {seen.name} are audio of {held.name} under other ids: "
        f"{first['id']} and {first['id_held']} both lie in {first['path']}"
    )
