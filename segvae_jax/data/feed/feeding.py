"""The batches of a training run, on the devices."""

import functools
import time

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Int, UInt8

from segvae_jax.data.feed.batches import train_batches, train_indices
from segvae_jax.data.prepare.builder import Prepared
from segvae_jax.data.shards.records import Arrays
from segvae_jax.sharding import replicated, split_batch


class Feed:
    """Yields the training batches, split over the devices.

    A data set that fits is copied to every device once; then each batch transfers only the numbers of its examples. A
    larger data set is read from disk ahead of time. The batches are the same.

    Attributes:
      iterator: its state is saved with a checkpoint, so that a resumed run continues with the next batch.
      waited: seconds spent waiting for batches so far.
    """

    def __init__(
        self, data: Prepared, batch_size: int, seed: int, mesh: Mesh, resident_bytes: float, pictures: bool = False
    ):
        """Opens the data.

        Args:
          data: the prepared data set.
          batch_size: examples per batch, over all devices of all processes; a multiple of the number of processes.
          seed: the seed of the order of the examples.
          mesh: the mesh of the devices.
          resident_bytes: a data set whose arrays have at most this size is kept on the devices.
          pictures: whether a batch has the pictures beside the maps.

        Raises:
          DataError: if there are no training maps, or no pictures beside them.
        """
        self.waited = 0.0
        on_disk = _Columns(data.packed_on_disk("train"), *([data.pictures_on_disk("train")] if pictures else []))
        share = batch_size // jax.process_count(), seed, jax.process_index(), jax.process_count()
        self._place = functools.partial(jax.make_array_from_process_local_data, split_batch(mesh))
        self._look_up = None
        if on_disk.nbytes <= resident_bytes:
            everywhere, split = replicated(mesh), split_batch(mesh)
            take = lambda columns, rows: tuple(column[rows] for column in columns)
            look_up = jax.jit(take, in_shardings=(everywhere, split), out_shardings=split)
            copied = functools.partial(jax.make_array_from_process_local_data, everywhere)
            self._look_up = functools.partial(look_up, jax.tree.map(copied, on_disk[np.arange(len(on_disk))]))
            self.iterator = train_indices(len(on_disk), *share)
        else:
            self.iterator = train_batches(on_disk, *share)

    def next(self) -> tuple[UInt8[Array, "B H W _"], ...]:
        """The packed maps of the next batch, and their pictures if there are any."""
        begin = time.monotonic()
        batch = next(self.iterator)
        self.waited += time.monotonic() - begin
        if self._look_up:
            return self._look_up(self._place(np.asarray(batch)))
        return tuple(self._place(np.asarray(column)) for column in batch)


class _Columns:
    """Arrays of the same examples, read together."""

    def __init__(self, *columns: Arrays):
        self._columns = columns
        self.nbytes = sum(column.nbytes for column in columns)

    def __len__(self) -> int:
        return len(self._columns[0])

    def __getitem__(self, rows: Int[np.ndarray, "B"]) -> tuple[UInt8[np.ndarray, "B H W _"], ...]:
        return tuple(column[rows] for column in self._columns)
