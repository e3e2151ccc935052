"""Batches for training: a seeded global shuffle, sharded by process, resumable to the example."""

from collections.abc import Sequence
from typing import Any

import grain
import numpy as np
from jaxtyping import UInt8

from segvae_jax.errors import DataError


def train_batches(
    examples: Sequence[dict[str, Any]],
    batch_size: int,
    seed: int,
    process_index: int = 0,
    process_count: int = 1,
) -> grain.DatasetIterator:
    """An endless iterator of this process's share of the batches, `[batch_size, H, W, P]` packed maps.

    Every epoch is shuffled anew. The iterator's state can be saved and restored (`get_state`, Orbax).

    Raises:
      DataError: if there are fewer examples than processes.
    """
    if len(examples) < process_count:
        raise DataError(f"{len(examples)} training maps for {process_count} processes: at least one each is needed")
    dataset = grain.MapDataset.source(examples).shuffle(seed=_spread(seed))
    dataset = dataset[process_index::process_count].repeat(None)
    dataset = dataset.map(_packed).batch(batch_size, drop_remainder=True)
    return iter(dataset.to_iter_dataset(grain.ReadOptions(num_threads=2, prefetch_buffer_size=64)))


def _spread(seed: int) -> int:
    """A seed far from those of its neighbours: Grain adds the epoch to it, so close seeds would share epochs."""
    return int(np.random.SeedSequence(seed).generate_state(1)[0])


def _packed(example: dict[str, Any]) -> UInt8[np.ndarray, "H W P"]:
    return np.asarray(example["map"])
