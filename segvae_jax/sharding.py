"""The mesh of devices, the two ways to place arrays on it, replicated or split along the batch, and sums over it."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax import lax
from jax.flatten_util import ravel_pytree
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec


def device_mesh(devices: Sequence[jax.Device] | None = None) -> Mesh:
    """A mesh of the devices (those of all processes if None) with one axis, `data`."""
    devices = jax.devices() if devices is None else devices
    return jax.make_mesh((len(devices),), ("data",), axis_types=(AxisType.Auto,), devices=devices)


def replicated(mesh: Mesh) -> NamedSharding:
    """Places an array as a whole on every device."""
    return NamedSharding(mesh, PartitionSpec())


def split_batch(mesh: Mesh) -> NamedSharding:
    """Splits the first axis of an array over the devices."""
    return NamedSharding(mesh, PartitionSpec("data"))


def summed(mesh: Mesh, function: Callable[..., tuple[Any, Any]]) -> Callable[..., tuple[Any, Any]]:
    """The function of a whole batch, from one of a part of it: each device computes its own rows.

    Args:
      mesh: of the devices.
      function: of a tree of arrays that all rows share, and of arrays whose first axis is the batch; returns a tree of
        arrays that are sums over the rows, and one of arrays that do not depend on the rows.

    Returns:
      a function of the whole batch, which adds the sums of all devices in a single all-reduce.
    """

    def of_part(shared: Any, inputs: Any) -> tuple[Any, Any]:
        sums, others = function(shared, *inputs)
        flat, restore = ravel_pytree(sums)
        return restore(lax.psum(flat, "data")), others

    whole, part = PartitionSpec(), PartitionSpec("data")
    # Unchecked: JAX would otherwise add an all-reduce for the gradient of each parameter.
    mapped = jax.shard_map(of_part, mesh=mesh, in_specs=(whole, part), out_specs=whole, check_vma=False)
    return lambda shared, *inputs: mapped(shared, inputs)
