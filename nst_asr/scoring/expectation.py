"""The error rate to be expected of hypotheses without references, learnt from those that have some."""

from __future__ import annotations

from nst_asr.estimate import Estimate, estimate
from nst_asr.score import ERRORS
from nst_asr.scoring.system import System
from nst_asr.scoring.texts import ScoringError, Texts


def expected(system: System, pool: Texts) -> Estimate:
    """The expected error rate of `pool`, calibrated on hypotheses that were scored: their file says how sure they are.

    What is resampled is what the score's interval is over. Raises ScoringError where either file has no confidence,
    EstimateError where they do not suffice.
    """
    for texts in (system.source, pool):
        if "confidence" not in texts.rows.columns:
            raise ScoringError(
                f"{texts.path}: no confidence, without which nothing can be expected; give JSON lines, a table or a "
                "CTM that has one, or name its column with --confidence"
            )
    found = system.score
    kept = [name for name in found.utterances.columns if name in ("id", "group", "words", found.over)]
    counted = found.utterances.select(*kept, errors=ERRORS).with_columns(system.pairs["heard"].alias("label"))
    sure = system.source.rows.select("id", "confidence")
    dev = counted.join(sure, on="id", how="left", maintain_order="left")
    group = {"group": "speaker"} if "speaker" in pool.rows.columns else {}
    return estimate(dev, pool.rows.select("id", "confidence", label="text", **group), over=found.over)
