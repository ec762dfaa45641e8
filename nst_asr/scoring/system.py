"""One set of hypotheses beside the references."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from nst_asr.score import Score
from nst_asr.scoring.texts import Texts


@dataclass(frozen=True)
class System:
    """Hypotheses of one name, laid over the references, and scored.

    source: what is known of their file, the texts aside. pairs: id, label (the reference) and heard, normalised, row
    for row as in the score.
    """

    name: str
    source: Texts
    pairs: pl.DataFrame
    score: Score
