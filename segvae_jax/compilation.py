"""Keeps compiled programs in a folder of the user, so that a command compiles only once what it needs.

JAX reads these settings when it is imported; child processes inherit them.
"""

import os
import re
import sys
import warnings
from pathlib import Path
from typing import TextIO

_FOLDER = "~/.cache/segvae_jax/xla"
_MOST_BYTES = 2**30
_SHORTEST = 0.1  # seconds of compilation from which on a program is kept
_DIRECTORY = "JAX_COMPILATION_CACHE_DIR"
_FAILED = re.compile(r"Error (?:reading|writing) persistent compilation cache entry for '(.*?)': (.*)", re.DOTALL)


def keep_programs() -> None:
    """Makes this process keep what it compiles, before it imports JAX.

    The user's settings of JAX come first: another folder in `JAX_COMPILATION_CACHE_DIR`, which is then not bounded, or
    none by `JAX_ENABLE_COMPILATION_CACHE=false`. Whatever is wrong with the folder takes one line on stderr.
    """
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", str(_SHORTEST))
    if _DIRECTORY not in os.environ:
        os.environ[_DIRECTORY] = os.path.expanduser(_FOLDER)
        os.environ.setdefault("JAX_COMPILATION_CACHE_MAX_SIZE", str(_MOST_BYTES))
    _tell_of_failures(Path(os.environ[_DIRECTORY]))


def _tell_of_failures(folder: Path) -> None:
    """Makes the first of JAX's warnings of its cache one line, and hides the others."""
    show, told = warnings.showwarning, set[str]()

    def shown(
        message: Warning | str, category: type[Warning], filename: str, lineno: int,
        file: TextIO | None = None, line: str | None = None,
    ) -> None:  # fmt: skip
        if not (failed := _FAILED.match(str(message))):
            show(message, category, filename, lineno, file, line)
            return
        name, reason = failed.groups()
        if not told:
            print(f"a program was compiled without its cache in {folder} ({' '.join(reason.split())})", file=sys.stderr)
        told.add(name)
        _remove_damaged(folder, name)

    warnings.showwarning = shown


def _remove_damaged(folder: Path, name: str) -> None:
    """Removes the entries of one program, and those without a time of use, which JAX could not replace."""
    timed = {path.name.removesuffix("-atime") for path in folder.glob("*-atime")}
    for path in folder.glob("*-cache"):
        entry = path.name.removesuffix("-cache")
        if entry.startswith(f"{name}-") or (timed and entry not in timed):
            try:
                path.unlink(missing_ok=True)
            except OSError:
                return
