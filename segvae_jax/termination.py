"""Stopping cleanly at a SIGTERM."""

import contextlib
import signal
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def termination() -> Iterator[Callable[[], bool]]:
    """A function that tells whether a SIGTERM was received; meanwhile the signal does nothing else."""
    received: list[int] = []
    previous = signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
    try:
        yield lambda: bool(received)
    finally:
        signal.signal(signal.SIGTERM, previous)
