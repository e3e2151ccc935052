"""Maps to be left out because their annotation is known to be broken: lists that are shipped, and the user's own."""

from importlib import resources
from pathlib import Path

from segvae_jax.errors import DataError


def shipped_exclusions(file_name: str) -> dict[str, str]:
    """The list in a file of the folder `exclusions` of this package: id -> reason."""
    file = resources.files(__package__).joinpath("exclusions", file_name)
    return _parsed(file.read_text("utf-8"), str(file))


def read_exclusions(path: str | Path) -> dict[str, str]:
    """The list in a text file: id -> reason.

    A line holds the id of a map and then the reason; `#` begins a comment.

    Raises:
      DataError: naming file and line, if the file cannot be read or a reason is missing.
    """
    try:
        return _parsed(Path(path).expanduser().read_text("utf-8"), str(path))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}): give a text file with lines `id reason`") from None


def _parsed(text: str, path: str) -> dict[str, str]:
    excluded: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split(maxsplit=1)
        if len(words) == 1:
            raise DataError(f"{path}:{number}: no reason for leaving out {words[0]!r}: expected `id reason`")
        if words:
            excluded[words[0]] = words[1].strip()
    return excluded
