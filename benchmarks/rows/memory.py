"""Peak memory of a training step, and its growth with the batch size and the number of classes."""

import dataclasses
import functools
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax

from benchmarks.child import ChildKilled, call_in_child
from benchmarks.measure import Row, Target, at_most
from benchmarks.plan import Plan, Task
from benchmarks.workload import Setup, traced_step, train_work

SECTION = "memory"
_PEAK = at_most(6)  # GiB, of the paper's model on a CPU at batch 16 and 128 px
_GROWTH = at_most(1.1)  # 1 means linear growth
_EQUALLY_SPACED = {"batch": (4, 10, 16), "classes": (6, 12, 18)}
_GIB = 2**30


def tasks(plan: Plan) -> Iterator[Task]:
    """Yields the tasks of this section."""
    setup = plan.fitted(Setup())
    wholes = [setup] if plan.quick else [setup.changed(recipe="full"), setup]
    parts = [setup.changed(accumulate=parts) for parts in ((2,) if plan.quick else (2, 4))]
    for whole in (*wholes, *parts):
        target = plan.target(None, _PEAK) if whole.recipe == "paper" else None
        measure = functools.partial(_of_step, whole, target)
        yield Task(SECTION, str(whole), measure, 1 if whole in wholes else 2, target)
    for quantity, sizes in () if plan.quick else _EQUALLY_SPACED.items():
        setups = [setup.changed(**{quantity: size}) for size in sizes]
        yield Task(SECTION, f"growth with {quantity}", functools.partial(_growths, quantity, setups), 2, _GROWTH)


def _of_step(setup: Setup, target: Target | None) -> Iterator[Row]:
    yield _peak(setup, target)
    yield Row(SECTION, f"{setup}: planned by the compiler", "GiB", (planned_bytes(setup) / _GIB,), target)


def _growths(quantity: str, setups: list[Setup]) -> Iterator[Row]:
    yield growth(quantity, setups)


def _peak(setup: Setup, target: Target | None) -> Row:
    row = Row(SECTION, f"{setup}: peak of the process", "GiB", target=target)
    if sys.platform != "linux":
        return dataclasses.replace(row, reason="needs Linux: the peak is read from /proc")
    try:
        measured = call_in_child("benchmarks.rows.memory:train_twice", {"setup": dataclasses.asdict(setup)})
    except ChildKilled as error:
        return dataclasses.replace(row, reason=str(error))
    device = measured["device"]
    value, what = (measured["process"], "resident") if device is None else (device, "on the device")
    note = f"{what}; {measured['idle'] / _GIB:.2f} GiB of it before the step" if device is None else what
    return dataclasses.replace(
        row, values=(value / _GIB,), note=f"{note}; the second step took {measured['seconds']:.1f} s"
    )


def growth(quantity: str, setups: list[Setup]) -> Row:
    """Memory growth over the second half of three equally spaced sizes, divided by that over the first half.

    The ratio is 1 if memory is linear in the size.
    """
    sizes = [planned_bytes(setup) for setup in setups]
    values = [getattr(setup, quantity) for setup in setups]
    note = ", ".join(f"{value}: {size / _GIB:.2f} GiB" for value, size in zip(values, sizes, strict=True))
    ratio = (sizes[2] - sizes[1]) / max(sizes[1] - sizes[0], 1)
    return Row(SECTION, f"growth with {quantity}, second half / first", "x", (ratio,), _GROWTH, note=note)


def planned_bytes(setup: Setup) -> int:
    """Bytes that the compiled step needs according to the compiler: arguments, results and temporaries together."""
    plan = traced_step(setup).lower().compile().memory_analysis()
    assert plan is not None
    held = plan.argument_size_in_bytes + plan.output_size_in_bytes - plan.alias_size_in_bytes
    return held + plan.temp_size_in_bytes


def train_twice(setup: dict[str, Any]) -> dict[str, float | None]:
    """Peak memory of two training steps in bytes, and seconds of the second one. Runs in a separate process."""
    jax.block_until_ready(jax.device_put(0))
    idle = _peak_resident()
    work = train_work(Setup(**setup))
    work(1)
    start = time.perf_counter()
    work(1)
    seconds = time.perf_counter() - start
    statistics = jax.devices()[0].memory_stats() or {}
    return {
        "process": _peak_resident(), "idle": idle, "device": statistics.get("peak_bytes_in_use"), "seconds": seconds,
    }  # fmt: skip


def _peak_resident() -> int:
    """Bytes. Read from /proc, because `getrusage` also counts the memory of the parent process."""
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) * 1024
