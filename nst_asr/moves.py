"""Which way an alignment goes through a pair of texts: the recurrence, its tie-breaks and the way back, compiled.

Cell (i, j) holds the least cost of aligning the first i symbols of the left text (the reference) with the first j of
the right one (the hypothesis). Two bits of each cell are kept: whether its preferred way comes diagonally (a match or
substitution), and whether, where it does not, it comes by a deletion. At unit costs they are found for 64 cells at a
time (Myers 1999; in blocks: Hyyrö 2003, "A bit-vector algorithm for computing Levenshtein and Damerau edit
distances"), at others cell by cell. For long texts the bits of only some columns are in memory at a time: the others
are found again on the way back, from the state that the forward pass had where they begin.
"""

from __future__ import annotations

import numba
import numpy as np

MATCH, SUBSTITUTION, DELETION, INSERTION = range(4)
_STRIP = 1024  # columns whose bits are in memory at a time


@numba.njit(cache=True)
def moves(
    numbers: np.ndarray, ends: np.ndarray, kinds: int, rule: tuple[int, int, int], keep: bool
) -> tuple[np.ndarray, np.ndarray]:  # pragma: no cover - compiled
    """Substitutions, deletions, insertions and left length of each pair, int32 (pairs, 4), and the moves, uint8.

    numbers, ends, kinds: `symbols.Symbols` of the left texts and then the right ones. rule: the cost of a
    substitution, that of a deletion or insertion, and 1 where an insertion is preferred to a deletion, else 0. keep:
    whether the moves are wanted, those of all pairs from the first to the last; otherwise there are none.
    """
    pairs = len(ends) // 2
    counts = np.zeros((pairs, 4), np.int32)
    kept = np.empty(len(numbers) if keep else 0, np.uint8)
    at = len(kept)  # the way is found from its end, so the last pair comes first
    slots, masks = np.zeros(kinds, np.int32), np.empty(0, np.int64)
    diagonal, deletion = np.empty(0, np.int64), np.empty(0, np.int64)
    for pair in range(pairs - 1, -1, -1):
        low, high = ends[pair - 1] if pair else 0, ends[pair]
        first, last = ends[pairs + pair - 1], ends[pairs + pair]
        counts[pair, 3] = high - low
        # what both end with matches in the preferred alignment. What both begin with may match elsewhere, but what the
        # way has there beside matches is gaps of the one kind that the lengths ask for: the counts are the same
        while high > low and last > first and numbers[high - 1] == numbers[last - 1]:
            high, last = high - 1, last - 1
            if keep:
                at -= 1
                kept[at] = MATCH
        while not keep and high > low and last > first and numbers[low] == numbers[first]:
            low, first = low + 1, first + 1
        left, right = numbers[low:high], numbers[first:last]
        blocks = (len(left) + 63) // 64
        cells = blocks * min(len(right), _STRIP)
        if cells > len(diagonal):
            diagonal, deletion = np.empty(cells, np.int64), np.empty(cells, np.int64)
        if rule[0] == 1 and cells:
            masks = _masked(left, blocks, slots, masks)
        at = _way(left, right, rule, slots, masks, diagonal, deletion, counts[pair], kept, at)
        for symbol in left:
            slots[symbol] = 0
    return counts, kept[at:]


@numba.njit(cache=True)
def _masked(
    left: np.ndarray, blocks: int, slots: np.ndarray, masks: np.ndarray
) -> np.ndarray:  # pragma: no cover - compiled
    """Where each symbol stands in the left text, a bit each: `blocks` words a symbol, from slots[symbol] * blocks on.

    The first words belong to the symbols that are not in the left text, whose slot is 0, and are empty.
    """
    known = 0
    for symbol in left:
        if slots[symbol] == 0:
            known += 1
            slots[symbol] = known
    if (known + 1) * blocks > len(masks):
        masks = np.empty((known + 1) * blocks, np.int64)
    for place in range((known + 1) * blocks):
        masks[place] = 0
    for i in range(len(left)):
        masks[slots[left[i]] * blocks + (i >> 6)] |= 1 << (i & 63)
    return masks


