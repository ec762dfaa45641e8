"""The error rate of hypotheses that have no references, estimated from their confidences and a labeled dev set.

Dev teaches how many errors a word hypotheses of each confidence have, and how many words were said for one that was
heard; both are laid over the confidences of the pool. Nothing is assumed about the confidence but that more of it does
not mean more errors: it need be no probability, and may be any measure, such as minus a gauge's expected error (of dev
out of fold).

The estimate holds where pool and dev are *exchangeable given the confidence*: a hypothesis of the pool with some
confidence is as often wrong as one of dev with the same. The pool may have more unsure hypotheses than dev; that is
what the confidence tells. Another domain (noise, accents, topics, recordings) breaks it, mostly so that the true rate
is higher, because models are too sure of what they have never heard. No interval shows that: only references do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from nst_asr.bootstrap import RESAMPLES, blocks, percentiles, rate
from nst_asr.calibration import FEWEST_OF_A_KIND, FEWEST_ROWS
from nst_asr.census import length
from nst_asr.error_curve import Heard, Lesson, scatter
from nst_asr.key import Key
from nst_asr.score import ERRORS, score

if TYPE_CHECKING:
    from nst_asr.align import Costs

_KEY = Key(0)["estimate"]
_MUCH = 0.01  # of the pool's words
_NORMAL = np.array([NormalDist().inv_cdf((place + 0.5) / 200) for place in range(200)])  # instead of draws


class EstimateError(ValueError):
    """Hypotheses whose error rate cannot be estimated; the message names the id or counts, and the way out."""


@dataclass(frozen=True)
class Estimate:
    """The expected error rate of a pool of hypotheses without references.

    rate: expected errors / expected words of the truth. low, high: the middle 95 % of the rates that scoring these
    hypotheses might give, were their references known: dev might have been another sample, and errors fall by chance.
    hypotheses: of the pool, empty ones among them. outside: the share of the pool's words with a confidence below or
    above all of dev's, where dev teaches nothing. dev_rate: the rate of dev itself. over: what of dev is resampled.
    notes: what the interval leaves out.
    """

    rate: float
    low: float
    high: float
    errors: float
    words: float
    hypotheses: int
    empty: int
    outside: float
    dev_hypotheses: int
    dev_rate: float
    over: str
    notes: tuple[str, ...] = ()

    def describe(self, error: str = "WER") -> str:
        """A few lines to read."""
        lines = [
            f"expected {error} {self.rate:.2%} [{self.low:.2%}, {self.high:.2%}] of {self.hypotheses} hypotheses "
            f"without references, calibrated on {self.dev_hypotheses} of dev ({error} {self.dev_rate:.2%}, "
            f"resampled over {self.over}s)",
            "it holds if hypotheses of the pool are as often wrong as those of dev with the same confidence: another "
            "domain breaks it, and the interval does not show that",
        ]
        return "\n".join([*lines, *self.notes])

    def to_json(self) -> dict[str, Any]:
        """The fields as plain values."""
        return asdict(self) | {"notes": list(self.notes)}


def dev_rows(reference: pl.DataFrame, hypothesis: pl.DataFrame, costs: Costs = "unit") -> pl.DataFrame:
    """What `estimate` learns from: id, group, label (the hypothesis), confidence, errors, words (of the reference).

    reference: id, label and perhaps group; hypothesis: id, label, confidence. In the order of the reference. Raises
    ScoreError where ids do not agree, EstimateError where there is no column confidence.
    """
    if "confidence" not in hypothesis.columns:
        raise EstimateError(f"no column confidence (there are {', '.join(hypothesis.columns)}); give one for each id")
    if "group" not in reference.columns:
        reference = reference.with_columns(group=pl.lit(None, pl.String))
    found = score(reference.select("id", "group", "label"), hypothesis.select("id", "label"), costs).utterances
    counted = found.select("id", "group", "words", errors=ERRORS)
    heard = hypothesis.select("id", "label", "confidence")
    return counted.join(heard, on="id", how="left", maintain_order="left").select(
        "id", "group", "label", "confidence", "errors", "words"
    )


def estimate(
    dev: pl.DataFrame,
    pool: pl.DataFrame,
    key: Key = _KEY,
    over: str | None = None,
    resamples: int = RESAMPLES,
) -> Estimate:
    """The error rate to be expected of the pool's hypotheses, with an interval for what scoring them would give.

    dev: id, label (the hypothesis), confidence, errors, words (of the reference) and perhaps group: `dev_rows`. pool:
    id, label, confidence and perhaps group. over: what of dev is resampled (`bootstrap.blocks`). Hypotheses in which
    nothing was heard are a kind of their own, whatever their confidence.

        rate = sum over the pool of e(c) w(c) n / sum of w(c) n

    with n the words heard, w the words said for one heard, e the errors a word said, both as functions of the
    confidence c. e never rises with c: centred isotonic regression over bins of dev; both are scaled so that dev, bin
    by bin, comes out at its true errors and words. The interval has two parts. Dev's: the functions are fitted anew to
    resamples of dev. The pool's: dev's residuals tell how far errors scatter about what is expected, at each
    confidence, and how far those of one group go together.

    Raises EstimateError where dev has fewer than 50 hypotheses that are not empty or fewer than 5 with errors, or no
    word in its references, where the pool is empty, or where a confidence is missing or not finite; BlockError for
    `over`.
    """
    _check(dev, "dev", ("errors", "words"))
    _check(pool, "the pool")
    name, together = blocks(dev, over)
    lesson, heard = _lesson(dev), Heard.of(pool)
    whole = lesson.taught(lesson.totals(np.ones((1, len(dev))))[0])
    errors, words = whole(heard)
    found = float(rate(errors.sum(), words.sum()))
    of_dev, of_pool = _groups(dev, pool, name, together)
    spread = scatter(lesson, whole, found, of_dev).variance(heard, words, of_pool) ** 0.5 / max(words.sum(), 1)
    rates = _resampled(lesson, heard, of_dev, key, resamples)
    low, high = percentiles(np.maximum(rates[:, None] + spread * _NORMAL, 0))
    beyond = words[(heard.spoken > 0) & ((heard.doubt < lesson.reach[0]) | (heard.doubt > lesson.reach[1]))]
    outside = float(beyond.sum() / max(words.sum(), 1))
    return Estimate(
        rate=found,
        low=low,
        high=high,
        errors=float(errors.sum()),
        words=float(words.sum()),
        hypotheses=len(pool),
        empty=int(heard.empty.sum()),
        outside=outside,
        dev_hypotheses=len(dev),
        dev_rate=float(rate(lesson.amounts[:, 0].sum(), lesson.amounts[:, 1].sum())),
        over=name,
        notes=tuple(_notes(lesson, heard, outside, name if of_dev is not None and of_pool is None else None)),
    )


def _lesson(dev: pl.DataFrame) -> Lesson:
    if not dev["words"].sum():
        raise EstimateError("no reference of dev holds a word: there is nothing to count errors by; give another dev")
    said = dev.filter(length("word") > 0)
    wrong = int((said["errors"] > 0).sum())
    if len(said) < FEWEST_ROWS or wrong < FEWEST_OF_A_KIND:
        raise EstimateError(
            f"dev is too small to estimate from: {len(said)} hypotheses that are not empty, {wrong} of them with "
            f"errors; it takes {FEWEST_ROWS}, of which {FEWEST_OF_A_KIND} have errors; give a larger dev"
        )
    return Lesson.of(dev)


def _groups(
    dev: pl.DataFrame, pool: pl.DataFrame, name: str, together: pl.Series | None
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """The number of the group of each row of dev and of the pool, None where groups are not resampled or not known."""
    if together is None:
        return None, None
    column = together.name
    known = column in pool.columns and not pool[column].null_count()
    return _numbers(together), _numbers(pool[column]) if known else None


def _numbers(values: pl.Series) -> np.ndarray:
    return values.rank("dense").to_numpy().astype(np.int64) - 1


def _resampled(lesson: Lesson, heard: Heard, unit: np.ndarray | None, key: Key, resamples: int) -> np.ndarray:
    """The rate of the pool as each resample of dev teaches it, (resamples,)."""
    alone = np.arange(len(lesson.bins)) if unit is None else unit
    pieces = heard.pieces()
    sums = [[part.sum() for part in lesson.taught(each)(pieces)] for each in lesson.resampled(alone, key, resamples)]
    errors, words = np.array(sums).T
    return rate(errors, words)


def _notes(lesson: Lesson, heard: Heard, outside: float, unknown: str | None) -> Iterator[str]:
    """What the interval leaves out. unknown: what the pool's groups are called, where dev has them and it has not."""
    if unknown:
        yield (
            f"the pool's {unknown}s are not known: its hypotheses count as independent, and the interval is too narrow "
            f"if few {unknown}s have many of them"
        )
    if outside > _MUCH:
        yield f"{outside:.1%} of the pool's words have a confidence beyond all of dev's; the nearest rate stands in"
    if heard.empty.any() and not lesson.heard.empty.any():
        yield (
            f"{int(heard.empty.sum())} hypotheses of the pool are empty and none of dev's: each counts as an average "
            "reference of dev, all of it missed"
        )


