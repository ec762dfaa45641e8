"""Hypotheses beside the first of them: a paired bootstrap and the matched-pairs test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from nst_asr.align import Costs
from nst_asr.key import Key
from nst_asr.mapsswe import mapsswe
from nst_asr.score import Score, compare
from nst_asr.scoring.system import System


def compared(systems: Sequence[System], costs: Costs, key: Key) -> list[dict[str, Any]]:
    """How each system but the first compares with it: what `score.compare` and `mapsswe.mapsswe` say.

    Where references have alternatives, systems may have been scored against different readings: the bootstrap then
    takes the first system's numbers of words for both, and there are no matched pairs.
    """
    return [_compared(systems[0], other, costs, key) for other in systems[1:]]


def in_words_of(first: Score, other: Score) -> Score:
    """The other score by the first's numbers of words, which differ where references have alternatives."""
    return replace(other, utterances=other.utterances.with_columns(first.utterances["words"]))


def _compared(first: System, other: System, costs: Costs, key: Key) -> dict[str, Any]:
    same = bool((first.pairs["label"] == other.pairs["label"]).all())
    found = compare(first.score, in_words_of(first.score, other.score), key)
    return {
        "of": other.name,
        "than": first.name,
        "bootstrap": found.to_json() | {"over": first.score.interval_over},
        "matched_pairs": _matched(first, other, costs) if same else None,
        "matched_pairs_reason": None if same else "the two were scored against different readings of the references",
    }


def _matched(first: System, other: System, costs: Costs) -> dict[str, Any]:
    return mapsswe(first.pairs["label"], first.pairs["heard"], other.pairs["heard"], costs).to_json()
