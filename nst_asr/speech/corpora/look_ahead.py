"""Work of a stream done by threads, so many pieces ahead and no further: memory does not grow with the stream."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

_BATCH = 64  # pieces for one task: what a task costs besides its work is shared by them


def look_ahead(work: Callable[[T], R], pieces: Iterable[T], *, threads: int = 4) -> Iterator[R]:
    """`work` of each piece, in the order of the pieces; at most a few hundred pieces are taken before they are wanted.

    What `work` or the stream raises is raised here, at its place.
    """
    stream, waiting = iter(pieces), deque[Future[list[R]]]()
    with ThreadPoolExecutor(threads) as pool:
        try:
            while batch := list(islice(stream, _BATCH)):
                waiting.append(pool.submit(_all, work, batch))
                if len(waiting) > 2 * threads:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _all(work: Callable[[T], R], batch: list[T]) -> list[R]:
    return [work(piece) for piece in batch]
