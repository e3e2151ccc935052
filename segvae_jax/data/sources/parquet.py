"""Parquet files as data hubs hold them: one row per image, pictures as structs of `bytes` and `path`. Needs pyarrow."""

import dataclasses
import functools
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from types import ModuleType
from typing import Any, NamedTuple

from segvae_jax.data.sources.file_tree import MAX_FILE_BYTES, UNREADABLE, FileTree, PerProcess
from segvae_jax.data.sources.reading import READING, EncodedPicture, IndexMapReader, PictureReader
from segvae_jax.data.sources.source import Source, fingerprint
from segvae_jax.errors import DataError
from segvae_jax.labels import LabelSpace

PARQUET = "*.parquet with a column of masks"
_SUFFIX = ".parquet"
_IMAGES = ("image",)
_MASKS = ("mask", "label", "annotation", "segmentation")
_MAX_COLUMN_BYTES = 4 * 2**30  # of a row group, which is read into memory whole


class Row(NamedTuple):
    """Where an example is: a file of the tree, a row group of the file, and a row of the group."""

    file: str
    group: int
    row: int


class _Listing(NamedTuple):
    """The names of the columns of masks and of images, the row of each id, and whether ids are file names."""

    mask: str
    image: str | None
    rows: dict[str, Row]
    named: bool


class _Shards:
    """The open parquet files of one process.

    The two latest files are kept, and masks and images of the two latest row groups: sorted ids without leading
    zeros, e.g. 1001, 10010, go back and forth between two of each.
    """

    def __init__(self, tree: FileTree):
        self._tree = tree
        self._lock = threading.Lock()
        self._open = functools.lru_cache(maxsize=2)(functools.partial(_open_shard, tree))
        self._recent = functools.lru_cache(maxsize=4)(self._cells)

    def cell(self, where: Row, column: str) -> dict[str, Any] | None:
        with self._lock:
            return self._recent(where.file, where.group, column)[where.row]

    def _cells(self, file: str, group: int, column: str) -> list[dict[str, Any] | None]:
        shard, place = self._open(file), self._tree.place(file)
        return _arrow(place, lambda: _column(shard, group, column, place))


@dataclasses.dataclass(frozen=True)
class Column:
    """The encoded pictures of a column.

    Attributes:
      tree: the files.
      shards: opened once per process.
      rows: the row of each id.
      name: of the column.
    """

    tree: FileTree
    shards: PerProcess[_Shards]
    rows: Mapping[str, Row]
    name: str

    def __call__(self, example_id: str) -> EncodedPicture:
        """The picture of an id.

        Raises:
          DataError: naming file and row, if the picture is missing or too large, or the file cannot be read.
        """
        where = self.rows[example_id]
        data = (self.shards.get().cell(where, self.name) or {}).get("bytes")
        place = f"{self.tree.place(where.file)}, row {where.row} of group {where.group}, column {self.name}"
        if not data:
            raise DataError(f"{place}: holds no picture: expected its bytes")
        if len(data) > MAX_FILE_BYTES:
            raise DataError(f"{place}: has more than {MAX_FILE_BYTES:,} bytes: remove this row")
        return EncodedPicture(data, place)


def holds_parquet(tree: FileTree) -> bool:
    """Whether there are parquet files."""
    return any(name.lower().endswith(_SUFFIX) for name in tree.names)


def parquet(
    tree: FileTree,
    space: LabelSpace,
    name: str,
    notes: Mapping[str, Any],
    key: Callable[[str], str],
    fit: str = "stretch",
) -> Source:
    """Index maps in the column `mask`, `label`, `annotation` or `segmentation`, RGB pictures in `image`.

    Args:
      tree: holds the files.
      space: the classes, numbered as in the maps.
      name: of the source.
      notes: of the source.
      key: makes an id of the file name in the path of a mask. If the names are missing or not distinct, an id is
        the number of a row, counted over all files in the order of their names.
      fit: "stretch" or "pad", see `IndexMapReader`.

    Raises:
      DataError: if pyarrow is missing, a file cannot be read, or it has no column of masks.
    """
    files = [file for file in tree.names if file.lower().endswith(_SUFFIX)]
    listing = _listed(tree, files, key)
    shards = PerProcess(functools.partial(_Shards, tree))
    column = functools.partial(Column, tree, shards, listing.rows)
    read = IndexMapReader(column(listing.mask), space, fit)
    native = read.native if fit == "stretch" else None
    image = PictureReader(column(listing.image), fit, read.native) if listing.image else None
    notes = {**notes, "ids": "file names" if listing.named else "row numbers"}
    version = fingerprint([READING, notes, tree.stamps(files)])
    ids = tuple(sorted(listing.rows))
    return Source(name, space, ids, read, version, native=native, image=image, notes=notes)


