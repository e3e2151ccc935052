"""Seconds per training step and utilisation; of the paper's model compared with PyTorch."""

import dataclasses
import functools
from collections.abc import Iterator

from benchmarks.machine import facts
from benchmarks.measure import Row, Target, Work, at_least, at_most
from benchmarks.plan import Plan, Task, compared_with_torch, timed
from benchmarks.workload import Setup, traced_step, train_work
from segvae_jax.configs import default
from segvae_jax.training.cost import measured_peak
from segvae_jax.training.operations import count_operations

SECTION = "training"
_HIERARCHICAL = (Setup(size=64, recipe="small"), Setup(recipe="full"))
_MOST_SECONDS = {64: at_most(0.02), 128: at_most(0.06)}  # of their steps, on a GPU
_TIMES_ON_CPU = {"celebamask_hq": at_least(1.5), "humanparsing": at_least(2.5)}
_CPU_SIZES = ((16, 4), (16, 16), (64, 4), (64, 16))  # ngf, batch
_GPU_SIZES = (("bfloat16", 16), ("bfloat16", 128), ("float32", 16), ("float32", 128))
_STEP_ON_GPU, _TIMES_ON_GPU = at_most(0.008), at_least(60)  # seconds, times faster; in bfloat16 at batch 16
_UTILISATION = at_least(30)  # percent of the measured peak, in bfloat16 at batch 128
_MIN_CORES_FOR_LARGE = 8


def tasks(plan: Plan) -> Iterator[Task]:
    """Yields the tasks of this section."""
    for setup in _HIERARCHICAL[: 1 if plan.quick else None]:
        target, fitted = plan.target(_MOST_SECONDS[setup.size]), plan.fitted(setup)
        yield Task(SECTION, f"{fitted}: JAX", functools.partial(_alone, plan, fitted, target), 0, target)
    yield from _gpu_tasks(plan) if plan.on_gpu or plan.quick else _cpu_tasks(plan)


def _cpu_tasks(plan: Plan) -> Iterator[Task]:
    for ngf, batch in _CPU_SIZES:
        for dataset, target in _TIMES_ON_CPU.items():
            setup = Setup(dataset, batch, ngf=ngf)
            if ngf * batch >= 1024 and int(facts()["cores"]) < _MIN_CORES_FOR_LARGE:
                reason = f"takes half a minute per step: only measured with {_MIN_CORES_FOR_LARGE} or more cores"
                missing = Row(SECTION, f"{setup}: faster", "x", target=target, reason=reason)
                yield Task(SECTION, str(setup), functools.partial(iter, [missing]), 1, target)
            else:
                measure = functools.partial(_against_torch, plan, plan.fitted(setup), None, target)
                yield Task(SECTION, str(setup), measure, 0 if (ngf, batch) == _CPU_SIZES[0] else 1, target)


def _gpu_tasks(plan: Plan) -> Iterator[Task]:
    for number, (dtype, batch) in enumerate(_GPU_SIZES[: 1 if plan.quick else None]):
        setup, first = plan.fitted(Setup(batch=batch, dtype=dtype)), (dtype, batch) == ("bfloat16", 16)
        targets = (_STEP_ON_GPU, _TIMES_ON_GPU) if first else (None, None)
        yield Task(SECTION, str(setup), functools.partial(_on_gpu, plan, setup, *targets), min(number, 2), targets[0])


def _on_gpu(plan: Plan, setup: Setup, step: Target | None, faster: Target | None) -> Iterator[Row]:
    rows = _against_torch(plan, setup, step, faster)
    ours = next(rows)
    yield ours
    yield _utilisation(setup, ours, _UTILISATION if setup.batch == 128 and setup.dtype == "bfloat16" else None)
    yield from rows


def _alone(plan: Plan, setup: Setup, target: Target | None) -> Iterator[Row]:
    """The step of a model that PyTorch has not, its utilisation, and what the steps of its recipe take."""
    times = timed({"": lambda: train_work(setup)}, plan.repeats)
    row = Row(SECTION, f"{setup}: JAX", "s", times.get("", ()), target, "" if times else "out of memory")
    steps = default.get_config().num_steps
    note = f"{steps:,} steps take {steps * row.median / 60:,.0f} minutes" if times and setup.recipe == "full" else ""
    row = dataclasses.replace(row, note=note, conditions={**dataclasses.asdict(setup), "framework": "JAX"})
    yield row
    yield _utilisation(setup, row, None)


def _against_torch(plan: Plan, setup: Setup, step: Target | None, faster: Target | None) -> Iterator[Row]:
    def theirs(device: str) -> Work:
        from benchmarks import torch_work

        return torch_work.train_work(setup, device)

    yield from compared_with_torch(plan, SECTION, setup, lambda: train_work(setup), theirs, step, faster)


def _utilisation(setup: Setup, step: Row, target: Target | None) -> Row:
    """Percent of the measured peak that the arithmetic of the step reaches."""
    row = Row(SECTION, f"{setup}: utilisation", "%", target=target)
    if step.reason:
        return dataclasses.replace(row, reason=step.reason)
    flops, peak = count_operations(traced_step(setup).jaxpr), measured_peak(setup.dtype)
    note = (
        f"{flops / setup.batch / 1e9:.3g} GFLOP per map, counted in the program; "
        f"matrix products reach {peak / 1e9:,.0f} GFLOP/s"
    )
    return dataclasses.replace(row, values=tuple(100 * flops / s / peak for s in step.values), note=note)
