"""What the command-line scripts share: errors that users can read."""

import sys
from collections.abc import Callable
from typing import Any, NoReturn

from absl import app, flags, logging

from segvae_jax.errors import SegVAEError


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
