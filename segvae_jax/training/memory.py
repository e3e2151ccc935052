"""The memory that a training step needs at least, so that a step that cannot fit is refused before it is compiled."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from segvae_jax.checkpoint.state import TrainState
from segvae_jax.model.packing import Budget
from segvae_jax.model.protocol import MapModel
from segvae_jax.training.step import StepConfig, saved_for_gradient

_CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")  # of a container


def least_memory(
    model: MapModel, config: StepConfig, state: TrainState, packed: jax.ShapeDtypeStruct, budget: Budget | None
) -> int:
    """A lower bound of the bytes that a step needs on one device.

    It counts the state, the batch, and for one accumulated part of the batch what is saved for the gradient. Compiled
    steps need about four times as much.

    Args:
      model, config, budget: as in `train_step`.
      state: shapes of the state.
      packed: shape of the batch of one device.
    """
    size, *rest = packed.shape
    part = jax.ShapeDtypeStruct((size // config.accumulate, *rest), packed.dtype)
    saved = saved_for_gradient(model, config, state, part, budget)
    return bytes_of((state.opt_state, state.ema, saved)) + bytes_of(packed)


def memory_of_device(devices: Sequence[jax.Device]) -> float:
    """The bytes of memory of each of some equal devices; infinite if unknown. CPUs share the memory of the machine."""
    if devices[0].platform == "cpu":
        return _memory_of_machine() / len(devices)
    return float((devices[0].memory_stats() or {}).get("bytes_limit", math.inf))


def _memory_of_machine() -> float:
    """Of the machine, or of the container if its limit is lower."""
    limits = [math.inf]
    if hasattr(os, "sysconf"):
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for path in _CGROUPS:
        try:
            limits.append(int(Path(path).read_text()))
        except (OSError, ValueError):  # another version, or no limit
            continue
    return float(min(limits))


def bytes_of(tree: Any) -> int:
    """Bytes of the arrays of a tree, or of their shapes."""
    return sum(math.prod(a.shape) * jnp.dtype(a.dtype).itemsize for a in jax.tree.leaves(tree))
