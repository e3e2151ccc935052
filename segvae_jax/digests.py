"""Digests of the files of a checkpoint or data set: written with the files, compared before these are read.

A list of digests is a text as `sha256sum` writes it, so that `sha256sum -c SHA256SUMS` compares the same. Files without
a list were written by an earlier version and are taken as they are: that is the one rule for older files.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from segvae_jax.errors import DamagedFile
from segvae_jax.files import write_atomically

SUMS = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-f]{64})  ([^\n\r]+)\n")


def sums_of(path: Path, name: str) -> dict[str, str]:
    """SHA-256 of a file, or of every file in a folder, by name.

    Args:
      path: of the file or folder.
      name: what the list calls it; a file in a folder is called `name/...`.
    """
    if path.is_dir():
        inner = [sums_of(part, f"{name}/{part.name}") for part in sorted(path.iterdir())]
        return {name: digest for sums in inner for name, digest in sums.items()}
    with path.open("rb") as file:
        return {name: hashlib.file_digest(file, "sha256").hexdigest()}


def write_sums(path: Path, *sums: Mapping[str, str]) -> None:
    """Writes a list of digests of files whose names are relative to its folder.

    Raises:
      OSError: if it cannot be written.
    """
    text = "".join(f"{digest}  {name}\n" for part in sums for name, digest in part.items())
    write_atomically(path, lambda partial: partial.write_text(text, "utf-8"))


def compare(path: Path, names: Iterable[str]) -> None:
    """Compares files with a list of digests, if there is one.

    Args:
      path: of the list.
      names: of the files and folders beside the list that are going to be read.

    Raises:
      DamagedFile: naming the first file that is not as it was written.
    """
    if not path.exists():
        return
    try:
        listed = _read_sums(path)
        for name in names:
            _compare(path, listed, name)
    except (OSError, ValueError) as error:
        raise DamagedFile(f"{path}: {error}") from None


def is_whole(path: Path, names: Iterable[str]) -> bool:
    """Whether `compare` finds no damage."""
    try:
        compare(path, names)
    except DamagedFile:
        return False
    return True


def _read_sums(path: Path) -> dict[str, str]:
    text = path.read_bytes().decode()
    lines = _LINE.findall(text)
    if not lines or _LINE.sub("", text):
        raise ValueError("not a list of digests")
    return {name: digest for digest, name in lines}


def _compare(path: Path, listed: Mapping[str, str], name: str) -> None:
    """Compares a file, or the files of a folder that are listed; others that were added to it do not count."""
    expected = {key: digest for key, digest in listed.items() if key == name or key.startswith(f"{name}/")}
    for key, digest in (expected or {name: ""}).items():
        file = path.parent / key
        if not file.exists():
            raise DamagedFile(f"{file}: missing")
        if sums_of(file, key) != {key: digest}:
            raise DamagedFile(f"{file}: not the file that {path.name} lists")
