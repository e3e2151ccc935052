"""Paths that the libraries which store arrays do not take literally: TensorStore, Orbax, and tfds with etils.epath.

They take `/gs/bucket` and `gs:/bucket` for object stores, backslashes for separators, and brackets for patterns.
"""

import re
from pathlib import Path

from segvae_jax.errors import OutputError

_EVERYWHERE = r"^/(?:az|gs|hf|s3)(?=/|$)|[^/]*:(?=/|$)|[\ud800-\udfff]"
FOR_DATA_SETS = re.compile(_EVERYWHERE)
FOR_LOADING = re.compile(rf"{_EVERYWHERE}|\\|\*\*")
FOR_SAVING = re.compile(rf"{_EVERYWHERE}|[\\*?\[]")  # Orbax finds what it has written by a pattern


def require_literal(path: str | Path, special: re.Pattern[str]) -> None:
    """Checks a path before anything is written to it or looked for in it.

    Args:
      path: of a folder.
      special: what must not occur in it, one of the constants above.

    Raises:
      OutputError: naming the part of the path.
    """
    path = Path(path).expanduser().resolve()
    if found := special.search(path.as_posix().removeprefix(path.drive)):
        part = found[0].encode("unicode_escape", "surrogatepass").decode() if not found[0].isprintable() else found[0]
        raise OutputError(
            f"{path}: the libraries that store arrays do not take {part} in a path literally: give a folder without it"
        )
