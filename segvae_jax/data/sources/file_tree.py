"""The files of a folder or of a .zip, found and read in the same way. Readers of maps use nothing else.

Nothing is unpacked. A tree may be pickled or forked into worker processes: each process opens its own handle.
"""

import abc
import contextlib
import functools
import io
import lzma
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from segvae_jax.errors import DataError

MAX_FILE_BYTES = 64 * 2**20  # of an encoded picture
UNREADABLE = (OSError, EOFError, KeyError, RuntimeError, ValueError, struct.error, zlib.error, lzma.LZMAError,
              zipfile.BadZipFile)  # fmt: skip
"""What reading a member of an archive may raise, as it depends on the compression."""
_ENCRYPTED = 0x1  # of a member's flags
_METADATA = ("__MACOSX", "@eaDir")  # folders of thumbnails and attributes that macOS and Synology add
T = TypeVar("T")


class PerProcess(Generic[T]):
    """A value that every process makes for itself, e.g. an open file, which must not be pickled or shared by a fork."""

    def __init__(self, make: Callable[[], T]):
        self._make = make
        self._made: tuple[int, T] | None = None

    def get(self) -> T:
        """The value of this process; made by the first call."""
        if self._made is None or self._made[0] != os.getpid():
            self._made = (os.getpid(), self._make())
        return self._made[1]

    def __getstate__(self) -> dict[str, Any]:
        return {"_make": self._make, "_made": None}


class FileTree(abc.ABC):
    """Files of a folder or archive.

    Attributes:
      path: of the folder or archive.
      names: of its files at any depth, e.g. `a/b.png`, sorted; without hidden files and those in hidden folders, whose
        names begin with a dot, and without those in folders of metadata that systems make.

    Raises:
      DataError: if there is no file.
    """

    def __init__(self, path: Path, names: Iterable[str]):
        self.path = path
        self.names = tuple(sorted(names))
        if not self.names:
            raise DataError(f"{path}: is empty: expected the files of a data set")

    @abc.abstractmethod
    def read(self, name: str, limit: int = MAX_FILE_BYTES) -> bytes:
        """The content of a file.

        Raises:
          DataError: naming the file, if it cannot be read or has more than `limit` bytes.
        """

    @abc.abstractmethod
    def shard(self, name: str) -> Path | io.BufferedIOBase:
        """A large file for a library that reads parts of it: its path, or the file opened and seekable.

        Raises:
          DataError: naming the file, if it cannot be opened. Reading an opened file raises what `UNREADABLE` lists.
        """

    @abc.abstractmethod
    def stamps(self, names: Iterable[str]) -> list[Any]:
        """A value that JSON can hold; it differs whenever the content of a file may differ."""

    def place(self, name: str) -> str:
        """A file as error messages name it, on one line."""
        return _printable(f"{self.path}/{name}")

    def root_of(self, folder: str) -> str | None:
        """The part of the file names before `folder/`: `""` for a folder at the top; None if there is no such folder.

        Raises:
          DataError: if two folders of the tree have that name.
        """
        mark = f"/{folder}/"
        roots = sorted({before for before, found, _ in (f"/{name}".partition(mark) for name in self.names) if found})
        if len(roots) > 1:
            both = " and ".join(repr(_printable(f"{root}{mark}".strip("/"))) for root in roots[:2])
            raise DataError(f"{self.path}: holds {both}: give the folder that holds one of them")
        return f"{roots[0]}/".lstrip("/") if roots else None

    def below(self, folder: str) -> dict[str, str]:
        """Names of the files below `folder` (`a/b/`, or `""` for all): relative to it -> in the tree."""
        return {name[len(folder) :]: name for name in self.names if name.startswith(folder)}


class DirectoryTree(FileTree):
    """Files of a folder. Links to files are followed, also out of the folder, as in the caches of data hubs.

    Raises:
      DataError: if it is empty or cannot be listed, or if a link in it leads to a folder or to nothing.
    """

    def __init__(self, path: Path):
        self._root = path.resolve()
        try:
            super().__init__(path, _walk(self._root))
        except OSError as error:
            raise DataError(f"{path}: cannot be listed ({error}): check the permissions of its folders") from None

    def read(self, name: str, limit: int = MAX_FILE_BYTES) -> bytes:
        """See `FileTree.read`."""
        try:
            with (self._root / name).open("rb") as file:
                data = file.read(limit + 1)
        except OSError as error:
            raise DataError(f"{self.place(name)}: cannot be read ({error.strerror})") from None
        _check_bytes(self.place(name), len(data), limit)
        return data

    def shard(self, name: str) -> Path:
        """See `FileTree.shard`."""
        return self._root / name

    def stamps(self, names: Iterable[str]) -> list[Any]:
        """The path of the folder, and the size and time of every file."""
        stats = ((name, os.stat(self._root / name)) for name in names)
        return [str(self._root), [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]]


