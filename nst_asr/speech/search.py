"""Compiled searches over one utterance's frames: the best labels, and the best path of a given label.

T frames, V vocabulary, K beam, S states; index 0 is the blank. Probabilities are natural logarithms, float64.
"""

from __future__ import annotations

import math

import numba
import numpy as np

NEVER = -np.inf


@numba.njit(cache=True, nogil=True)
def prefix_search(log_probs: np.ndarray, beam: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The prefixes in the beam after the last frame, best first: (log probabilities, nodes, tree), for `spell`.

    log_probs: (T, V). A prefix's probability is kept in two parts, of the alignments that end in a blank and of those
    that end in its last token: the same token once more extends the former and only prolongs the latter.
    """
    tree = new_tree(1 + len(log_probs) * beam)
    nodes = np.zeros(1, np.int32)
    parts = np.array([[0.0, NEVER]])  # the empty prefix; columns: ending in a blank, ending in the last token
    for frame in log_probs:
        total = totals(parts)
        tree[nodes, PLACE] = np.arange(len(nodes))
        kept = kept_parts(frame, nodes, parts, total, tree)
        best, origin, added = _best(frame, nodes, parts, total, kept, tree, beam)
        tree[nodes, PLACE] = -1
        nodes, parts = _grow(best, origin, added, nodes, kept, tree)
    total = totals(parts)
    order = np.argsort(-total, kind="mergesort")
    return total[order], nodes[order], tree


def spell(node: int, tree: np.ndarray) -> list[int]:
    """The tokens on the way from the root to a node."""
    found: list[int] = _way(node, tree).tolist()
    return found


@numba.njit(cache=True, nogil=True)
def _way(node: int, tree: np.ndarray) -> np.ndarray:
    length, above = 0, node
    while tree[above, PARENT] >= 0:
        length += 1
        above = tree[above, PARENT]
    found = np.empty(length, np.int32)
    for place in range(length - 1, -1, -1):
        found[place] = tree[node, TOKEN]
        node = tree[node, PARENT]
    return found


# A prefix is a node for good: one that left the beam and comes back is the same node again, so that no two entries of
# the beam ever stand for one label. The children of a node are a linked list. Row 0 is the root, the empty prefix.
TOKEN, PARENT, CHILD, SIBLING, PLACE = 0, 1, 2, 3, 4  # PLACE: where the node is in the beam, or -1


@numba.njit(cache=True, nogil=True)
def new_tree(size: int) -> np.ndarray:
    """A tree with room for `size` nodes; the spare row at the end counts those in use."""
    tree = np.full((size + 1, 5), -1, np.int32)
    tree[0, TOKEN] = 0
    tree[-1, 0] = 1
    return tree


@numba.njit(cache=True, nogil=True)
def child_of(node: int, token: int, tree: np.ndarray) -> int:
    """The node of a prefix and one more token, made where there is none."""
    child = tree[node, CHILD]
    while child >= 0:
        if tree[child, TOKEN] == token:
            return int(child)
        child = tree[child, SIBLING]
    child = tree[-1, 0]
    tree[-1, 0] += 1
    tree[child, TOKEN], tree[child, PARENT] = token, node
    tree[child, SIBLING], tree[node, CHILD] = tree[node, CHILD], child
    return int(child)


@numba.njit(cache=True, nogil=True)
def kept_parts(
    frame: np.ndarray, nodes: np.ndarray, parts: np.ndarray, total: np.ndarray, tree: np.ndarray
) -> np.ndarray:
    """Both parts of each prefix of the beam one frame on, (K, 2)."""
    kept = np.full_like(parts, NEVER)
    for i in range(len(nodes)):
        kept[i, 0] = total[i] + frame[0]
        last, parent = tree[nodes[i], TOKEN], tree[nodes[i], PARENT]
        if parent < 0:
            continue
        kept[i, 1] = parts[i, 1] + frame[last]
        above = tree[parent, PLACE]
        if above >= 0:
            # the parent, one token longer, is this prefix
            source = parts[above, 0] if tree[parent, TOKEN] == last else total[above]
            kept[i, 1] = add_logs(kept[i, 1], source + frame[last])
    return kept


@numba.njit(cache=True, nogil=True)
def _best(
    frame: np.ndarray,
    nodes: np.ndarray,
    parts: np.ndarray,
    total: np.ndarray,
    kept: np.ndarray,
    tree: np.ndarray,
    beam: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The best prefixes one frame on: (log probabilities, place in the old beam, token added or 0)."""
    best = np.full(beam, NEVER)
    origin, added = np.zeros(beam, np.int32), np.zeros(beam, np.int32)
    stay = totals(kept)
    for i in range(len(nodes)):
        _insert(best, origin, added, stay[i], i, 0)
    most = frame[1:].max() if len(frame) > 1 else NEVER
    for i in range(len(nodes)):
        if total[i] + most <= best[-1]:
            continue
        present = np.zeros(len(frame), np.bool_)  # children already in the beam: `kept_parts` has counted them
        child = tree[nodes[i], CHILD]
        while child >= 0:
            present[tree[child, TOKEN]] = tree[child, PLACE] >= 0
            child = tree[child, SIBLING]
        last = tree[nodes[i], TOKEN]
        for v in range(1, len(frame)):
            if not present[v]:
                _insert(best, origin, added, (parts[i, 0] if v == last else total[i]) + frame[v], i, v)
    return best, origin, added


@numba.njit(cache=True, nogil=True)
def _grow(
    best: np.ndarray, origin: np.ndarray, added: np.ndarray, nodes: np.ndarray, kept: np.ndarray, tree: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The new beam: nodes (K,) and parts (K, 2)."""
    count = int((best > NEVER).sum())
    chosen, parts = np.empty(count, np.int32), np.full((count, 2), NEVER)
    for k in range(count):
        i, v = origin[k], added[k]
        if v:
            chosen[k] = child_of(nodes[i], v, tree)
            parts[k, 1] = best[k]
        else:
            chosen[k] = nodes[i]
            parts[k] = kept[i]
    return chosen, parts


@numba.njit(cache=True, nogil=True)
def _insert(best: np.ndarray, origin: np.ndarray, added: np.ndarray, score: float, i: int, v: int) -> None:
    """Put a candidate in its place among the best; of equal ones, the earlier stays ahead."""
    k = len(best) - 1
    if not score > best[k]:
        return
    while k > 0 and score > best[k - 1]:
        best[k], origin[k], added[k] = best[k - 1], origin[k - 1], added[k - 1]
        k -= 1
    best[k], origin[k], added[k] = score, i, v


@numba.njit(cache=True, nogil=True)
def totals(parts: np.ndarray) -> np.ndarray:
    """The two parts added, (K,)."""
    total = np.empty(len(parts))
    for i in range(len(parts)):
        total[i] = add_logs(parts[i, 0], parts[i, 1])
    return total


@numba.njit(cache=True, nogil=True)
def add_logs(first: float, second: float) -> float:
    """log(exp(first) + exp(second)) of two that may both be minus infinity."""
    high = max(first, second)
    if high == NEVER:
        return high
    return high + math.log1p(math.exp(min(first, second) - high))


@numba.njit(cache=True, nogil=True)
def best_path(log_probs: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Which token of the label each frame of its most probable alignment carries: its place, or -1 for a blank; (T,).

    log_probs: (T, V). The states are blank, token 0, blank, token 1, ..., blank (S = 2 U + 1). An empty array means
    that no alignment has a probability above 0. Of equally probable predecessors, the nearest.
    """
    T, S = len(log_probs), 2 * len(label) + 1
    score = np.full(S, NEVER)
    score[0] = 0.0  # before the first frame: a jump of up to one state starts the path
    steps = np.zeros((T, S), np.int8)  # how many states back the best predecessor lies: 0, 1 or 2
    for t in range(T):
        for s in range(S - 1, -1, -1):  # downwards, so that the predecessors are still those of the frame before
            fresh = s % 2 == 1 and s > 1 and label[s // 2] != label[s // 2 - 1]
            best = score[s]
            for step in range(1, min(s, 2 if fresh else 1) + 1):
                if score[s - step] > best:
                    best, steps[t, s] = score[s - step], step
            score[s] = best + log_probs[t, label[s // 2] if s % 2 else 0]
    state = S - 2 if S > 1 and score[S - 2] > score[S - 1] else S - 1
    if score[state] == NEVER:
        return np.empty(0, np.int32)
    path = np.empty(T, np.int32)
    for t in range(T - 1, -1, -1):
        path[t] = state // 2 if state % 2 else -1
        state -= steps[t, state]
    return path