def _check(rows: pl.DataFrame, what: str, more: tuple[str, ...] = ()) -> None:
    """Raise EstimateError for a table that nothing can be learnt from, or estimated of."""
    absent = [name for name in ("id", "label", "confidence", *more) if name not in rows.columns]
    if absent:
        raise EstimateError(f"{what}: no column {absent[0]} (there are {', '.join(rows.columns)}); add it")
    if rows.is_empty():
        raise EstimateError(f"{what}: no hypotheses; an error rate needs at least one")
    if not rows["confidence"].dtype.is_numeric():
        raise EstimateError(f"{what}: the confidences are {rows['confidence'].dtype}, not numbers; convert them")
    doubled = rows.filter(pl.col("id").is_duplicated())
    if len(doubled):
        raise EstimateError(f"{what}: {doubled['id'][0]} is there more than once; keep one of them")
    for name in ("label", *more):
        blank = rows.filter(pl.col(name).is_null())
        if len(blank):
            raise EstimateError(f"{what}: {blank['id'][0]} has no {name}; fill it in ('' where nothing was heard)")
    for name in more:
        odd = rows.filter(~pl.col(name).cast(pl.Float64).is_between(0, 2**53))
        if len(odd):
            raise EstimateError(f"{what}: {odd['id'][0]} has the {name} {odd[name][0]}; give a number from 0 on")
    finite = pl.col("confidence").cast(pl.Float64).is_finite().fill_null(False)
    unsure = rows.filter((length("word") > 0) & ~finite)
    if len(unsure):
        raise EstimateError(
            f"{what}: {unsure['id'][0]} has the confidence {unsure['confidence'][0]} ({len(unsure)} such); give a "
            "finite number for every hypothesis that is not empty, or leave it out"
        )
