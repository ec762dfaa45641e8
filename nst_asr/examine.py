"""How good a gauge is, on dev: calibration before and after, estimated against true error, the measures ranked."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from nst_asr import risk
from nst_asr.bootstrap import rate
from nst_asr.gauge import Fitted
from nst_asr.key import Key
from nst_asr.measures import DERIVED
from nst_asr.reliability import Reliability, reliability
from nst_asr.risk import Ranking
from nst_asr.terms import Terms

SHARES = (0.25, 0.5, 0.75, 1.0)  # of the hours, the surest labels first
_KEY = Key(0)["examine"]


@dataclass(frozen=True)
class Estimate:
    """The error rate of the surest labels: what was expected, and what it is. share: of the hours."""

    share: float
    expected: float
    true: float


@dataclass(frozen=True)
class Examination:
    """What dev says of a gauge; all that is calibrated is out of fold.

    before, after: the labels' own confidence and the calibrated probability beside what is wholly right, on the same
    labels; None where dev could not calibrate. estimates: expected and true error rates, the surest labels by
    expected error first. reasons: why something is missing.
    """

    ranking: Ranking
    before: Reliability | None
    after: Reliability | None
    estimates: tuple[Estimate, ...]
    reasons: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The fields as plain values."""
        return asdict(self)

    def describe(self, terms: Terms | None = None) -> str:
        """Several lines to read, in the words of a task."""
        terms = terms or Terms()
        lines = [f"WARNING: {reason}" for reason in self.reasons]
        if self.before and self.after:
            lines.append(f"the labels' own confidence on dev: {self.before.describe()}")
            lines.append(f"calibrated, out of fold: {self.after.describe()}")
        lines += [
            f"the surest {each.share:.0%} of dev: estimated {terms.error} {each.expected:.2%}, true {each.true:.2%}"
            for each in self.estimates
        ]
        return "\n".join([*lines, self.ranking.describe(terms)])


def examine(fitted: Fitted) -> Examination:
    """What dev says of the gauge that was fitted on it."""
    dev, out_of_fold = fitted.dev, fitted.out_of_fold
    measures = risk.measured(dev) | risk.measured(out_of_fold, DERIVED)
    before, after = _reliability(dev, out_of_fold)
    calibration = fitted.gauge.calibration
    return Examination(
        risk.ranking(measures, dev, _KEY["risk"]),
        before,
        after,
        estimates(dev, out_of_fold),
        calibration.reasons if calibration else (),
    )


def _reliability(dev: pl.DataFrame, out_of_fold: pl.DataFrame) -> tuple[Reliability | None, Reliability | None]:
    rows = dev.select("confidence", right=pl.col("errors") == 0).hstack(out_of_fold.select("probability"))
    rows = rows.fill_nan(None).drop_nulls()
    if rows.is_empty():
        return None, None
    before, after = (
        reliability(rows[name].to_numpy(), rows["right"].to_numpy(), _KEY[name])
        for name in ("confidence", "probability")
    )
    return before, after


def estimates(dev: pl.DataFrame, judged: pl.DataFrame) -> tuple[Estimate, ...]:
    """Expected and true error rates of the surest labels.

    dev: `size`, `errors` and `words` of each label; judged: `expected_error` and `expected_words`. Labels that have
    none are left out.
    """
    rows = dev.select("size", "errors", "words").hstack(judged.select("expected_error", "expected_words"))
    rows = rows.drop_nulls().sort("expected_error", maintain_order=True)
    if rows.is_empty():
        return ()
    rows = rows.with_columns(pl.col("expected_error").cast(pl.Float64) * pl.col("expected_words"))
    size, errors, words, expected, weight = (column.cast(pl.Float64).cum_sum().to_numpy() for column in rows)
    ends = [min(int(np.searchsorted(size, share * size[-1] * (1 - 1e-9))), len(size) - 1) for share in SHARES]
    rates = rate(expected, weight), rate(errors, words)
    return tuple(
        Estimate(share, *(float(each[end]) for each in rates)) for share, end in zip(SHARES, ends, strict=True)
    )
