"""Rows cut into consecutive groups that are about equally much work."""

from __future__ import annotations

import numpy as np


def bounds(sizes: np.ndarray, groups: int) -> list[int]:
    """Where to cut rows so that each of the groups holds about the same total size, and at least one row.

    sizes: one a row, in the order of the rows, at least as many as groups. The result has groups + 1 entries.
    """
    middle = np.cumsum(sizes) - sizes / 2
    ideal = np.searchsorted(middle, np.arange(1, groups) * (sizes.sum() / groups))
    found = [0]
    for group, bound in enumerate(ideal, 1):
        found.append(int(min(max(bound, found[-1] + 1), len(sizes) - (groups - group))))
    return [*found, len(sizes)]


def pieces(sizes: np.ndarray, number: int, most: float = np.inf) -> list[range]:
    """The rows of one batch in pieces that are computed one by one, or side by side on several processes.

    sizes: ascending. The costliest piece costs as little as it can, where a piece costs its rows times the longest of
    them: padding is computed too. There are `number` pieces, or fewer where more would not be cheaper; twice, three
    times ... as many where one would cost more than `most`; where a single row does, none costs more than that row.
    """
    rounds = -(-len(_filled(sizes, most)) // number)
    low, high = float(sizes[-1]), float(len(sizes) * sizes[-1])
    while high - low > 1e-3 * low:
        middle = (low + high) / 2
        low, high = (low, middle) if len(_filled(sizes, middle)) <= number * rounds else (middle, high)
    return _filled(sizes, low if len(_filled(sizes, low)) <= number * rounds else high)


def _filled(sizes: np.ndarray, most: float) -> list[range]:
    """As few pieces as none over `most` allows, filled from the longest row on."""
    found, end = [], len(sizes)
    while end:
        rows = max(1, min(end, int(most / sizes[end - 1]))) if most < np.inf else end
        found.append(range(end - rows, end))
        end -= rows
    return found[::-1]
