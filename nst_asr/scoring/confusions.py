"""The words that are most often taken for others, left out or put in."""

from __future__ import annotations

from typing import Any

import polars as pl

from nst_asr.align import Costs
from nst_asr.aligned import changed_words


def confusions(pairs: pl.DataFrame, costs: Costs, most: int) -> dict[str, Any]:
    """The most frequent substitutions, deletions and insertions of pairs (`label`, `heard`), and how many kinds occur.

    substitutions: {reference, hypothesis, count}; deletions, insertions: {word, count}; each the most frequent first,
    then by the words. kinds: of each, how many different ones there are.
    """
    wrong = pairs.filter(pl.col("label") != pl.col("heard"))
    ordered = changed_words(wrong["label"], wrong["heard"], costs)
    before, after = pl.col("before"), pl.col("after")
    kinds = {
        "substitutions": ordered.filter(before.is_not_null() & after.is_not_null()).rename(
            {"before": "reference", "after": "hypothesis"}
        ),
        "deletions": ordered.filter(after.is_null()).select(word="before", count="count"),
        "insertions": ordered.filter(before.is_null()).select(word="after", count="count"),
    }
    return {
        **{name: table.head(most).to_dicts() for name, table in kinds.items()},
        "kinds": {name: len(table) for name, table in kinds.items()},
    }
