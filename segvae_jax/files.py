"""Writes files and folders so that whatever has its final name is complete, even if the process was killed."""

import contextlib
import glob
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from segvae_jax.errors import OutputError


def write_atomically(path: Path, write: Callable[[Path], object], *, shared: bool = False) -> None:
    """Writes a file or folder under a temporary name beside `path`, then renames it.

    Temporary files of earlier processes that were killed while they wrote `path` are removed.

    Args:
      path: what is written; a file that is there already is replaced.
      write: writes the content to the path that it is given.
      shared: whether other processes may be writing `path` at the same time; their temporary files are then kept.
    """
    partial = path.with_name(f".{path.name}.{_process_name()}.partial")
    remove(partial)
    try:
        write(partial)
        partial.replace(path)
    finally:
        for stale in [partial] if shared else path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
            remove(stale)


def remove(path: Path) -> None:
    """Removes a file, or a folder with everything in it; does nothing if there is none."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def writable_directory(path: str | Path, flag: str) -> Path:
    """Makes a folder, if it is missing, and a trial file in it, so that a long computation does not end in vain.

    Args:
      path: of the folder.
      flag: of the command line that names the folder, for the error message, e.g. `--out`.

    Returns:
      the path, with the home directory filled in.

    Raises:
      OutputError: if the folder cannot be made or written to.
    """
    directory = Path(path).expanduser()
    with output_errors(f"{flag}={path}"):
        directory.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=directory).close()
    return directory


@contextlib.contextmanager
def output_errors(place: str | Path) -> Iterator[None]:
    """Turns errors of the operating system into one line about the folder that is written to.

    Args:
      place: the folder, as the message names it.

    Raises:
      OutputError: instead of an OSError.
    """
    try:
        yield
    except OSError as error:
        reason = f"cannot be written ({error.strerror})"
        raise OutputError(f"{place}: {reason}: give a folder that you may write to, with enough space") from None


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Waits until no other process holds the lock on this file; the lock of a killed process is released."""
    import fcntl  # does not exist on Windows, nor does ArrayRecord

    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _process_name() -> str:
    """A name of this process that is unique on a disk shared by several hosts."""
    return f"{platform.node()}-{os.getpid()}"
