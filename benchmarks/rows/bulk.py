"""Maps per second that bulk generation writes to disk."""

import tempfile
import time
from collections.abc import Iterator

from benchmarks.measure import Row
from benchmarks.plan import Plan, Task
from segvae_jax.bulk import Request, write_shards
from segvae_jax.generation import Generator

SECTION = "bulk"
_CHECKPOINT = "cartoon"


def tasks(plan: Plan) -> Iterator[Task]:
    """Yields the tasks of this section."""
    yield Task(SECTION, f"checkpoint {_CHECKPOINT}: written to shards", lambda: _rows(plan))


def _rows(plan: Plan) -> Iterator[Row]:
    num = 4 if plan.quick else 20_000 if plan.on_gpu else 500
    generator = Generator.load(_CHECKPOINT)
    seconds = [_seconds(generator, num) for _ in range(1 + plan.repeats)]
    size = "{} x {} px".format(*generator.card.arguments["image_size"])
    note = f"{num:,} maps of {size}; the first run, with compilation, took {seconds[0]:.1f} s"
    values = tuple(num / s for s in seconds[1:])
    yield Row(SECTION, f"checkpoint {_CHECKPOINT}: written to shards", "maps/s", values, note=note)


def _seconds(generator: Generator, num: int) -> float:
    with tempfile.TemporaryDirectory() as directory:
        begin = time.perf_counter()
        write_shards(generator, Request(num), directory)
        return time.perf_counter() - begin
