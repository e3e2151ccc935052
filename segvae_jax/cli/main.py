"""The command `segvae`: runs one of `COMMANDS`, each in a module of its own."""

import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from types import ModuleType

from segvae_jax.allocator import restart_with_allocator
from segvae_jax.cli.script import run_command

_PACKAGE = "segvae_jax.cli"
COMMANDS = ("train", "generate", "edit", "eval", "prepare", "export", "demo", "import-release", "verify")
# Worker processes would inherit the allocator, and keep memory that they do not need.
_WITHOUT_ALLOCATOR = {"prepare"}


def main(words: Sequence[str] | None = None) -> int:
    """Runs one command in this process.

    Args:
      words: the name of the command, its flags and its arguments; those of the process if not given.

    Returns:
      The exit status: 0; 2 after a mistake of the user, which is reported in one line on stderr.
    """
    if words is None:
        words = sys.argv[1:]
        sys.path.insert(0, os.getcwd())  # as `python -m` does: configurations import one another from there
        _prepare_process(words)
    name, *rest = words or ["--help"]
    if name in ("--help", "-h"):
        print(_overview())
        return 0
    if name not in COMMANDS:
        print(f"error: unknown command {name!r}{_suggestion(name)}", file=sys.stderr)
        return 2
    return run_command(_module(name), rest)


def run_script(name: str) -> None:
    """Runs the command of that name as the whole of a script, with the flags of the process, and exits."""
    _prepare_process([name])
    sys.exit(main([name, *sys.argv[1:]]))


def _prepare_process(words: Sequence[str]) -> None:
    if words and words[0] not in _WITHOUT_ALLOCATOR:
        restart_with_allocator()


def _overview() -> str:
    lines = [f"  {name:<15} {_summary(name)}" for name in COMMANDS]
    return "\n".join(["usage: segvae COMMAND [--FLAG=VALUE ...]", "", *lines, "", "segvae COMMAND --help lists flags."])


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{_PACKAGE}.{name.replace('-', '_')}")


def _summary(name: str) -> str:
    """What stands before the example in the first line of the docstring, `Trains a model: segvae train ...`."""
    return (_module(name).__doc__ or "").splitlines()[0].partition(": segvae ")[0]


def _suggestion(name: str) -> str:
    if near := difflib.get_close_matches(name, COMMANDS, 1):
        return f": did you mean {near[0]!r}?"
    return f": expected one of {', '.join(COMMANDS)}"


if __name__ == "__main__":
    sys.exit(main())
