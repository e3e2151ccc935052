"""The command `segvae`: runs one of `COMMANDS`, each in a module of its own.

What takes time is imported by `main`, so that Ctrl-C ends in one line from the beginning.
"""

import importlib
import os
import sys
from collections.abc import Sequence
from types import ModuleType

from segvae_jax.allocator import restart_with_allocator
from segvae_jax.compilation import keep_programs
from segvae_jax.termination import interruptible

_PACKAGE = "segvae_jax.cli"
COMMANDS = (
    "train", "generate", "edit", "translate", "eval", "prepare", "export", "demo", "import-release", "verify",
)  # fmt: skip
# Elsewhere it costs a second and saves nothing; workers of `prepare` would keep memory that they do not need.
_WITH_ALLOCATOR = {"train", "eval"}
# What Ctrl-C leaves behind, and how to go on.
_KEPT = {
    "train": "saved steps are kept, start again to go on from the latest",
    "prepare": "converted maps are kept, start again to go on",
    "demo": "the page is closed",
}
_COMPLETE = "complete files are kept, start again for the others"


def main(words: Sequence[str] | None = None, whole_process: bool = False) -> int:
    """Runs one command in this process.

    Args:
      words: the name of the command, its flags and its arguments; those of the process if not given.
      whole_process: whether the process does nothing else, as it is if there are no words.

    Returns:
      The exit status: 0; 2 after a mistake of the user, 130 after Ctrl-C, both of which take one line on stderr.
    """
    if words is None:
        words, whole_process = sys.argv[1:], True
        sys.path.insert(0, os.getcwd())  # as `python -m` does: configurations import one another from there
    name, *rest = words or ["--help"]
    if whole_process and name in _WITH_ALLOCATOR:
        restart_with_allocator()
    if whole_process:
        keep_programs()
    return interruptible(lambda: _run(name, rest), _KEPT.get(name, _COMPLETE), whole_process)


def run_script(name: str) -> None:
    """Runs the command of that name as the whole of a script, with the flags of the process, and exits."""
    sys.exit(main([name, *sys.argv[1:]], whole_process=True))


def _run(name: str, words: Sequence[str]) -> int:
    try:
        return _run_installed(name, words)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == _PACKAGE.partition(".")[0]:
            raise
        missing = f"{error.name} is not installed for {sys.executable}"
        print(f"error: {missing}: enter the environment that `make` made, or run: pip install -e .", file=sys.stderr)
        return 2


def _run_installed(name: str, words: Sequence[str]) -> int:
    if name in ("--help", "-h"):
        print(_overview())
        return 0
    if name not in COMMANDS:
        print(f"error: unknown command {name!r}{_suggestion(name)}", file=sys.stderr)
        return 2
    from segvae_jax.cli.script import run_command

    return run_command(_module(name), words)


def _overview() -> str:
    lines = [f"  {name:<15} {_summary(name)}" for name in COMMANDS]
    return "\n".join(["usage: segvae COMMAND [--FLAG=VALUE ...]", "", *lines, "", "segvae COMMAND --help lists flags."])


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{_PACKAGE}.{name.replace('-', '_')}")


def _summary(name: str) -> str:
    """What stands before the example in the first line of the docstring, `Trains a model: segvae train ...`."""
    return (_module(name).__doc__ or "").splitlines()[0].partition(": segvae ")[0]


def _suggestion(name: str) -> str:
    import difflib

    if near := difflib.get_close_matches(name, COMMANDS, 1):
        return f": did you mean {near[0]!r}?"
    return f": expected one of {', '.join(COMMANDS)}"


if __name__ == "__main__":
    sys.exit(main())
