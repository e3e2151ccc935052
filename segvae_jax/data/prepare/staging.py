"""Converted maps on their way into a data set: chunks of records and facts, each complete or absent.

A chunk is named by what it holds, so that a run that is killed, or started again with another exclusion list,
goes on from the chunks that are still valid.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from segvae_jax.data.prepare.conversion import FORMAT, Facts, Recipe, convert, digest_of, features_of
from segvae_jax.data.shards.records import Serializer, write_records
from segvae_jax.data.sources.source import Source
from segvae_jax.files import output_errors, write_atomically

_LEFT_OUT = b"\0"  # takes the place of a record, so that numbers stay
_OPEN_FILES = 256  # well below the usual limit of 1,024


@dataclasses.dataclass(frozen=True)
class Staging:
    """The chunks of one source under one recipe. Processes may convert different chunks at the same time.

    Attributes:
      directory: of the chunks; exists.
      source: of the maps.
      recipe: what to make of them.
      chunk_size: maps a chunk; what a killed worker loses at most.
    """

    directory: Path
    source: Source
    recipe: Recipe
    chunk_size: int

    @property
    def num_chunks(self) -> int:
        """Of the whole source."""
        return -(-len(self.source.ids) // self.chunk_size)

    def size(self, chunk: int) -> int:
        """How many maps of the source belong to a chunk."""
        return len(self._ids(chunk))

    def missing(self) -> list[int]:
        """Chunks that are not complete."""
        return [chunk for chunk in range(self.num_chunks) if not self._path(chunk, "npz").exists()]

    def convert(self, chunk: int) -> int:
        """Converts a chunk and returns its number.

        Raises:
          SegVAEError: if a map cannot be read, or nothing be written.
        """
        serialize, facts = Serializer(features_of(self.source, self.recipe)), []

        def records() -> Iterator[bytes]:
            for example_id in self._ids(chunk):
                converted = convert(self.source, self.recipe, example_id)
                facts.append(converted.facts)
                yield _LEFT_OUT if converted.example is None else serialize(converted.example)

        with output_errors(self.directory):
            write_atomically(self._path(chunk, "array_record"), lambda path: write_records(path, records()))
            # The facts come last: they say that the chunk is complete.
            write_atomically(self._path(chunk, "npz"), lambda path: _save(path, Facts.joined(facts)))
        return chunk

    def facts(self) -> Facts:
        """On all maps of the source, in its order; all chunks must be complete."""
        return Facts.joined([_load(self._path(chunk, "npz")) for chunk in range(self.num_chunks)])

    def reader(self) -> Callable[[int], bytes]:
        """A function that reads the record of a map, by its number in the source; all chunks must be complete."""
        paths = [str(self._path(chunk, "array_record")) for chunk in range(self.num_chunks)]
        opened = functools.lru_cache(_OPEN_FILES)(_reader)

        def record(number: int) -> bytes:
            chunk, row = divmod(number, self.chunk_size)
            return opened(paths[chunk]).read([row])[0]

        return record

    def _ids(self, chunk: int) -> Sequence[str]:
        return self.source.ids[chunk * self.chunk_size : (chunk + 1) * self.chunk_size]

    def _path(self, chunk: int, suffix: str) -> Path:
        source, recipe, ids = self.source, self.recipe, self._ids(chunk)
        excluded = {example_id: recipe.exclude[example_id] for example_id in ids if example_id in recipe.exclude}
        made = str((FORMAT, recipe.size, recipe.image_size, recipe.skip_broken, excluded))
        digest = digest_of([source.name, source.version, source.space.to_json(), made, *ids])
        return self.directory / f"{chunk:06d}-{digest}.{suffix}"


def _save(path: Path, facts: Facts) -> None:
    with path.open("wb") as file:
        np.savez(file, **{field.name: getattr(facts, field.name) for field in dataclasses.fields(facts)})


def _load(path: Path) -> Facts:
    with np.load(path) as arrays:
        return Facts(**arrays)


def _reader(path: str) -> Any:
    from array_record.python.array_record_module import ArrayRecordReader  # does not exist on Windows

    return ArrayRecordReader(path, "readahead_buffer_size:0")
