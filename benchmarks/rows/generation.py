"""Seconds per generated batch, of the paper's model compared with PyTorch, and maps per second on a GPU."""

import dataclasses
import functools
import itertools
from collections.abc import Iterator

from benchmarks.measure import Row, Target, Work, at_least, at_most
from benchmarks.plan import Plan, Task, compared_with_torch, timed
from benchmarks.workload import TITLES, Setup, generate_work

SECTION = "generation"
_HIERARCHICAL = (Setup(size=64, recipe="small", batch=1), Setup(recipe="full"))
_MOST_SECONDS = {64: (at_most(0.005), at_most(0.15)), 128: (at_most(0.04), at_most(3))}  # on a GPU, on two cores
_TIMES_ON_CPU = at_least(1.5)
_SECONDS_ON_GPU = {1: at_most(0.004), 16: at_most(0.006)}  # of a batch of the paper's model
_RATES = {"full": at_least(3_000), "paper": at_least(10_000)}  # maps per second on a GPU, at the best batch size
_BATCHES = (1024, 256, 64)


def tasks(plan: Plan) -> Iterator[Task]:
    """Yields the tasks of this section."""
    for setup in _HIERARCHICAL[: 1 if plan.quick else None]:
        target, fitted = plan.target(*_MOST_SECONDS[setup.size]), plan.fitted(setup)
        yield Task(SECTION, f"{fitted}: JAX", functools.partial(_alone, plan, fitted, target), 0, target)
    for recipe, rate in _rates_of(plan).items():
        yield Task(SECTION, _best(recipe), functools.partial(_rates, plan, Setup(recipe=recipe), rate), 1, rate)
    sizes = ((64, 16), (64, 1)) if plan.on_gpu else ((16, 1), (16, 16), (64, 1), (64, 16))
    for dataset, (ngf, batch) in list(itertools.product(TITLES, sizes))[: 1 if plan.quick else None]:
        setup, faster = plan.fitted(Setup(dataset, batch, ngf=ngf)), plan.target(None, _TIMES_ON_CPU)
        measure = functools.partial(_against_torch, plan, setup, plan.target(_SECONDS_ON_GPU.get(setup.batch)), faster)
        yield Task(SECTION, str(setup), measure, 1 if dataset == "celebamask_hq" else 2, faster)


def _alone(plan: Plan, setup: Setup, target: Target | None) -> Iterator[Row]:
    times = timed({"": lambda: generate_work(setup)}, plan.repeats)
    reason, conditions = "" if times else "out of memory", {**dataclasses.asdict(setup), "framework": "JAX"}
    yield Row(SECTION, f"{setup}: JAX", "s", times.get("", ()), target, reason, conditions=conditions)


def _against_torch(plan: Plan, setup: Setup, seconds: Target | None, faster: Target | None) -> Iterator[Row]:
    def theirs(device: str) -> Work:
        from benchmarks import torch_work

        return torch_work.generate_work(setup, device)

    yield from compared_with_torch(plan, SECTION, setup, lambda: generate_work(setup), theirs, seconds, faster)


def _rates_of(plan: Plan) -> dict[str, Target]:
    """Targets of the rates to measure, by recipe. A CPU is busy with a few maps already."""
    if plan.quick:
        return {"paper": _RATES["paper"]}
    return _RATES if plan.on_gpu else {}


def _best(recipe: str) -> str:
    return f"{recipe} recipe, 128 px: maps per second at the best batch size"


def _rates(plan: Plan, start: Setup, target: Target) -> Iterator[Row]:
    """Maps per second at several batch sizes. The target applies to the best one."""
    measured = []
    for dtype, batch in list(itertools.product(("bfloat16", "float32"), _BATCHES))[: 1 if plan.quick else None]:
        measured.append(_rate(plan, plan.fitted(start.changed(batch=batch, dtype=dtype))))
        yield measured[-1]
    fastest = max(measured, key=lambda row: (bool(row.values), row.median))
    yield dataclasses.replace(fastest, name=_best(start.recipe), target=target, note=fastest.name)


def _rate(plan: Plan, setup: Setup) -> Row:
    row = Row(SECTION, f"{setup}: rate", "maps/s", conditions=dataclasses.asdict(setup))
    times = timed({"": lambda: generate_work(setup)}, plan.repeats)
    if not times:
        return dataclasses.replace(row, reason="out of memory")
    return dataclasses.replace(row, values=tuple(setup.batch / s for s in times[""]))
