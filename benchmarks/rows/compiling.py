"""Seconds to compile the training step in a new process, with an empty and with a filled compilation cache."""

import dataclasses
import functools
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.child import call_in_child
from benchmarks.measure import Row, Target, at_most
from benchmarks.plan import Plan, Task
from benchmarks.workload import Setup, traced_step

SECTION = "compile"
_COLD, _WARM = at_most(15), at_most(3)  # of the paper's model on a CPU
_REPEATS = 3


def tasks(plan: Plan) -> Iterator[Task]:
    """Yields the tasks of this section."""
    for recipe in ("paper",) if plan.quick else ("full", "paper"):
        setup = plan.fitted(Setup(recipe=recipe))
        cold, warm = (plan.target(None, target) if recipe == "paper" else None for target in (_COLD, _WARM))
        measure = functools.partial(_rows, 1 if plan.quick else _REPEATS, setup, cold, warm)
        yield Task(SECTION, str(setup), measure, target=cold)


def _rows(repeats: int, setup: Setup, cold: Target | None, warm: Target | None) -> Iterator[Row]:
    times: tuple[list[dict[str, float]], ...] = [], []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as cache:
            for found in times:
                found.append(_in_child(setup, cache))
    for name, target, found in zip(("cold", "with the compilation cache"), (cold, warm), times, strict=True):
        note = f"tracing and lowering take {min(t['lower'] for t in found):.2f} s of it"
        seconds = tuple(t["lower"] + t["compile"] for t in found)
        yield Row(SECTION, f"{setup}: {name}", "s", seconds, target, note=note)


def _in_child(setup: Setup, cache: str) -> dict[str, float]:
    environment = {
        "JAX_COMPILATION_CACHE_DIR": cache,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    function = "benchmarks.rows.compiling:compile_once"
    return call_in_child(function, {"setup": dataclasses.asdict(setup)}, environment)


def compile_once(setup: dict[str, Any]) -> dict[str, float]:
    """Seconds to lower and to compile a training step. Runs in a separate process."""
    start = time.perf_counter()
    lowered = traced_step(Setup(**setup)).lower()
    middle = time.perf_counter()
    lowered.compile()
    return {"lower": middle - start, "compile": time.perf_counter() - middle}