def _columns(place: str, shard: Any) -> tuple[str, str | None]:
    """Names of the columns of masks and of images."""
    fields = shard.schema_arrow
    holds = {field.name for field in fields if any(field.type.field(i).name == "bytes" for i in _children(field.type))}
    mask = next((name for name in _MASKS if name in holds), None)
    if mask is None:
        expected = f"expected one of {', '.join(_MASKS)}, a struct with `bytes`"
        raise DataError(f"{place}: no column of masks: {expected}; it has {', '.join(fields.names)}")
    return mask, next((name for name in _IMAGES if name in holds), None)


def _children(arrow_type: Any) -> range:
    return range(arrow_type.num_fields if "struct" in str(arrow_type) else 0)


def _listed(tree: FileTree, files: Sequence[str], key: Callable[[str], str]) -> _Listing:
    """The columns that all files have in common, and the row of each id."""
    columns: dict[tuple[str, str | None], str] = {}
    rows: list[Row] = []
    ids: list[str] = []
    for file in files:
        place, shard = tree.place(file), _open_shard(tree, file)
        columns.setdefault(_columns(place, shard), place)
        if len(columns) > 1:
            raise DataError(f"{place}: its columns are not those of {next(iter(columns.values()))}")
        rows += _rows(file, shard)
        ids += [key(PurePosixPath(path or "").stem) for path in _paths(place, shard, next(iter(columns))[0])]
    if not rows:
        raise DataError(f"{tree.path}: no row in its parquet files")
    named = all(ids) and len(set(ids)) == len(rows)
    numbers = [f"{i:06d}" for i in range(len(rows))]
    return _Listing(*next(iter(columns)), dict(zip(ids if named else numbers, rows, strict=True)), named)


def _rows(file: str, shard: Any) -> list[Row]:
    groups = [shard.metadata.row_group(group).num_rows for group in range(shard.num_row_groups)]
    return [Row(file, group, row) for group, count in enumerate(groups) for row in range(count)]


def _paths(place: str, shard: Any, mask: str) -> list[str | None]:
    """The paths of the masks, without reading their bytes; none if there is no such field."""
    cells = _arrow(place, lambda: shard.read(columns=[f"{mask}.path"]))
    return [(cell or {}).get("path") for cell in cells[mask].to_pylist()] if mask in cells.column_names else []


def _column(shard: Any, group: int, column: str, place: str) -> list[dict[str, Any] | None]:
    leaf = f"{column}.bytes"
    chunks = (shard.metadata.row_group(group).column(i) for i in range(shard.metadata.num_columns))
    if sum(c.total_uncompressed_size for c in chunks if c.path_in_schema == leaf) > _MAX_COLUMN_BYTES:
        raise DataError(
            f"{place}: row group {group} has more than {_MAX_COLUMN_BYTES:,} bytes: write smaller row groups"
        )
    return shard.read_row_group(group, columns=[leaf])[column].to_pylist()


def _open_shard(tree: FileTree, file: str) -> Any:
    reader = _reader()
    return _arrow(tree.place(file), lambda: reader.ParquetFile(tree.shard(file)))


def _arrow(place: str, read: Any) -> Any:
    """The value of `read()`; an error that reading raises becomes a DataError."""
    import pyarrow

    try:
        return read()
    except (pyarrow.ArrowException, *UNREADABLE) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{place}: cannot be read as parquet ({reason}): download it again") from None


def _reader() -> ModuleType:
    try:
        import pyarrow.parquet
    except ImportError:
        raise DataError("parquet files need pyarrow: pip install 'segvae_jax[parquet]'") from None
    return pyarrow.parquet
