"""How much of the way from a baseline to an oracle a student went: the recovery rate, with its bootstrap interval."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from nst_asr.bootstrap import percentiles, rate, resampled_totals
from nst_asr.key import Key
from nst_asr.percent import percent
from nst_asr.score import Score, paired_units


@dataclass(frozen=True)
class Recovery:
    """The share of the way from baseline to oracle that the student went; what is None has its reason."""

    rate: float | None
    low: float | None
    high: float | None
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The fields."""
        return asdict(self)


def recovery_rate(baseline: Score, student: Score, oracle: Score, key: Key) -> Recovery:
    """(baseline - student) / (baseline - oracle) with its 95 % interval, by a bootstrap paired over all three.

    They are resampled over what `baseline.interval_over` says.
    1: as good as with true labels; 0: no better than the teacher; negative: worse. Source: the recovery rate (WRR) of
    Kahn, Lee and Hannun 2020, "Self-training for end-to-end speech recognition"; the interval is ours. There is no rate
    where the oracle is no better than the baseline, and no interval where that is so in more than 2.5 % of the
    resamples: then the ratio has no bound. Such resamples, where they are fewer, are left out. Raises ScoreError as
    `score.compare`.
    """
    units = paired_units([baseline, student, oracle])
    if baseline.rate <= oracle.rate:
        reason = f"the oracle ({percent(oracle.rate)}) is no better than the baseline ({percent(baseline.rate)})"
        return Recovery(None, None, None, reason)
    found = (baseline.rate - student.rate) / (baseline.rate - oracle.rate)
    words, *errors = resampled_totals(units, key).T
    first, last, best = (rate(column, words) for column in errors)
    usable = first > best
    if usable.mean() < 0.975:
        share = percent(float(usable.mean()), 1)
        reason = f"no interval: the oracle is not surely better than the baseline ({share} of resamples)"
        return Recovery(found, None, None, reason)
    low, high = percentiles((first - last)[usable] / (first - best)[usable])
    return Recovery(found, low, high)
