"""The mesh of devices, and the two ways to place arrays on it: replicated, or split along the batch."""

from collections.abc import Sequence

import jax
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
