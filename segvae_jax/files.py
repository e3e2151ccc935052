"""Writes files and folders so that whatever has its final name is complete, even if the process was killed."""

import contextlib
import errno
import glob
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from segvae_jax.errors import OutputError

_ADVICE = "give a folder that you may write to, with enough space"
_LOCK = ".lock"
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)  # of a file system that has none


def write_atomically(path: Path, write: Callable[[Path], object], *, shared: bool = False) -> None:
    """Writes a file or folder under a temporary name beside `path`, then renames it.

    Temporary files of earlier processes that were killed while they wrote `path` are removed.

    Args:
      path: what is written; a file that is there already is replaced, and a folder for it is made.
      write: writes the content to the path that it is given.
      shared: whether other processes may be writing `path` at the same time; their temporary files are then kept.

    Raises:
      OutputError: if it cannot be written.
    """
    partial = path.with_name(f".{path.name}.{_process_name()}.partial")
    with output_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    with output_errors(path):
        remove(partial)
        try:
            write(partial)
            partial.replace(path)
        finally:
            others = path.parent.glob(f".{glob.escape(path.name)}.*.partial")
            for stale in [partial] if shared else others:
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


def check_writable(path: str | Path, flag: str) -> None:
    """Checks without leaving anything behind that a folder is writable, or can be made.

    Args:
      path: of the folder.
      flag: of the command line, for the error message.

    Raises:
      OutputError: if it is not.
    """
    directory = Path(path).expanduser()
    nearest = next(folder for folder in (directory, *directory.parents) if folder.exists())
    with output_errors(f"{flag}={path}"):
        tempfile.TemporaryFile(dir=nearest).close()


@contextlib.contextmanager
def output_errors(place: str | Path, advice: Callable[[], str] = lambda: _ADVICE) -> Iterator[None]:
    """Turns errors of the operating system into one line about what is written to.

    Args:
      place: the file or folder, as the message names it.
      advice: what the message tells to do.

    Raises:
      OutputError: instead of an OSError, and of an error of another library that was one.
    """
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        if (reason := _system_error(error)) is None:
            raise
        raise OutputError(f"{place}: cannot be written ({reason}): {advice()}") from None


def _system_error(error: Exception) -> str | None:
    """What the operating system said; None if it said nothing. TensorStore, below Orbax, gives its number as text."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    number = re.search(r"os_error_code='(\d+)'", str(error))
    return os.strerror(int(number[1])) if number else None


@contextlib.contextmanager
def locked(directory: Path, wait: bool = False, name: str = _LOCK) -> Iterator[None]:
    """Makes sure that no other process is in such a block with this folder; one that was killed is not.

    Nothing is locked where the file system or the operating system has no such locks. If the block fails, a folder that
    was made for it goes again, unless there is a file in it.

    Args:
      directory: made if it is missing.
      wait: whether to wait for the other process.
      name: of the file that is locked, which exists meanwhile.

    Raises:
      OutputError: if there is another process and this one does not wait.
    """
    made = [folder for folder in (directory, *directory.parents) if not folder.exists()]
    with output_errors(directory):
        file = _lock(directory / name, wait)
    if file is None:
        raise OutputError(f"{directory}: another process is writing to it: wait for its end, or give another folder")
    done = False
    try:
        yield
        done = True
    finally:
        with contextlib.suppress(OSError):
            (directory / name).unlink()
        file.close()
        if made and not done:
            _remove_empty(made)


def _remove_empty(made: Sequence[Path]) -> None:
    """Removes a folder that holds no file, and then those around it that were made for it and hold nothing else."""
    inside = [Path(folder) for folder, _, _ in os.walk(made[0], topdown=False)]
    for folder in (*inside, *made[1:]):
        with contextlib.suppress(OSError):
            folder.rmdir()


def _lock(path: Path, wait: bool) -> TextIO | None:
    """The open and locked file; None if another process has locked it."""
    if sys.platform == "win32":
        return path.open("w")
    import fcntl

    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        except FileNotFoundError:
            pass  # whoever had locked it has removed it
        except BlockingIOError:
            file.close()
            return None
        except OSError as error:
            if error.errno in _NO_LOCKS:
                return file
            raise
        file.close()


def _process_name() -> str:
    """A name of this process that is unique on a disk shared by several hosts."""
    return f"{platform.node()}-{os.getpid()}"