@numba.njit(cache=True)
def _way(
    left: np.ndarray,
    right: np.ndarray,
    rule: tuple[int, int, int],
    slots: np.ndarray,
    masks: np.ndarray,
    diagonal: np.ndarray,
    deletion: np.ndarray,
    counts: np.ndarray,
    kept: np.ndarray,
    at: int,
) -> int:  # pragma: no cover - compiled
    """Count the moves of one pair, and write them into `kept` before the place `at`; the place of the first of them."""
    i, j, blocks = len(left), len(right), (len(left) + 63) // 64
    strips = (j - 1) // _STRIP if i and j else -1  # the last one's number
    state = _start(i, rule)
    saved = np.empty((max(strips, 0), len(state)), np.int64)
    for visit in range(2 * strips + 1):  # on to the last one, and back
        strip = min(visit, 2 * strips - visit)
        start = strip * _STRIP
        for place in range(len(state)):
            if visit < strips:
                saved[strip, place] = state[place]
            elif visit > strips:
                state[place] = saved[strip, place]
        _fill(left, right[start : start + _STRIP], rule, slots, masks, state, diagonal, deletion)
        if visit < strips:
            continue
        while i and j > start:
            place, bit = (j - 1 - start) * blocks + ((i - 1) >> 6), (i - 1) & 63
            if (diagonal[place] >> bit) & 1:
                i, j = i - 1, j - 1
                move = SUBSTITUTION if left[i] != right[j] else MATCH
            elif (deletion[place] >> bit) & 1:
                i, move = i - 1, DELETION
            else:
                j, move = j - 1, INSERTION
            if move:
                counts[move - 1] += 1
            if len(kept):
                at -= 1
                kept[at] = move
    counts[DELETION - 1] += i
    counts[INSERTION - 1] += j
    if len(kept):
        for _ in range(i + j):
            at -= 1
            kept[at] = DELETION if i else INSERTION
    return at


@numba.njit(cache=True)
def _start(height: int, rule: tuple[int, int, int]) -> np.ndarray:  # pragma: no cover - compiled
    """The column before the first symbol on the right: differences of its cells as bits, or the cells themselves."""
    blocks = (height + 63) // 64
    unit = rule[0] == 1
    state = np.empty(2 * blocks if unit else height + 1, np.int64)
    for place in range(len(state)):
        state[place] = -(place < blocks) if unit else place * rule[1]
    return state


@numba.njit(cache=True)
def _fill(
    left: np.ndarray,
    right: np.ndarray,
    rule: tuple[int, int, int],
    slots: np.ndarray,
    masks: np.ndarray,
    state: np.ndarray,
    diagonal: np.ndarray,
    deletion: np.ndarray,
) -> None:  # pragma: no cover - compiled
    """The bits of the columns of `right`, column by column, and in `state` the last column."""
    if rule[0] == 1:
        _fill_words(right, slots, masks, state, diagonal, deletion)
    else:
        _fill_cells(left, right, rule, state, diagonal, deletion)


@numba.njit(cache=True)
def _fill_words(
    right: np.ndarray,
    slots: np.ndarray,
    masks: np.ndarray,
    state: np.ndarray,
    diagonal: np.ndarray,
    deletion: np.ndarray,
) -> None:  # pragma: no cover - compiled
    """64 cells at a time. A deletion is possible where a cell is one above the cell over it: a bit of `more`.

    The diagonal is possible, and preferred, where the symbols are equal or the cell is not what its diagonal is.
    """
    blocks = len(state) // 2
    more, less = state[:blocks], state[blocks:]  # a cell less the one above it is +1, -1
    for j in range(len(right)):
        row, column = slots[right[j]] * blocks, j * blocks
        into_more, into_less = 1, 0  # the same of a cell less the one before it, at the block's upper edge
        for block in range(blocks):
            equal, up, down = masks[row + block], more[block], less[block]
            hit = equal | into_less
            same = (((hit & up) + up) ^ up) | hit | down  # the cell is what its diagonal is
            across, back = down | ~(same | up), same & up
            out_more, out_less = (across >> 63) & 1, (back >> 63) & 1
            across, back = (across << 1) | into_more, (back << 1) | into_less
            more[block], less[block] = back | ~(same | across), across & same
            into_more, into_less = out_more, out_less
            diagonal[column + block], deletion[column + block] = equal | ~same, more[block]


@numba.njit(cache=True)
def _fill_cells(
    left: np.ndarray,
    right: np.ndarray,
    rule: tuple[int, int, int],
    cost: np.ndarray,
    diagonal: np.ndarray,
    deletion: np.ndarray,
) -> None:  # pragma: no cover - compiled
    """One cell at a time, at any costs."""
    substitution, gap, insertion_first = rule
    place = -1
    for j in range(len(right)):
        corner = cost[0]
        above = cost[0] = corner + gap
        for i in range(len(left)):
            if not i & 63:
                place += 1
                diagonal[place] = deletion[place] = 0
            before = cost[i + 1]
            across = corner + (substitution if left[i] != right[j] else 0)
            down, aside = above + gap, before + gap
            above = min(across, down, aside)
            diagonal[place] |= (across == above) << (i & 63)
            deletion[place] |= (down + insertion_first <= aside) << (i & 63)
            corner, cost[i + 1] = before, above
