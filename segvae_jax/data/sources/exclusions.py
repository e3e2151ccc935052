"""Maps to be left out because their annotation is known to be broken: lists that are shipped, and the user's own."""

import re
from importlib import resources
from pathlib import Path

from segvae_jax.errors import DataError
from segvae_jax.text_files import read_lines


def shipped_exclusions(file_name: str) -> dict[str, str]:
    """The list in a file of the folder `exclusions` of this package: id -> reason."""
    with resources.as_file(resources.files(__package__).joinpath("exclusions", file_name)) as path:
        return read_exclusions(path)


def read_exclusions(path: str | Path) -> dict[str, str]:
    """The list in a text file: id -> reason.

    A line holds the id of a map and then the reason; an id with spaces stands in double quotes. `#` begins a comment.

    Raises:
      DataError: naming file and line, if the file cannot be read or a reason is missing.
    """
    excluded: dict[str, str] = {}
    for place, line in read_lines(path, "a text file with lines `id reason`", DataError):
        found = re.match(r"\s*(\"[^\"]+\"|\S+)\s*(.*)", line.partition("#")[0])
        if not found:
            continue
        example_id, reason = found[1].strip('"'), found[2].strip()
        if not reason:
            raise DataError(f"{place}: no reason for leaving out {example_id!r}: expected `id reason`")
        excluded[example_id] = reason
    return excluded
