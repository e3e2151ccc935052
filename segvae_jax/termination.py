"""Stopping at a signal, at a point where nothing is left half done."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def termination(number: int = signal.SIGTERM) -> Iterator[Callable[[], bool]]:
    """A function that returns whether a signal was received; meanwhile the signal does nothing else.

    Outside of the main thread, which alone can handle signals, it always returns False.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    received: list[int] = []
    previous = signal.signal(number, lambda number, frame: received.append(number))
    try:
        yield lambda: bool(received)
    finally:
        signal.signal(number, previous)
