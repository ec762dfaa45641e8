"""Work of a stream done by threads, so many pieces ahead and no further: memory does not grow with the stream."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from threading import Event
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def look_ahead(work: Callable[[T], R], pieces: Iterable[T], *, threads: int = 4, together: int = 64) -> Iterator[R]:
    """`work` of each piece, in the order of the pieces; at most a few hundred pieces are taken before they are wanted.

    A task is `together` pieces, which share what it costs besides its work; 1 where the work of a piece is long, so
    that all threads have some, and whoever interrupts waits for one piece only. What `work` or the stream raises is
    raised here, at its place.
    """
    stream, waiting, stopped = iter(pieces), deque[Future[list[R]]](), Event()
    with ThreadPoolExecutor(threads) as pool:
        try:
            while batch := list(islice(stream, together)):
                waiting.append(pool.submit(_all, work, batch, stopped))
                if len(waiting) > 2 * threads:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)


def _all(work: Callable[[T], R], batch: list[T], stopped: Event) -> list[R]:
    return [work(piece) for piece in batch if not stopped.is_set()]
