"""Maps per second that the input pipeline delivers from a prepared data set to a jitted function."""

import dataclasses
import functools
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path

import jax

from benchmarks.measure import Row, Work, at_least, time_in_turn
from benchmarks.plan import Plan, Task
from segvae_jax import maps
from segvae_jax.sharding import device_mesh
from segvae_jax.workers import num_cores, processes

SECTION = "pipeline"
# Maps per second at 128 px, kept on the device and read from disk.
_ON_CPU = {True: at_least(20_000), False: at_least(20_000)}
_ON_GPU = {True: at_least(50_000), False: at_least(20_000)}
_NUM_MAPS = 4_096  # the fewer there are, the longer Grain takes for their order
_MAPS_PER_PROCESS = 512  # at least, when they are prepared
_PREFETCHED_BATCHES = 64  # the most that the pipeline holds ready: they are consumed before timing starts
_MAPS_PER_TIMING = 16_384


def tasks(plan: Plan) -> Iterator[Task]:
    """Yields the tasks of this section."""
    size = 16 if plan.quick else 128
    for batch in (16,) if plan.quick else (16, 128):
        for resident in (True, False):
            where = "kept on the device" if resident else "read from disk"
            name = f"{size} px, batch {batch}, {where}: input pipeline"
            target = plan.target(_ON_GPU[resident], _ON_CPU[resident])
            conditions = {"batch": batch, "size": size, "resident": resident}
            row = Row(SECTION, name, "maps/s", target=target, conditions=conditions)
            yield Task(SECTION, name, functools.partial(_rows, plan, row), 1 if batch == 16 else 2, target)


def _rows(plan: Plan, row: Row) -> Iterator[Row]:
    try:
        import grain  # noqa: F401
        import tensorflow_datasets  # noqa: F401
    except ImportError as error:
        yield dataclasses.replace(row, reason=f"{error.name} is not installed")
        return
    batch = row.conditions["batch"]
    batches = 4 if plan.quick else _MAPS_PER_TIMING // batch
    work = _feed(num_maps=32 if plan.quick else _NUM_MAPS, **row.conditions)
    work(0 if plan.quick else _PREFETCHED_BATCHES)
    seconds = time_in_turn({"": lambda calls: work(calls * batches)}, plan.repeats)[""]
    note = "cartoon faces; shuffled, batched, moved to the device and unpacked there"
    yield dataclasses.replace(row, values=tuple(batches * batch / s for s in seconds), note=note)


@functools.cache
def _directory(size: int, num_maps: int) -> tempfile.TemporaryDirectory:
    """A folder with a prepared set in `set`, for all rows; it is removed when this process ends."""
    from segvae_jax.data.prepare.builder import build
    from segvae_jax.data.prepare.recipe import Recipe
    from segvae_jax.data.sources.cartoon import cartoon

    folder = tempfile.TemporaryDirectory()
    workers = processes(min(num_cores(), max(num_maps // _MAPS_PER_PROCESS, 1)))
    build(cartoon("faces", num_maps, 0), Recipe((size, size)), Path(folder.name) / "set", workers)
    return folder


def _feed(size: int, batch: int, resident: bool, num_maps: int) -> Work:
    """Takes batches as training does, and sums all maps of a batch in a jitted function."""
    from segvae_jax.data.feed.feeding import Feed
    from segvae_jax.data.prepare.builder import open_prepared

    data = open_prepared(Path(_directory(size, num_maps).name) / "set")
    feed = Feed(data, batch, 0, device_mesh(), math.inf if resident else 0.0)
    read = jax.jit(lambda packed: maps.unpack(packed, data.space.num_channels).sum())

    def work(calls: int) -> None:
        for _ in range(calls):
            total = read(*feed.next())
        if calls:
            total.block_until_ready()

    return work
