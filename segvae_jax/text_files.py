"""Reads the text files that users write, in whatever way their editor saved them."""

import codecs
from pathlib import Path

from segvae_jax.errors import SegVAEError

_MAX_BYTES = 64_000_000
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_text(path: str | Path, expected: str, error_type: type[SegVAEError]) -> str:
    """The text of a file in UTF-8, or in UTF-16 with a byte order mark, which is left out; lines end with a newline.

    Args:
      path: of the file; `~` is the home directory.
      expected: what the file should be, for the error message.
      error_type: of the error.

    Raises:
      SegVAEError: of type `error_type`, naming the file, if it cannot be read, or is no text.
    """
    try:
        with Path(path).expanduser().open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise ValueError(f"it has more than {_MAX_BYTES:,} bytes")
        return _decoded(data).replace("\r\n", "\n").replace("\r", "\n")
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: a home directory that nobody has
        reason = getattr(error, "strerror", None) or error
        raise error_type(f"{path}: cannot be read ({reason}): give {expected}") from None


def read_lines(path: str | Path, expected: str, error_type: type[SegVAEError]) -> list[tuple[str, str]]:
    """The lines of a file that are not blank, without space around them, each with its place, `FILE:NUMBER`.

    Raises:
      SegVAEError: as in `read_text`.
    """
    lines = read_text(path, expected, error_type).split("\n")
    return [(f"{path}:{number}", line.strip()) for number, line in enumerate(lines, 1) if line.strip()]


def _decoded(data: bytes) -> str:
    encoding = "utf-16" if data.startswith(_UTF16) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        name = encoding.removesuffix("-sig").upper()
        raise ValueError(f"line {line} is not {name}: save it as UTF-8") from None
    if "\0" in text:
        raise ValueError("it holds zero bytes: save it as UTF-8")
    return text
