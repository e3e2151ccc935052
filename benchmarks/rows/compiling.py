"""Seconds to compile the training step in a new process, with an empty and with a filled compilation cache."""

import dataclasses
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.child import call_in_child
from benchmarks.measure import Row, at_most
from benchmarks.plan import Plan
from benchmarks.workload import Setup, lowered_step

SECTION = "compile"
_COLD, _WARM = at_most(15), at_most(3)
_REPEATS = 3


def rows(plan: Plan) -> Iterator[Row]:
    """Yields the rows of this section."""
    setup = plan.fitted(Setup())
    cold, warm = [], []
    for _ in range(1 if plan.quick else _REPEATS):
        with tempfile.TemporaryDirectory() as cache:
            cold.append(_in_child(setup, cache))
            warm.append(_in_child(setup, cache))
    for name, target, times in (("cold", _COLD, cold), ("with the compilation cache", _WARM, warm)):
        note = f"tracing and lowering take {min(t['lower'] for t in times):.2f} s of it"
        seconds = tuple(t["lower"] + t["compile"] for t in times)
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
    lowered = lowered_step(Setup(**setup))
    middle = time.perf_counter()
    lowered.compile()
    return {"lower": middle - start, "compile": time.perf_counter() - middle}
