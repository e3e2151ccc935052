"""The batches of a training run, on the devices."""

import functools
import time

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, UInt8

from segvae_jax.data.feed.batches import train_batches, train_indices
from segvae_jax.data.prepare.builder import Prepared
from segvae_jax.sharding import replicated, split_batch


class Feed:
    """Yields the training batches, split over the devices.

    A data set that fits is copied to every device once; then each batch transfers only the numbers of its maps. A
    larger data set is read from disk ahead of time. The batches are the same.

    Attributes:
      iterator: its state is saved with a checkpoint, so that a resumed run continues with the next batch.
      waited: seconds spent waiting for batches so far.
    """

    def __init__(self, data: Prepared, batch_size: int, seed: int, mesh: Mesh, resident_bytes: float):
        """Opens the data.

        Args:
          data: the prepared data set.
          batch_size: maps per batch, over all devices of all processes; a multiple of the number of processes.
          seed: the seed of the order of the maps.
          mesh: the mesh of the devices.
          resident_bytes: a data set whose packed maps have at most this size is kept on the devices.

        Raises:
          DataError: if there are no training maps.
        """
        self.waited = 0.0
        on_disk = data.packed_on_disk("train")
        share = batch_size // jax.process_count(), seed, jax.process_index(), jax.process_count()
        self._place = functools.partial(jax.make_array_from_process_local_data, split_batch(mesh))
        self._look_up = None
        if on_disk.nbytes <= resident_bytes:
            everywhere, split = replicated(mesh), split_batch(mesh)
            look_up = jax.jit(lambda maps, rows: maps[rows], in_shardings=(everywhere, split), out_shardings=split)
            maps = jax.make_array_from_process_local_data(everywhere, on_disk[np.arange(len(on_disk))])
            self._look_up = functools.partial(look_up, maps)
            self.iterator = train_indices(len(on_disk), *share)
        else:
            self.iterator = train_batches(on_disk, *share)

    def next(self) -> UInt8[Array, "B H W P"]:
        """The packed maps of the next batch."""
        begin = time.monotonic()
        rows = np.asarray(next(self.iterator))
        self.waited += time.monotonic() - begin
        placed = self._place(rows)
        return self._look_up(placed) if self._look_up else placed
