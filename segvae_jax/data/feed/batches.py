"""Batches for training: a seeded global shuffle, sharded by process, and exactly resumable."""

from typing import Any, Protocol, runtime_checkable

import grain
import numpy as np
from jaxtyping import Int

from segvae_jax.workers import num_cores

_MOST_THREADS = 16


@runtime_checkable
class Examples(Protocol):
    """Examples that are indexed by an array of their numbers."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Int[np.ndarray, "B"]) -> Any: ...


def train_batches(
    examples: Examples,
    batch_size: int,
    seed: int,
    process_index: int = 0,
    process_count: int = 1,
) -> grain.DatasetIterator:
    """An endless iterator of this process's share of the batches: what `examples` has at `batch_size` numbers.

    Every epoch has its own order. The shares of all processes, concatenated, are the batch that a single process
    would read. The iterator's state can be saved and restored (`get_state`, Orbax). Batches are read ahead of time,
    each as a whole, by as many threads as there are cores.
    """
    share = _share(len(examples), batch_size, seed, process_index, process_count)
    return _ahead_of_time(share.map(lambda rows: examples[rows]))


def train_indices(
    num_examples: int, batch_size: int, seed: int, process_index: int = 0, process_count: int = 1
) -> grain.DatasetIterator:
    """Like `train_batches`, but yields the numbers `[batch_size]` of the examples."""
    return _ahead_of_time(_share(num_examples, batch_size, seed, process_index, process_count))


def batch_indices(num_examples: int, batch_size: int, seed: int) -> grain.MapDataset:
    """Numbers `[batch_size]` of the examples in each batch of `train_batches`, over all processes."""
    order = grain.MapDataset.range(num_examples).shuffle(seed=_distant_seed(seed)).repeat(None)
    return order.batch(batch_size, drop_remainder=True)


def _share(num_examples: int, batch_size: int, seed: int, process_index: int, process_count: int) -> grain.MapDataset:
    return batch_indices(num_examples, batch_size, seed)[process_index::process_count]


def _ahead_of_time(batches: grain.MapDataset) -> grain.DatasetIterator:
    threads = min(num_cores(), _MOST_THREADS)
    return iter(batches.to_iter_dataset(grain.ReadOptions(num_threads=threads, prefetch_buffer_size=4 * threads)))


def _distant_seed(seed: int) -> int:
    """A seed far from those of close seeds: Grain adds the epoch to the seed, so close seeds would share epochs."""
    return int(np.random.SeedSequence(seed).generate_state(1)[0])
