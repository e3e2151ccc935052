"""What the command-line scripts share: errors that users can read."""

import sys
from collections.abc import Callable

from absl import app, logging

from segvae_jax.errors import SegVAEError


def run_user_script(main: Callable[[list[str]], None]) -> None:
    """Runs `main(argv)` after flag parsing; a user's mistake is one line on stderr and exit status 2."""

    def guarded(argv: list[str]) -> None:
        logging.set_verbosity(logging.WARNING)
        try:
            main(argv)
        except SegVAEError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(2)

    app.run(guarded)
