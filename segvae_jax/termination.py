"""Stopping at a signal: where nothing is left half done, or at Ctrl-C in one line instead of a traceback."""

import contextlib
import errno
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NoReturn

UNREAD = 128 + 13  # of a process whose output nobody reads: the number of SIGPIPE, which Windows lacks
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
    """Runs a program that Ctrl-C ends in one line on stderr, and that ends quietly if nobody reads what it prints.

    Args:
      run: the program; returns its exit status. A KeyboardInterrupt that it raises itself says where it stopped.
      kept: what Ctrl-C leaves behind and how to go on, for the line.
      whole_process: whether the program is all that the process does. Then Ctrl-C ends the process, also if it is busy
        in compiled code, where Python cannot raise anything, and at once if it comes a second time.

    Returns:
      the exit status of the program, or `INTERRUPTED`, or `UNREAD`.
    """
    interrupted, ending = threading.Event(), threading.RLock()

    def end(where: str = f": {kept}") -> int:
        with ending:  # of two threads, the second one waits until the process has ended
            print(f"stopped by Ctrl-C{where}", file=sys.stderr, flush=True)
            if whole_process:
                _exit_at_once()
        return INTERRUPTED

    try:
        if whole_process:
            _guard(end, interrupted)
        return _quiet_if_unread(run)
    except KeyboardInterrupt as interrupt:
        return end(f" {interrupt}") if interrupt.args else end()
    except Exception:
        if not interrupted.is_set():  # modules in C make another error of a KeyboardInterrupt
            raise
        return end()


def _quiet_if_unread(run: Callable[[], int]) -> int:
    """Runs a program; `UNREAD` if a command such as `head`, which reads its output, has ended before it.

    If the disk of what it prints is full, that is one line on stderr, and the status is 2.
    """
    try:
        status = run()
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        watched = select.poll()
        watched.register(sys.stdout, 0)  # errors are told in any case
        if not watched.poll(0):
            raise  # it was another pipe
        _print_no_more()
        return UNREAD
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        print(f"error: standard output: {error.strerror}: free some, or print to another place", file=sys.stderr)
        _print_no_more()
        return 2


def _print_no_more() -> None:
    """Drops what is still to be printed: Python flushes it again at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _exit_at_once() -> NoReturn:
    """Ends the process without taking it apart: threads that XLA compiles in may still use what would be freed."""
    with contextlib.suppress(OSError, ValueError):  # nobody reads it any more
        sys.stdout.flush()
    if sys.stderr.isatty():
        sys.stderr.write(_SHOW_CURSOR)
        sys.stderr.flush()
    os._exit(INTERRUPTED)


def _guard(end: Callable[[], int], interrupted: threading.Event) -> None:
    """Makes Ctrl-C set the event and end the process, whatever it does."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return

    def handle(number: int, frame: FrameType | None) -> None:
        first = not interrupted.is_set()
        interrupted.set()
        if _imports(frame):
            end()
        if first:
            raise KeyboardInterrupt

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


def _imports(frame: FrameType | None) -> bool:
    """Whether a module is being imported; those in C may crash if that fails half-way."""
    while frame and not frame.f_code.co_filename.startswith("<frozen importlib"):
        frame = frame.f_back
    return frame is not None


def _watch(raising: Callable[[], bool], end: Callable[[], int]) -> None:
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
