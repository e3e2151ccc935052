"""The checkpoints that come with the package, by name; README.md beside this file says what they are."""

from pathlib import Path

NAMES = ("cartoon", "fashion")


def checkpoint_directory(checkpoint: str | Path) -> Path:
    """The directory of a checkpoint, absolute.

    Args:
      checkpoint: a directory, or one of `NAMES`; a directory of such a name is written as a path, `./cartoon`.
    """
    if checkpoint in NAMES:
        return Path(__file__).resolve().parent / checkpoint
    return Path(checkpoint).expanduser().resolve()
