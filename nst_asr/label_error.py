"""How wrong labels are, as far as the truth of a simulated pool tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from nst_asr.align import align_counts
from nst_asr.corpus import CorpusError


@dataclass(frozen=True)
class LabelError:
    """The errors of `rows` labels whose truth is known, which has so many words."""

    rows: int
    errors: int
    words: int

    @property
    def rate(self) -> float | None:
        """Errors a word; None where no label has a known truth."""
        return self.errors / max(self.words, 1) if self.rows else None

    def to_json(self) -> dict[str, Any]:
        """As results.json has it."""
        return {"errors": self.errors, "words": self.words, "rate": self.rate}


def label_error(labels: pl.DataFrame, truth: pl.DataFrame) -> tuple[LabelError, LabelError]:
    """The error of all labels with a known truth, and of those among them that were kept.

    labels: `id`, `label` (null: an empty one) and `kept`; truth: `id` and `label`, of some ids or all. Raises
    CorpusError where the truth has none of the labels' ids: it is that of another pool.
    """
    known = truth.select("id", true="label")
    pairs = labels.join(known, on="id", how="inner", maintain_order="left")
    if not len(pairs):
        raise CorpusError(
            f"the truth has none of the {len(labels)} labels' ids (it has {truth['id'][0]!r}, the labels "
            f"{labels['id'][0]!r}); give the truth of this pool"
        )
    counts = align_counts(pairs["true"].to_list(), pairs["label"].fill_null("").to_list())
    return _summed(counts), _summed(counts[pairs["kept"].to_numpy()])


def _summed(counts: np.ndarray) -> LabelError:
    return LabelError(len(counts), int(counts[:, :3].sum()), int(counts[:, 3].sum()))
