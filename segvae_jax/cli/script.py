"""What the command-line scripts share: errors that users can read, and the flags of jobs on several hosts."""

import sys
from collections.abc import Callable
from typing import Any, NoReturn

import jax
from absl import app, flags, logging

from segvae_jax.errors import SegVAEError

_PATIENCE = 24 * 3600  # seconds that a process that is done waits for the others, which JAX would end after 300


def define_host_flags() -> Callable[[], None]:
    """Defines `--distributed` and its details; returns a function that joins the other hosts if they ask for it."""
    distributed = flags.DEFINE_bool("distributed", False, "Join the other hosts of this job (jax.distributed).")
    coordinator = flags.DEFINE_string("coordinator", None, "With --distributed: HOST:PORT of process 0.")
    process = flags.DEFINE_integer("process", None, "With --coordinator: the number of this process.")
    processes = flags.DEFINE_integer("processes", None, "With --coordinator: how many there are.")

    def join() -> None:
        if distributed.value:
            address = coordinator.value, processes.value, process.value
            jax.distributed.initialize(*address, shutdown_timeout_seconds=_PATIENCE)

    return join


def run_user_script(main: Callable[[list[str]], None]) -> None:
    """Runs `main(argv)` after flag parsing; a user's mistake is one line on stderr and exit status 2."""

    def parse(argv: list[str]) -> list[str]:
        try:
            arguments = flags.FLAGS(argv)
            if "config" in flags.FLAGS:
                config: Any = flags.FLAGS["config"].value
                config.to_dict()  # a file that failed to load says so only when used
            return arguments
        except SegVAEError as error:
            _fail(str(error))
        except (AttributeError, KeyError) as error:
            _fail(
                "unknown configuration key "
                + str(error.args[0]).replace("\\n", ": ").replace("\\", "").replace("'", "")
            )
        except (TypeError, ValueError, OSError, flags.Error) as error:
            _fail(str(error))

    def guarded(argv: list[str]) -> None:
        logging.set_verbosity(logging.WARNING)
        try:
            main(argv)
        except SegVAEError as error:
            _fail(str(error))

    app.run(guarded, flags_parser=parse)


def _fail(message: str) -> NoReturn:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)
