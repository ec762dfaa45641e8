"""What is to be scored, and how."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nst_asr.align import Costs
from nst_asr.scoring.attributes import FromId
from nst_asr.scoring.groups import BANDS
from nst_asr.scoring.pairing import Extra, Missing


@dataclass(frozen=True)
class Request:
    """The files and choices of one scoring; docs/scoring.md says what each means.

    hypotheses: none where the reference's file holds them too (NeMo's pred_text). by, blocks: columns. baseline and
    oracle: both or neither. pool: hypotheses without references, whose error rate is to be estimated.
    """

    reference: Path
    hypotheses: tuple[Path, ...] = ()
    reference_format: str | None = None
    hypothesis_format: str | None = None
    reference_column: str | None = None
    hypothesis_column: str | None = None
    confidence: str | None = None
    normalise: tuple[str, ...] = ()
    costs: Costs = "unit"
    missing: Missing = "error"
    extra: Extra = "error"
    by: tuple[str, ...] = ()
    bands: tuple[float, ...] = BANDS
    sides: tuple[Path, ...] = ()
    from_id: tuple[FromId, ...] = ()
    blocks: str | None = None
    confusions: int = 10
    baseline: Path | None = None
    oracle: Path | None = None
    pool: Path | None = None

    @property
    def systems(self) -> dict[str, Path]:
        """Name -> file of all that is scored: the hypotheses, then baseline and oracle where they are other files."""
        others = [path for path in (self.baseline, self.oracle) if path is not None]
        return {str(path): path for path in (*(self.hypotheses or (self.reference,)), *others)}

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the references that are needed beside their texts."""
        named = [name for name in (*self.by, self.blocks) if name not in (None, "duration", "utterance")]
        return tuple(dict.fromkeys([*(name for name in named if name), "speaker", "seconds"]))
