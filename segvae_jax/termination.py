"""A clean stop at a SIGTERM."""

import contextlib
import signal
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def termination() -> Iterator[Callable[[], bool]]:
    """Yields a function that tells whether a SIGTERM was received. Inside the block the signal does nothing else."""
    received: list[int] = []
    previous = signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
    try:
        yield lambda: bool(received)
    finally:
        signal.signal(signal.SIGTERM, previous)
