"""Memory of a training step: at its peak, and how it grows with batch and classes."""

import dataclasses
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax

from benchmarks.child import ChildKilled, call_in_child
from benchmarks.measure import Row, at_most
from benchmarks.plan import Plan
from benchmarks.workload import Setup, lowered_step, train_work

SECTION = "memory"
_PEAK = at_most(6)  # GiB, batch 16 at 128 px
_GROWTH = at_most(1.1)  # 1 if linear
_SPACED = {"batch": (4, 10, 16), "classes": (6, 12, 18)}
_GIB = 2**30


def rows(plan: Plan) -> Iterator[Row]:
    """The section's rows."""
    setup = plan.fitted(Setup())
    for parts in (1, 2) if plan.quick else (1, 2, 4):
        whole = setup.changed(accumulate=parts)
        yield _peak(whole)
        yield Row(SECTION, f"{whole}: planned by the compiler", "GiB", (planned_bytes(whole) / _GIB,), _PEAK)
    for quantity, sizes in () if plan.quick else _SPACED.items():
        yield growth(quantity, [setup.changed(**{quantity: size}) for size in sizes])


def _peak(setup: Setup) -> Row:
    row = Row(SECTION, f"{setup}: peak of the process", "GiB", target=_PEAK)
    if sys.platform != "linux":
        return dataclasses.replace(row, reason="read from Linux's /proc")
    try:
        measured = call_in_child("benchmarks.rows.memory:train_twice", {"setup": dataclasses.asdict(setup)})
    except ChildKilled as error:
        return dataclasses.replace(row, reason=str(error))
    device = measured["device"]
    value, what = (measured["process"], "resident") if device is None else (device, "on the device")
    note = f"{what}; {measured['idle'] / _GIB:.2f} GiB of the process before the step" if device is None else what
    return dataclasses.replace(
        row, values=(value / _GIB,), note=f"{note}; the second step took {measured['seconds']:.1f} s"
    )


def growth(quantity: str, setups: list[Setup]) -> Row:
    """Growth over the second half of equally spaced sizes against the first: 1 if memory is linear in them."""
    sizes = [planned_bytes(setup) for setup in setups]
    values = [getattr(setup, quantity) for setup in setups]
    note = ", ".join(f"{value}: {size / _GIB:.2f} GiB" for value, size in zip(values, sizes, strict=True))
    ratio = (sizes[2] - sizes[1]) / max(sizes[1] - sizes[0], 1)
    return Row(SECTION, f"growth with {quantity}, second half / first", "x", (ratio,), _GROWTH, note=note)


def planned_bytes(setup: Setup) -> int:
    """What the compiled step needs by the compiler's account: arguments, results and temporaries at once."""
    plan = lowered_step(setup).compile().memory_analysis()
    assert plan is not None
    held = plan.argument_size_in_bytes + plan.output_size_in_bytes - plan.alias_size_in_bytes
    return held + plan.temp_size_in_bytes


def train_twice(setup: dict[str, Any]) -> dict[str, float | None]:
    """Bytes at their peak over two training steps, and seconds of the second; called in a process of its own."""
    jax.block_until_ready(jax.device_put(0))
    idle = _resident()
    work = train_work(Setup(**setup))
    work(1)
    start = time.perf_counter()
    work(1)
    seconds = time.perf_counter() - start
    statistics = jax.devices()[0].memory_stats() or {}
    return {
        "process": _resident(), "idle": idle, "device": statistics.get("peak_bytes_in_use"), "seconds": seconds,
    }  # fmt: skip


def _resident() -> int:
    """Peak so far; `getrusage` would count what the process that started this one had resident."""
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) * 1024
