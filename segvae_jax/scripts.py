"""What the command-line scripts share: errors that users can read."""

import sys
from collections.abc import Callable

from absl import app, flags, logging

from segvae_jax.errors import SegVAEError


def run_user_script(main: Callable[[list[str]], None]) -> None:
    """Runs `main(argv)` after flag parsing; a user's mistake is one line on stderr and exit status 2."""

    def parse(argv: list[str]) -> list[str]:
        try:
            return flags.FLAGS(argv)
        except SegVAEError as error:
            _fail(str(error))
        except (AttributeError, KeyError, TypeError, ValueError, OSError, flags.Error) as error:
            # What config files and overrides raise: unknown keys, wrong types, missing files.
            _fail(" ".join(str(error).split()))

    def guarded(argv: list[str]) -> None:
        logging.set_verbosity(logging.WARNING)
        try:
            main(argv)
        except SegVAEError as error:
            _fail(str(error))

    app.run(guarded, flags_parser=parse)


def _fail(message: str):
    print(f"error: {message}", file=sys.stderr)
    sys.exit(2)
