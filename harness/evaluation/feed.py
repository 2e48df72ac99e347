"""Work done ahead in threads, so that the device does not wait for files."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

J = TypeVar("J")
R = TypeVar("R")

MOST_THREADS = 16


def ahead(jobs: Iterable[J], work: Callable[[J], R], depth: int, threads: int | None = None) -> Iterator[R]:
    """Yield ``work(job)`` of each job in order, while threads work at the next ones.

    Decoding, Pillow's resizing and numpy's copies all leave the interpreter's lock.

    Args:
        jobs: Taken as they are needed.
        work: Called in threads.
        depth: Results that are in the making or waiting at any time, at least 1; their memory is bounded by that.
        threads: None: one for each processor that this process may use, up to 16.

    Raises:
        Exception: What ``work`` raised, at its job's turn; what had not begun is not done.
    """
    executor = ThreadPoolExecutor(threads or min(MOST_THREADS, usable_processors()))
    try:
        remaining = iter(jobs)
        pending: deque[Future[R]] = deque(executor.submit(work, job) for job in islice(remaining, depth))
        while pending:
            result = pending.popleft().result()
            pending.extend(executor.submit(work, job) for job in islice(remaining, 1))
            yield result
    finally:
        executor.shutdown(cancel_futures=True)


def usable_processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