class ZipTree(FileTree):
    """Members of a .zip.

    Raises:
      DataError: if it is not an archive, is empty, or has a member that is encrypted, or whose name is absolute, has
        `..` or occurs twice.
    """

    def __init__(self, path: Path):
        self._archive = PerProcess(functools.partial(_open_archive, path))
        members = [member for member in self._archive.get().infolist() if not member.is_dir()]
        for member in members:
            _check_member(path, member)
        names = [m.filename for m in members if not any(map(_hidden, m.filename.split("/")))]
        if twice := len(names) - len(set(names)):
            raise DataError(f"{path}: {twice} of its members have the name of another one: pack it again")
        super().__init__(path, names)

    def read(self, name: str, limit: int = MAX_FILE_BYTES) -> bytes:
        """See `FileTree.read`."""
        archive = self._archive.get()
        with self._naming(name):
            _check_bytes(self.place(name), archive.getinfo(name).file_size, limit)
            return archive.read(name)

    def shard(self, name: str) -> io.BufferedIOBase:
        """See `FileTree.shard`; seeking backwards in a compressed member decompresses it again from its start."""
        with self._naming(name):
            return cast(io.BufferedIOBase, self._archive.get().open(name))

    @contextlib.contextmanager
    def _naming(self, name: str) -> Iterator[None]:
        try:
            yield
        except UNREADABLE as error:
            reason = _printable(str(error) or type(error).__name__)
            raise DataError(
                f"{self.place(name)}: cannot be read from the archive ({reason}): download it again"
            ) from None

    def stamps(self, names: Iterable[str]) -> list[Any]:
        """The size and checksum of every member."""
        members = map(self._archive.get().getinfo, names)
        return [(member.filename, member.file_size, member.CRC) for member in members]


def open_tree(path: str | Path) -> FileTree:
    """The files of a folder or of a .zip.

    Raises:
      DataError: if there is no folder or .zip, or it cannot be used; see `DirectoryTree` and `ZipTree`.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise DataError(f"{path}: no such folder or .zip: set data.path to the one that holds the maps")
    return DirectoryTree(path) if path.is_dir() else ZipTree(path)


def _walk(root: Path) -> Iterator[str]:
    pending = [""]
    while pending:
        folder = pending.pop()
        with os.scandir(root / folder) as entries:
            for entry in (entry for entry in entries if not _hidden(entry.name)):
                if entry.is_symlink():
                    _check_link(root, folder + entry.name)
                if entry.is_dir():
                    pending.append(f"{folder}{entry.name}/")
                elif entry.is_file():  # reading a pipe or a device may never end
                    yield folder + entry.name


def _check_link(root: Path, name: str) -> None:
    place = _printable(str(root / name))
    try:
        target = (root / name).resolve(strict=True)
    except (OSError, RuntimeError):
        raise DataError(f"{place}: is a link that leads nowhere or in a circle: remove it") from None
    if target.is_dir():
        raise DataError(f"{place}: is a link to a folder, which could go in circles: put the folder itself there")


def _open_archive(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except UNREADABLE as error:
        raise DataError(f"{path}: cannot be read as a .zip ({error}): give a folder or a whole .zip") from None


def _check_member(path: Path, member: zipfile.ZipInfo) -> None:
    place = f"{path}: member {_printable(member.filename)!r}"
    if re.match(r"[\\/]|[A-Za-z]:", member.filename) or ".." in re.split(r"[\\/]", member.filename):
        raise DataError(f"{place} leads out of the archive: expected relative names without '..'")
    if member.flag_bits & _ENCRYPTED:
        raise DataError(f"{place} is encrypted: unpack the archive, and give the folder")


def _check_bytes(place: str, size: int, limit: int) -> None:
    if size > limit:
        raise DataError(f"{place}: has more than {limit:,} bytes, the limit for such a file: replace or remove it")


def _hidden(part: str) -> bool:
    return part.startswith(".") or part in _METADATA


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
