"""Who does the jobs of a list: this process, processes of this machine, or a Ray cluster; none lost, none done twice.

A job is done by a function that writes its result to a file and returns a small record of it. Processes may be killed
(out of memory, a node taken away): what they were doing is begun again, a stated number of times.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

log = logging.getLogger("nst_asr")

TRIES = 3  # of a job whose process dies under it


class ExecutorError(RuntimeError):
    """Work that cannot be done here; the message names the job and the way out."""


class Job(Protocol):
    """What is to be done; it can be pickled."""

    @property
    def name(self) -> str:
        """What messages call it."""


Executor = Literal["local", "ray"]
J = TypeVar("J", bound=Job)
R = TypeVar("R")


@dataclass(frozen=True)
class Hands:
    """Who does the work: `workers` processes of this machine, or as many tasks at a time on Ray.

    gpus: of each task on Ray.
    """

    workers: int = 1
    executor: Executor = "local"
    gpus: int = 0


def carry_out(do: Callable[[J], R], jobs: Sequence[J], hands: Hands) -> Iterator[R]:
    """What `do` gives for each job, in the order in which they are done.

    Raises ExecutorError for a job whose process died `TRIES` times; an error that `do` raises is raised as it is.
    """
    if not jobs:
        return iter(())
    if hands.executor == "ray":
        return _on_ray(do, jobs, hands)
    workers = min(hands.workers, len(jobs))
    return map(do, jobs) if workers <= 1 else _in_processes(do, jobs, workers)


def _in_processes(do: Callable[[J], R], jobs: Sequence[J], workers: int) -> Iterator[R]:
    """The jobs on `workers` processes.

    Where one dies, the pool is lost, and nobody knows on which job it died. Those under way are suspects: each is done
    again by itself, so that one that kills its process every time can be named, and does no other any harm.
    """
    waiting = deque(jobs)
    while waiting:
        suspects = yield from _until_broken(do, waiting, workers)
        if suspects:
            log.warning(
                "WARNING: a process that worked on %s died; begun again", " or ".join(job.name for job in suspects)
            )
            yield from _one_by_one(do, suspects)


def _until_broken(do: Callable[[J], R], waiting: deque[J], workers: int) -> Generator[R, None, list[J]]:
    """Results until all jobs are done or a process dies; jobs begun leave `waiting`. Returns those that were lost."""
    flying: dict[Future[R], J] = {}
    pool = _pool(workers)
    try:
        while waiting or flying:
            while waiting and len(flying) < workers:
                flying[pool.submit(do, waiting[0])] = waiting[0]
                waiting.popleft()
            done, _ = wait(flying, return_when=FIRST_COMPLETED)
            if lost := [future for future in done if isinstance(future.exception(), BrokenProcessPool)]:
                yield from (future.result() for future in done if future not in lost)
                return [job for future, job in flying.items() if future in lost or future not in done]
            for future in done:
                del flying[future]
                yield future.result()
    except BrokenProcessPool:  # noticed between two jobs
        return list(flying.values())
    finally:
        pool.shutdown(cancel_futures=True)
    return []


def _one_by_one(do: Callable[[J], R], suspects: Sequence[J]) -> Iterator[R]:
    """Jobs that have been lost once, on one process: each that is lost again is the one that it died on."""
    waiting, deaths = deque(suspects), Counter(job.name for job in suspects)
    while waiting:
        for job in (yield from _until_broken(do, waiting, 1)):
            deaths[job.name] += 1
            log.warning("WARNING: %s: the process that worked on it alone died too", job.name)
            if deaths[job.name] == TRIES:
                raise ExecutorError(
                    f"{job.name}: {TRIES} processes that worked on it died, each without a word, as one that the "
                    "system ends for want of memory. What was finished is kept: give the same command with fewer "
                    "workers or on a machine with more memory, or take the examples of this block out of the pool"
                )
            waiting.appendleft(job)


def _pool(workers: int) -> ProcessPoolExecutor:
    # spawn: a forked child of a process that has run torch can hang in its thread pool
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_end_with_parent)


def _end_with_parent() -> None:
    """In a worker: end when whoever began it does, as a pool's idle processes otherwise wait for it for ever."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C reaches all: one message is enough
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, name="watch the parent", daemon=True).start()


def _on_ray(do: Callable[[J], R], jobs: Sequence[J], hands: Hands) -> Iterator[R]:
    """The jobs as Ray tasks, `hands.workers` at a time; Ray itself begins those of a dead process or node again."""
    ray = _ray(hands.workers)
    task = ray.remote(num_cpus=1, num_gpus=hands.gpus, max_retries=TRIES - 1, retry_exceptions=False)(do)
    waiting, flying = deque(jobs), dict[Any, J]()
    try:
        while waiting or flying:
            while waiting and len(flying) < hands.workers:
                job = waiting.popleft()
                flying[task.remote(job)] = job
            done, _ = ray.wait(list(flying), num_returns=1)
            for reference in done:
                yield _gotten(ray, reference, flying.pop(reference))
    finally:
        for reference in flying:
            ray.cancel(reference, force=True)


def _gotten(ray: Any, reference: Any, job: Job) -> Any:
    """A task's result; its own error where it raised one."""
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause if isinstance(error.cause, Exception) else error from None
    except ray.exceptions.RayError as error:
        raise ExecutorError(
            f"{job.name}: Ray could not have it done in {TRIES} tries ({type(error).__name__}). What was finished is "
            "kept: look at the memory of the cluster's nodes, then give the same command again"
        ) from None


def _ray(workers: int) -> Any:
    """Ray, on the cluster that RAY_ADDRESS names or that this machine belongs to; else one begun for this work."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it tells its makers of each use otherwise
    try:
        import ray
    except ImportError:
        raise ExecutorError("--executor ray: Ray is not installed; pip install 'nst-asr[ray]'") from None
    if ray.is_initialized():
        return ray
    try:
        ray.init(address="auto", log_to_driver=False, logging_level=logging.ERROR)
    except ConnectionError:
        if address := os.environ.get("RAY_ADDRESS"):
            raise ExecutorError(f"RAY_ADDRESS={address}: no Ray cluster answers there; `ray status` asks it") from None
        log.info("no Ray cluster is running here; one of %d processes on this machine is begun", workers)
        ray.init(
            address="local",
            num_cpus=workers,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    return ray
