"""Batches for training: a seeded global shuffle, sharded by process, and exactly resumable."""

from collections.abc import Sequence
from typing import Any

import grain
import numpy as np
from jaxtyping import UInt8


def train_batches(
    examples: Sequence[dict[str, Any]],
    batch_size: int,
    seed: int,
    process_index: int = 0,
    process_count: int = 1,
) -> grain.DatasetIterator:
    """An endless iterator of this process's share of the batches, `[batch_size, H, W, P]` packed maps.

    Every epoch has its own order. The shares of all processes, concatenated, are the batch that a single process
    would read. The iterator's state can be saved and restored (`get_state`, Orbax).
    """
    dataset = _endless(grain.MapDataset.source(examples), seed).map(_packed)
    return _share(dataset, batch_size, process_index, process_count)


def train_indices(
    num_examples: int, batch_size: int, seed: int, process_index: int = 0, process_count: int = 1
) -> grain.DatasetIterator:
    """Like `train_batches`, but yields the numbers `[batch_size]` of the examples."""
    return _share(_endless(grain.MapDataset.range(num_examples), seed), batch_size, process_index, process_count)


def batch_indices(num_examples: int, batch_size: int, seed: int) -> grain.MapDataset:
    """Numbers `[batch_size]` of the examples in each batch of `train_batches`, over all processes."""
    return _endless(grain.MapDataset.range(num_examples), seed).batch(batch_size, drop_remainder=True)


def _share(dataset: grain.MapDataset, batch_size: int, process_index: int, process_count: int) -> grain.DatasetIterator:
    batches = dataset.batch(batch_size, drop_remainder=True)[process_index::process_count]
    return iter(batches.to_iter_dataset(grain.ReadOptions(num_threads=2, prefetch_buffer_size=64)))


def _endless(dataset: grain.MapDataset, seed: int) -> grain.MapDataset:
    return dataset.shuffle(seed=_distant_seed(seed)).repeat(None)


def _distant_seed(seed: int) -> int:
    """A seed far from those of close seeds: Grain adds the epoch to the seed, so close seeds would share epochs."""
    return int(np.random.SeedSequence(seed).generate_state(1)[0])


def _packed(example: dict[str, Any]) -> UInt8[np.ndarray, "H W P"]:
    return np.asarray(example["map"])
