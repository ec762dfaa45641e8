"""All numbers of some hypotheses of the same images, and how each compares to the first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from nst_asr.accuracy.classes import by_class, confusions, matrix_json
from nst_asr.accuracy.guesses import Guesses, beside, one_word_score
from nst_asr.accuracy.soft import largest_shares, soft_numbers
from nst_asr.key import Key
from nst_asr.mcnemar import mcnemar
from nst_asr.reliability import reliability
from nst_asr.score import Score, ScoreError, compare

_KEY = Key(0)["accuracy"]


def accuracies(reference: pl.DataFrame, heard: Mapping[str, Guesses], over: str | None = None) -> dict[str, Any]:
    """The numbers of each hypothesis, and of each but the first beside the first, as plain values.

    reference: id, label, and perhaps group and the column of `over` (`Score.over`); docs/robustness.md has the keys.
    Raises ScoreError and BlockError as `one_word_score`.
    """
    scores = {name: _scored(name, reference, one, over) for name, one in heard.items()}
    first = next(iter(scores), "")
    return {
        "hypotheses": {name: _numbers(reference, one, scores[name]) for name, one in heard.items()},
        "comparisons": [_compared(first, name, scores) for name in list(scores)[1:]],
    }


def _scored(name: str, reference: pl.DataFrame, guesses: Guesses, over: str | None) -> Score:
    try:
        return one_word_score(reference, guesses.rows, over)
    except ScoreError as error:
        raise ScoreError(f"{name} against the reference: {error}") from None


def _numbers(reference: pl.DataFrame, guesses: Guesses, found: Score) -> dict[str, Any]:
    pairs = beside(reference, guesses.rows)
    classes = by_class(pairs)
    return {
        **_top1(found),
        **soft_numbers(reference, guesses),
        **_calibration(pairs),
        "mean_recall": classes["recall"].mean(),
        "classes": classes.to_dicts(),
        "confusions": confusions(pairs).to_dicts(),
        "confusion_matrix": matrix_json(pairs),
    }


def _top1(found: Score) -> dict[str, Any]:
    low, high = found.interval
    shares = {"top1": 1 - found.rate, "low": 1 - high, "high": 1 - low}
    return {"images": found.words, "wrong": found.errors, **shares, "interval_over": _drawn(found)}


def _drawn(found: Score) -> str:
    """What the bootstrap draws, in the words of images."""
    return {"speaker": "group", "utterance": "image"}.get(found.interval_over, found.interval_over)


def _calibration(pairs: pl.DataFrame) -> dict[str, Any]:
    """How the confidences agree with what is right; {} where there are none."""
    given = pairs["confidence"] if "confidence" in pairs.columns else None
    if given is None or given.null_count() == len(given):
        given = largest_shares(pairs)
    if given is None:
        return {}
    values = given.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
    odd = np.flatnonzero(~((values >= 0) & (values <= 1)))
    if len(odd):
        reason = f"{pairs['id'][int(odd[0])]} has the confidence {given[int(odd[0])]} ({len(odd)} such): no probability"
        return {"calibration": None, "calibration_reason": reason}
    right = (pairs["label"] == pairs["heard"]).to_numpy()
    found = reliability(values, right, _KEY["calibration"]).to_json()
    return {"calibration": found | {"confidence": float(values.mean())}}


def _compared(first: str, name: str, scores: Mapping[str, Score]) -> dict[str, Any]:
    """How much more accurate a hypothesis is than the first, paired by image: interval, two-sided p, McNemar's test."""
    found = compare(scores[first], scores[name], _KEY)
    p = min(1.0, 2 * min(found.p_worse, 1 - found.p_worse))
    gain, low, high = (0.0 - value for value in (found.difference, found.high, found.low))  # no -0.0
    right = [(scores[each].utterances["substitutions"] == 0).to_numpy() for each in (first, name)]
    return {
        "than": first,
        "of": name,
        "gain": gain,
        "low": low,
        "high": high,
        "p": p,
        "interval_over": _drawn(scores[first]),
        "mcnemar": mcnemar(right[0], right[1]).to_json(),
    }
