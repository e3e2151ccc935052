"""Runs numbered pieces of work in this process or in worker processes, in any order.

Joblib's workers (loky) go on for seconds after their parent process is killed; these, of the standard library, do not.
"""

import concurrent.futures
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence

import cloudpickle
import threadpoolctl

from segvae_jax.errors import DataError
from segvae_jax.termination import termination

_POLL = 0.2  # seconds between looks for a Ctrl-C

Work = Callable[[int], int]  # does a piece of work, by its number, and returns the number
Runner = Callable[[Work, Sequence[int]], Iterator[int]]  # yields numbers as their work is done

_work: Work  # of a worker process


def num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def one_process(work: Work, pieces: Sequence[int]) -> Iterator[int]:
    """Does the work in this process, piece after piece."""
    return map(work, pieces)


def processes(count: int) -> Runner:
    """Does the work in `count` worker processes. They end with this process, however it ends.

    Raises:
      DataError: when the work is run, if a worker process is killed.
    """
    return one_process if count == 1 else lambda work, pieces: _pooled(count, work, pieces)


def _pooled(count: int, work: Work, pieces: Sequence[int]) -> Iterator[int]:
    context = multiprocessing.get_context("spawn")  # a fork would inherit the threads of JAX, and locks
    pickled = cloudpickle.dumps(work)  # sources are closures, which pickle refuses
    workers = min(count, max(1, len(pieces)))
    pool = concurrent.futures.ProcessPoolExecutor(workers, context, _begin, (pickled,))
    # A KeyboardInterrupt in the middle of a call of the pool can leave one of its locks locked, and all would wait.
    with termination(signal.SIGINT) as interrupted:
        try:
            pending = {pool.submit(_do, piece) for piece in pieces}
            while pending:
                done, pending = concurrent.futures.wait(pending, _POLL, concurrent.futures.FIRST_COMPLETED)
                if interrupted():
                    raise KeyboardInterrupt
                yield from (future.result() for future in done)
        except concurrent.futures.BrokenExecutor:
            reason = "a worker process was killed, perhaps because memory ran out"
            raise DataError(f"{reason}: use fewer --workers") from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _begin(pickled: bytes) -> None:
    """Runs first in every worker process."""
    global _work
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the parent ends its workers
    threading.Thread(target=_end_with_parent, daemon=True).start()
    threadpoolctl.threadpool_limits(1)
    _work = cloudpickle.loads(pickled)


def _end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)


def _do(piece: int) -> int:
    return _work(piece)
