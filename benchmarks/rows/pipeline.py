"""Maps per second that the input pipeline delivers from a prepared data set to a jitted function."""

import math
import tempfile
from collections.abc import Iterator

import jax

from benchmarks.measure import Row, Work, at_least, time_in_turn
from benchmarks.plan import Plan
from segvae_jax import maps
from segvae_jax.sharding import device_mesh

SECTION = "pipeline"
_FROM_DISK, _RESIDENT = at_least(20_000), at_least(50_000)  # maps per second at 128 px, with the cores of a GPU's host
_NUM_MAPS = 4_096  # the fewer there are, the longer Grain takes for their order
_PREFETCHED_BATCHES = 64  # the most that the pipeline holds ready: they are consumed before timing starts
_MAPS_PER_TIMING = 16_384


def rows(plan: Plan) -> Iterator[Row]:
    """Yields the rows of this section."""
    size = 16 if plan.quick else 128
    try:
        import grain  # noqa: F401
        import tensorflow_datasets  # noqa: F401
    except ImportError as error:
        reason = f"{error.name} is not installed"
        yield Row(SECTION, f"{size} px: input pipeline", "maps/s", target=_FROM_DISK, reason=reason)
        return
    with tempfile.TemporaryDirectory() as directory:
        for batch in (16,) if plan.quick else (16, 128):
            for resident in (True, False):
                yield _rate(plan, size, batch, directory, resident)


def _rate(plan: Plan, size: int, batch: int, directory: str, resident: bool) -> Row:
    batches = 4 if plan.quick else _MAPS_PER_TIMING // batch
    work = _feed(size, batch, 32 if plan.quick else _NUM_MAPS, directory, resident)
    work(0 if plan.quick else _PREFETCHED_BATCHES)
    seconds = time_in_turn({"": lambda calls: work(calls * batches)}, plan.repeats)[""]
    values = tuple(batches * batch / s for s in seconds)
    where = "kept on the device" if resident else "read from disk"
    name = f"{size} px, batch {batch}, {where}: input pipeline"
    note = "cartoon faces; shuffled, batched, moved to the device and unpacked there"
    conditions = {"batch": batch, "size": size, "resident": resident}
    return Row(SECTION, name, "maps/s", values, _RESIDENT if resident else _FROM_DISK, "", note, conditions)


def _feed(size: int, batch: int, num_maps: int, directory: str, resident: bool) -> Work:
    """Takes batches as training does, and sums all maps of a batch in a jitted function."""
    from segvae_jax.data.feed.feeding import Feed
    from segvae_jax.data.prepare.builder import build
    from segvae_jax.data.prepare.recipe import Recipe
    from segvae_jax.data.sources.cartoon import cartoon
    from segvae_jax.workers import num_cores, processes

    data = build(cartoon("faces", num_maps, 0), Recipe((size, size)), directory, processes(num_cores()))
    feed = Feed(data, batch, 0, device_mesh(), math.inf if resident else 0.0)
    read = jax.jit(lambda packed: maps.unpack(packed, data.space.num_channels).sum())

    def work(calls: int) -> None:
        for _ in range(calls):
            total = read(feed.next())
        if calls:
            total.block_until_ready()

    return work
