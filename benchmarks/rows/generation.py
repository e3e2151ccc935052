"""Seconds per generated batch, compared with PyTorch, and maps per second on a GPU."""

import dataclasses
import itertools
from collections.abc import Iterator

from benchmarks.measure import Row, Target, Work, at_least
from benchmarks.plan import Plan, compared_with_torch, timed
from benchmarks.workload import TITLES, Setup, generate_work

SECTION = "generation"
_ON_CPU = at_least(1.5)
_RATE = at_least(10_000)  # maps per second on a GPU, at the best batch size
_BATCHES = (64, 256, 1024)


def rows(plan: Plan) -> Iterator[Row]:
    """Yields the rows of this section."""
    sizes = ((64, 1), (64, 16)) if plan.on_gpu else ((16, 1), (16, 16), (64, 1), (64, 16))
    for dataset, (ngf, batch) in list(itertools.product(TITLES, sizes))[: 1 if plan.quick else None]:
        setup = plan.fitted(Setup(dataset, batch, ngf=ngf))
        yield from _against_torch(plan, setup, None if plan.on_gpu else _ON_CPU)
    yield from _rates(plan)


def _against_torch(plan: Plan, setup: Setup, target: Target | None) -> Iterator[Row]:
    def theirs(device: str) -> Work:
        from benchmarks import torch_work

        return torch_work.generate_work(setup, device)

    yield from compared_with_torch(plan, SECTION, setup, lambda: generate_work(setup), theirs, target)


def _rates(plan: Plan) -> Iterator[Row]:
    """Maps per second at several batch sizes. The target applies to the best one."""
    measured = []
    for batch, dtype in itertools.product(_BATCHES, ("float32", "bfloat16")):
        setup = Setup(batch=batch, dtype=dtype)
        if plan.on_gpu:
            measured.append(_rate(plan, plan.fitted(setup)))
            yield measured[-1]
    best = max(measured, key=lambda row: (bool(row.values), row.median), default=None)
    name = "maps per second at the best batch size, GPU"
    if best is None:
        yield Row(SECTION, name, "maps/s", target=_RATE, reason="no GPU: JAX runs on the CPU")
    else:
        yield dataclasses.replace(best, name=name, target=_RATE, note=best.name)


def _rate(plan: Plan, setup: Setup) -> Row:
    row = Row(SECTION, f"{setup}, {setup.dtype}: rate", "maps/s", conditions=dataclasses.asdict(setup))
    times = timed({"": lambda: generate_work(setup)}, plan.repeats)
    if not times:
        return dataclasses.replace(row, reason="out of memory")
    return dataclasses.replace(row, values=tuple(setup.batch / s for s in times[""]))
