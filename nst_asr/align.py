"""Alignment of hypotheses with references: how many substitutions, deletions and insertions, and which.

Text becomes integers in bulk (`symbols.py`) and is aligned in compiled code (`moves.py`), some hundred pairs at a time,
so that memory does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from nst_asr.moves import DELETION, INSERTION, moves
from nst_asr.symbols import Symbols, Unit, joined, symbols

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "Costs",
    "Operation",
    "Step",
    "Unit",
    "align_counts",
    "aligned",
    "aligned_moves",
    "changes_of",
    "cost",
    "pieces",
]

Costs = Literal["unit", "sclite"]
Operation = Literal["match", "substitution", "deletion", "insertion"]  # in the order of the numbers of `moves`

# a substitution, a deletion or insertion, and whether an insertion is preferred to a deletion that costs the same
_RULES: dict[Costs, tuple[int, int, int]] = {"unit": (1, 1, 0), "sclite": (4, 3, 1)}
_PAIRS = 512  # at a time: their words fit into a processor's cache
_LETTERS = 4_000_000  # at a time, but for a single pair that has more


@dataclass(frozen=True)
class Step:
    """One place of an alignment: `reference` is None at an insertion, `hypothesis` at a deletion."""

    operation: Operation
    reference: str | None
    hypothesis: str | None


def align_counts(
    references: Sequence[str] | pl.Series,
    hypotheses: Sequence[str] | pl.Series,
    unit: Unit = "word",
    costs: Costs = "unit",
) -> np.ndarray:
    """Substitutions, deletions, insertions and reference length of each pair, int32 of shape (N, 4).

    Words are what stands between whitespace (Unicode's White_Space). Characters are code points, counted in the words
    joined by single spaces, which count too. Nothing else is normalised: case, accents and composition matter. An
    empty reference makes insertions of its hypothesis, an empty hypothesis deletions of its reference.

    costs: what the alignment makes least. Several alignments can have the same least cost; of those it is the one
    found by going back from both ends and taking at each place the first of these that costs no more than the others:

    - "unit": every error costs 1, so that the first three numbers sum to the Levenshtein distance. A match or
      substitution, else a deletion, else an insertion. Tools with another rule, jiwer among them, have the same sum
      but may divide it differently.
    - "sclite": a substitution costs 4, a deletion or insertion 3, as in NIST's sclite. A match or substitution, else an
      insertion, else a deletion: found by experiment with sclite 2.10, and a test holds it against the program,
      alignment by alignment. That is `sclite -s`, which minds case, for texts without what sclite reads as markup:
      `{ alternatives / in braces }`, the empty word `@`, and all from a `;` to the end of the word. The sum can be
      above that of "unit", never below. Characters at these costs have not been compared with `sclite -c`.

    Memory beyond texts and result does not grow with N. A single pair of m and n symbols, k of them different, takes
    m * (256 + k / 8 + n / 4096) bytes, with sclite's costs m * (256 + n / 128).

    Raises ValueError where the two differ in number or unit or costs have another name, TypeError for what is no text.
    """
    rule, counts = _rule(costs), np.empty((len(references), 4), np.int32)
    start = 0
    for left, right in pieces(references, hypotheses):
        found = symbols([*left, *right], unit)
        stop = start + len(left)
        counts[start:stop] = moves(found.numbers, found.ends, found.kinds, rule, False)[0]
        start = stop
    return counts


def aligned(reference: str, hypothesis: str, unit: Unit = "word", costs: Costs = "unit") -> list[Step]:
    """The alignment of one pair that `align_counts` counts, from first to last.

    >>> [step.operation for step in aligned("one two", "one too two")]
    ['match', 'insertion', 'match']
    """
    found, steps, left, right = _paths([reference], [hypothesis], unit, costs)
    names = [[found.name(number) for number in side.tolist()] for side in (left, right)]
    operations: tuple[Operation, ...] = get_args(Operation)
    return [Step(operations[step], *pair) for step, *pair in zip(steps.tolist(), *names, strict=True)]


def aligned_moves(
    references: Sequence[str] | pl.Series, hypotheses: Sequence[str] | pl.Series, costs: Costs = "unit"
) -> tuple[np.ndarray, np.ndarray]:
    """What `align_counts` gives of words, and the moves of all pairs, from the first to the last: uint8, of `moves.py`.

    A pair has as many moves as its reference has words, and one for each insertion.
    """
    counts, steps = [np.zeros((0, 4), np.int32)], [np.zeros(0, np.uint8)]
    for left, right in pieces(references, hypotheses):
        found = symbols([*left, *right], "word")
        of_piece, way = moves(found.numbers, found.ends, found.kinds, _rule(costs), True)
        counts.append(of_piece)
        steps.append(way.copy())  # a view of an array that is longer
    return np.concatenate(counts), np.concatenate(steps)


def changes_of(
    references: list[str], hypotheses: list[str], costs: Costs = "unit"
) -> tuple[Symbols, np.ndarray, np.ndarray]:
    """The words on both sides of every error of these pairs, as numbers of the symbols; -1 where one has none."""
    found, steps, left, right = _paths(references, hypotheses, "word", costs)
    return found, left[steps > 0], right[steps > 0]


def pieces(
    references: Sequence[str] | pl.Series, hypotheses: Sequence[str] | pl.Series, pairs: int = _PAIRS
) -> Iterator[tuple[list[str], list[str]]]:
    """The pairs in order, so many at a time, or fewer where they are long. ValueError if the two differ in number."""
    if len(references) != len(hypotheses):
        raise ValueError(f"{len(references)} references but {len(hypotheses)} hypotheses: give one for each")
    for start in range(0, len(references), pairs):
        yield from _halves([*references[start : start + pairs]], [*hypotheses[start : start + pairs]])


def _halves(left: list[str], right: list[str]) -> Iterator[tuple[list[str], list[str]]]:
    half = len(left) // 2
    if half and len(joined(left)) + len(joined(right)) > _LETTERS:
        yield from _halves(left[:half], right[:half])
        yield from _halves(left[half:], right[half:])
    else:
        yield left, right


def _paths(
    references: list[str], hypotheses: list[str], unit: Unit, costs: Costs
) -> tuple[Symbols, np.ndarray, np.ndarray, np.ndarray]:
    """The moves of all pairs, and the symbols that each goes over on both sides, -1 where it goes over none."""
    found = symbols([*references, *hypotheses], unit)
    _, steps = moves(found.numbers, found.ends, found.kinds, _rule(costs), True)
    middle = found.ends[len(references) - 1]
    left, right = np.full(len(steps), -1, np.int32), np.full(len(steps), -1, np.int32)
    # the moves of all pairs go over every symbol of a side, in order
    left[steps != INSERTION], right[steps != DELETION] = found.numbers[:middle], found.numbers[middle:]
    return found, steps, left, right


def cost(counts: np.ndarray, costs: Costs) -> np.ndarray:
    """What alignments with these counts (N, 4), of `align_counts`, cost: int64 (N,)."""
    substitution, gap, _ = _rule(costs)
    return np.asarray(counts[:, :3].astype(np.int64) @ np.array([substitution, gap, gap]))


def _rule(costs: Costs) -> tuple[int, int, int]:
    if costs not in _RULES:
        raise ValueError(f"no costs {costs!r}: they are {' or '.join(_RULES)}")
    return _RULES[costs]
