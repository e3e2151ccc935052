"""Converted maps before they become a data set: chunks of records and statistics. A chunk is complete or absent.

The name of a chunk is a hash of what it depends on, so that a run that was killed, or that starts again with another
exclusion list, uses the chunks that are still valid.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from segvae_jax.data.prepare.conversion import MapStatistics, convert, features_of
from segvae_jax.data.prepare.recipe import FORMAT, Recipe, digest_of
from segvae_jax.data.shards.records import Serializer, write_records
from segvae_jax.data.sources.source import Source
from segvae_jax.digests import is_whole, sums_of, write_sums
from segvae_jax.files import output_errors, write_atomically

_LEFT_OUT = b"\0"  # takes the place of a record, so that the numbers of the others stay the same
_STATISTICS = 2  # differs whenever other statistics are stored
_OPEN_FILES = 256  # well below the usual limit of 1,024


@dataclasses.dataclass(frozen=True)
class Staging:
    """The chunks of one source and one recipe. Several processes may convert different chunks at the same time.

    Attributes:
      directory: of the chunks; exists.
      source: of the maps.
      recipe: what to make of them.
      chunk_size: maps per chunk.
    """

    directory: Path
    source: Source
    recipe: Recipe
    chunk_size: int

    @property
    def num_chunks(self) -> int:
        """Number of chunks of the whole source."""
        return -(-len(self.source.ids) // self.chunk_size)

    def size(self, chunk: int) -> int:
        """Number of maps of the source in a chunk."""
        return len(self._ids(chunk))

    def missing(self) -> list[int]:
        """Numbers of the chunks that are not complete."""
        return [chunk for chunk in range(self.num_chunks) if not self._is_complete(chunk)]

    def convert(self, chunk: int) -> int:
        """Converts a chunk and returns its number.

        Raises:
          SegVAEError: if a map cannot be read, or the chunk cannot be written.
        """
        serialize, statistics = Serializer(features_of(self.source, self.recipe)), []

        def records() -> Iterator[bytes]:
            for example_id in self._ids(chunk):
                converted = convert(self.source, self.recipe, example_id)
                statistics.append(converted.statistics)
                yield _LEFT_OUT if converted.example is None else serialize(converted.example)

        with output_errors(self.directory):
            write_atomically(self._path(chunk, "array_record"), lambda path: write_records(path, records()))
            write_atomically(self._path(chunk, "npz"), lambda path: _save(path, MapStatistics.joined(statistics)))
            # The digests are written last: their file says that the chunk is complete.
            write_sums(self._path(chunk, "sha256"), *(sums_of(path, path.name) for path in self._parts(chunk)))
        return chunk

    def statistics(self) -> MapStatistics:
        """Statistics of all maps of the source, in its order; all chunks must be complete."""
        return MapStatistics.joined([_load(self._path(chunk, "npz")) for chunk in range(self.num_chunks)])

    def reader(self) -> Callable[[int], bytes]:
        """A function that reads the record of a map by its number in the source; all chunks must be complete."""
        paths = [str(self._path(chunk, "array_record")) for chunk in range(self.num_chunks)]
        opened = functools.lru_cache(_OPEN_FILES)(_reader)

        def record(number: int) -> bytes:
            chunk, row = divmod(number, self.chunk_size)
            return opened(paths[chunk]).read([row])[0]

        return record

    def _parts(self, chunk: int) -> list[Path]:
        return [self._path(chunk, suffix) for suffix in ("array_record", "npz")]

    def _is_complete(self, chunk: int) -> bool:
        sums = self._path(chunk, "sha256")
        return sums.exists() and is_whole(sums, [path.name for path in self._parts(chunk)])

    def _ids(self, chunk: int) -> Sequence[str]:
        return self.source.ids[chunk * self.chunk_size : (chunk + 1) * self.chunk_size]

    def _path(self, chunk: int, suffix: str) -> Path:
        source, recipe, ids = self.source, self.recipe, self._ids(chunk)
        excluded = {example_id: recipe.exclude[example_id] for example_id in ids if example_id in recipe.exclude}
        made = str((FORMAT, _STATISTICS, recipe.size, recipe.image_size, recipe.skip_broken, excluded))
        digest = digest_of([source.name, source.version, source.space.to_json(), made, *ids])
        return self.directory / f"{chunk:06d}-{digest}.{suffix}"


def _save(path: Path, statistics: MapStatistics) -> None:
    with path.open("wb") as file:
        np.savez(file, **{field.name: getattr(statistics, field.name) for field in dataclasses.fields(statistics)})


def _load(path: Path) -> MapStatistics:
    with np.load(path) as arrays:
        return MapStatistics(**arrays)


def _reader(path: str) -> Any:
    from array_record.python.array_record_module import ArrayRecordReader  # does not exist on Windows

    return ArrayRecordReader(path, "readahead_buffer_size:0")
