"""The checkpoints that come with the package, by name; README.md beside this file describes them."""

from pathlib import Path

NAMES = ("cartoon", "fashion")


def checkpoint_directory(checkpoint: str | Path) -> Path:
    """The absolute path of a checkpoint's directory.

    Args:
      checkpoint: a directory, or one of `NAMES`. A directory of your own with such a name is written `./cartoon`.
    """
    if checkpoint in NAMES:
        return Path(__file__).resolve().parent / checkpoint
    return Path(checkpoint).expanduser().resolve()
