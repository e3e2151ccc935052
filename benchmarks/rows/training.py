"""Seconds per training step, compared with PyTorch, and on a GPU its utilisation."""

import dataclasses
import itertools
import statistics
from collections.abc import Iterator

import jax
import jax.numpy as jnp

from benchmarks.machine import facts
from benchmarks.measure import Row, Target, Work, at_least, time_in_turn
from benchmarks.plan import Plan, compared_with_torch
from benchmarks.workload import Setup, lowered_step, train_work

SECTION = "training"
_ON_CPU = {"celebamask_hq": at_least(1.5), "humanparsing": at_least(2.5)}
_CPU_SIZES = ((16, 4), (16, 16), (64, 4), (64, 16))  # ngf, batch
_ON_GPU = at_least(20)  # times faster, at batch 16
_UTILISATION = at_least(40)  # percent of the measured peak, in bfloat16 at batch 128
_MATMUL = 8192
_MIN_CORES_FOR_LARGE = 8


def rows(plan: Plan) -> Iterator[Row]:
    """Yields the rows of this section."""
    yield from _gpu_rows(plan) if plan.on_gpu else _cpu_rows(plan)


def _cpu_rows(plan: Plan) -> Iterator[Row]:
    problems = list(itertools.product(_ON_CPU.items(), _CPU_SIZES))
    for (dataset, target), (ngf, batch) in problems[: 1 if plan.quick else None]:
        setup = Setup(dataset, batch, ngf=ngf)
        if ngf * batch >= 1024 and int(facts()["cores"]) < _MIN_CORES_FOR_LARGE:
            reason = f"takes half a minute per step: only measured with {_MIN_CORES_FOR_LARGE} or more cores"
            yield Row(SECTION, f"{setup}: faster", "x", target=target, reason=reason)
        else:
            yield from _against_torch(plan, plan.fitted(setup), target)
    for dtype in ("float32", "bfloat16"):
        reason = "no GPU: JAX runs on the CPU"
        yield Row(SECTION, f"{Setup(dtype=dtype)}, {dtype}, GPU: faster", "x", target=_ON_GPU, reason=reason)
    name = f"{Setup(batch=128)}, bfloat16, GPU: utilisation"
    yield Row(SECTION, name, "%", target=_UTILISATION, reason="no GPU: JAX runs on the CPU")


def _gpu_rows(plan: Plan) -> Iterator[Row]:
    for batch, dtype in itertools.product((16, 128), ("float32", "bfloat16")):
        setup = plan.fitted(Setup(batch=batch, dtype=dtype))
        measured = list(_against_torch(plan, setup, _ON_GPU if batch == 16 else None))
        yield from measured
        yield _utilisation(plan, setup, measured[0], _UTILISATION if (batch, dtype) == (128, "bfloat16") else None)


def _against_torch(plan: Plan, setup: Setup, target: Target | None) -> Iterator[Row]:
    def theirs(device: str) -> Work:
        from benchmarks import torch_work

        return torch_work.train_work(setup, device)

    yield from compared_with_torch(plan, SECTION, setup, lambda: train_work(setup), theirs, target)


def _utilisation(plan: Plan, setup: Setup, step: Row, target: Target | None) -> Row:
    """Percent of the measured peak that the arithmetic of the step reaches."""
    row = Row(SECTION, f"{setup}, {setup.dtype}: utilisation", "%", target=target)
    if step.reason:
        return dataclasses.replace(row, reason=step.reason)
    flops, peak = counted_flops(setup), measured_peak(plan, setup.dtype)
    note = (
        f"{flops / setup.batch / 1e9:.0f} GFLOP per map, counted in the program; "
        f"peak {peak / 1e12:.0f} TFLOP/s, measured in a product of two {_MATMUL} x {_MATMUL} matrices"
    )
    return dataclasses.replace(row, values=tuple(100 * flops / s / peak for s in step.values), note=note)


def counted_flops(setup: Setup) -> float:
    """Floating-point operations of a training step, counted before compilation because library calls hide theirs."""
    analysis = lowered_step(setup).cost_analysis()
    assert analysis is not None
    return float(analysis["flops"])


def measured_peak(plan: Plan, dtype: str) -> float:
    """Floating-point operations per second of a large matrix product."""
    side = 64 if plan.quick else _MATMUL
    matrix = jax.random.normal(jax.random.key(0), (side, side), jnp.dtype(dtype))
    product = jax.jit(jnp.matmul)

    def work(calls: int) -> None:
        for _ in range(calls):
            result = product(matrix, matrix)
        result.block_until_ready()

    return 2 * side**3 / statistics.median(time_in_turn({"": work}, plan.repeats)[""])
