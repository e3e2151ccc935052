"""Stopping at a signal: where nothing is left half done, or at Ctrl-C in one line instead of a traceback."""

import contextlib
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

INTERRUPTED = 128 + signal.SIGINT  # the exit status of a process that Ctrl-C stopped, as shells know it
_PATIENCE = 3.0  # seconds from a Ctrl-C until a process ends that is busy in compiled code
_SHOW_CURSOR = "\x1b[?25h"  # progress bars hide it


@contextlib.contextmanager
def termination(*numbers: int) -> Iterator[Callable[[], signal.Signals | None]]:
    """A function that returns which of these signals was received; meanwhile they do nothing else.

    Only a second Ctrl-C raises KeyboardInterrupt, as it usually does. Signals that the process ignores stay ignored.
    Outside of the main thread, which alone can handle signals, the function always returns None.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    received: list[signal.Signals] = []

    def handle(number: int, frame: object) -> None:
        if number == signal.SIGINT in received:
            raise KeyboardInterrupt
        received.append(signal.Signals(number))

    handled = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    previous = {number: signal.signal(number, handle) for number in handled}
    try:
        yield lambda: received[0] if received else None
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def interruptible(run: Callable[[], int], kept: str, whole_process: bool) -> int:
    """Runs a program that Ctrl-C ends in one line on stderr.

    Args:
      run: the program; returns its exit status. A KeyboardInterrupt that it raises itself says where it stopped.
      kept: what Ctrl-C leaves behind and how to go on, for the line.
      whole_process: whether the program is all that the process does. Then the process ends also if it is busy in
        compiled code, where Python cannot raise anything, and at once at a second Ctrl-C.

    Returns:
      the exit status of the program, or `INTERRUPTED`.
    """
    lines = iter([f": {kept}"])  # taken once, by the thread that ends the process

    def say(where: str | None = None) -> None:
        for line in lines:
            print(f"stopped by Ctrl-C{where or line}", file=sys.stderr, flush=True)

    interrupted = threading.Event()
    try:
        if whole_process:
            _guard(say, interrupted)
        return run()
    except KeyboardInterrupt as interrupt:
        say(f" {interrupt}" if interrupt.args else None)
    except Exception:
        if not interrupted.is_set():  # modules in C make another error of a KeyboardInterrupt while they are imported
            raise
        say()
    return INTERRUPTED


def _guard(say: Callable[[], None], interrupted: threading.Event) -> None:
    """Makes Ctrl-C set the event and end the process, whatever it does."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return

    def handle(number: int, frame: object) -> None:
        first = not interrupted.is_set()
        interrupted.set()
        if first:
            raise KeyboardInterrupt

    def end() -> None:
        if sys.stderr.isatty():
            sys.stderr.write(_SHOW_CURSOR)
        say()
        os._exit(INTERRUPTED)

    def lost(unraisable: Any) -> None:
        """Ends the process if a destructor, which cannot raise, swallowed the KeyboardInterrupt."""
        if unraisable.exc_type is KeyboardInterrupt:
            end()
        if str(unraisable.exc_value) != "Event loop is closed":  # TensorStore's threads say so after an error of Orbax
            sys.__unraisablehook__(unraisable)

    sys.unraisablehook = lost
    signal.signal(signal.SIGINT, handle)
    _watch(lambda: signal.getsignal(signal.SIGINT) is handle, end)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # see `allocator`


def _watch(raising: Callable[[], bool], end: Callable[[], None]) -> None:
    """Starts a thread that learns of Ctrl-C even while the main thread runs compiled code.

    Args:
      raising: whether Ctrl-C raises a KeyboardInterrupt, which should end the process soon.
      end: ends the process.
    """
    ours, pythons = socket.socketpair()
    pythons.setblocking(False)
    signal.set_wakeup_fd(pythons.detach(), warn_on_full_buffer=False)

    def watch() -> None:
        count, patience = 0, None
        while count < 2 and select.select([ours], [], [], patience)[0]:
            count += ours.recv(1)[0] == signal.SIGINT
            if count and raising():
                patience = _PATIENCE
        end()

    threading.Thread(target=watch, daemon=True).start()
