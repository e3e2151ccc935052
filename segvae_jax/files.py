"""Writing so that what has its final name is complete, whenever the process is killed."""

import contextlib
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from segvae_jax.errors import OutputError


def write_aside(path: Path, write: Callable[[Path], object]) -> None:
    """Has a file or folder written aside and renames it; leaves nothing else behind, of earlier runs neither."""
    partial = path.with_name(f".{path.name}.{process_name()}.partial")
    remove(partial)
    try:
        write(partial)
        partial.replace(path)
    finally:
        for stale in path.parent.glob(f".{path.name}.*.partial"):
            remove(stale)


def remove(path: Path) -> None:
    """Removes a file, or a folder with all in it, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def refusing_clearly(directory: Path) -> Iterator[None]:
    """Turns an error of the operating system into one line on the folder that is written to.

    Raises:
      OutputError: instead of an OSError.
    """
    try:
        yield
    except OSError as error:
        reason = f"cannot be written ({error.strerror})"
        raise OutputError(f"{directory}: {reason}: give a folder that you may write to, with room") from None


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Waits until no other process holds the lock of this file; a process that is killed lets go of it."""
    import fcntl  # does not exist on Windows, nor does ArrayRecord

    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def process_name() -> str:
    """Names this process on a disk that hosts share."""
    return f"{platform.node()}-{os.getpid()}"
