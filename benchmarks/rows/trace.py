"""Where the time of a training step goes: a trace by JAX's profiler, summed by kind of operation."""

import collections
import functools
import heapq
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import jax
from jax.profiler import ProfileData

from benchmarks.measure import Row
from benchmarks.plan import Plan, Task
from benchmarks.workload import Setup, traced_step, train_work

SECTION = "trace"
_SETUPS = {"paper": Setup(dtype="bfloat16"), "hierarchical": Setup(recipe="full")}
# The first kind that matches the operation's name in the program, its place in the source and the name of its kernel.
_KINDS = {
    "convolutions": r"conv_general_dilated|convolution|cudnn",
    "scans": r"/while/",
    "norms": r"norm(?!al)",
    "matrix products": r"dot_general|gemm|cublas|\bdot\b",
    "random numbers": r"threefry|random|erf_inv",
    "copies and reordering": r"copy|memcpy|memset|transpose|concatenate|gather|scatter|slice|\bpad\b|broadcast",
    "sums": r"reduce|cumsum|argmax",
    "other": "",
}
_CONTAINERS = ("while", "call", "conditional")  # the operations within them are events of their own
_INSTRUCTION = re.compile(r'^\s*(?:ROOT )?%?([\w.-]+) = .*? ([\w-]+)\(.*?(?:op_name="([^"]*)"|$)', re.MULTILINE)
_NAMED = 3  # operations in a note


class Operation(NamedTuple):
    """An instruction of a compiled program: what it does, and which place of the source it comes from."""

    opcode: str
    source: str


def tasks(plan: Plan) -> Iterator[Task]:
    """Yields the tasks of this section."""
    for name, setup in list(_SETUPS.items())[: 1 if plan.quick else None]:
        fitted = plan.fitted(setup)
        measure = functools.partial(_rows, fitted, plan.directory / "trace" / name)
        yield Task(SECTION, str(fitted), measure, worth=0 if name == "paper" else 1)


def _rows(setup: Setup, directory: Path) -> Iterator[Row]:
    compiled = traced_step(setup).lower().compile()
    work = train_work(setup, compiled)
    work(2)
    with jax.profiler.trace(directory):
        begin = time.perf_counter()
        work(1)
        whole = time.perf_counter() - begin
    program = operations(compiled.as_text() or "")
    times = by_kind(max(directory.rglob("*.xplane.pb"), key=lambda path: path.stat().st_mtime), program)
    total = sum(sum(found.values()) for found in times.values())
    note = f"{total * 1e3:.3g} ms in operations, all threads together; trace in {directory}"
    yield Row(SECTION, f"{setup}: one step", "ms", (whole * 1e3,), note=note)
    for kind, found in sorted(times.items(), key=lambda item: -sum(item[1].values())):
        seconds = sum(found.values())
        longest = ", ".join(
            f"{name} {1e3 * found[name]:.3g}" for name in heapq.nlargest(_NAMED, found, key=found.__getitem__)
        )
        note = f"{100 * seconds / total:.0f} %; {len(found)} operations, the longest: {longest}"
        yield Row(SECTION, f"{setup}: {kind}", "ms", (seconds * 1e3,), note=note)


def operations(text: str) -> dict[str, Operation]:
    """The instructions of a compiled program by name."""
    return {name: Operation(opcode, source) for name, opcode, source in _INSTRUCTION.findall(text)}


def by_kind(path: Path, program: Mapping[str, Operation]) -> dict[str, dict[str, float]]:
    """Seconds of each operation in a trace, by kind.

    Args:
      path: of the `.xplane.pb` file of the profiler.
      program: the instructions of the compiled program.
    """
    times: dict[str, dict[str, float]] = collections.defaultdict(lambda: collections.defaultdict(float))
    for name, kernel, seconds in _events(ProfileData.from_file(str(path))):
        operation = program.get(name, Operation("", ""))
        if operation.opcode not in _CONTAINERS:
            times[kind_of(name, operation, kernel)][name] += seconds
    return dict(times)


def kind_of(name: str, operation: Operation, kernel: str) -> str:
    """The kind of an operation; of unknown ones by the name of their kernel."""
    text = f"{name} {operation.opcode} {operation.source} {kernel}".lower()
    return next(kind for kind, pattern in _KINDS.items() if re.search(pattern, text))


def _events(profile: ProfileData) -> Iterator[tuple[str, str, float]]:
    """Name of the operation, name of its kernel, and seconds, of everything that a GPU or the CPU's threads ran."""
    planes = list(profile.planes)
    on_gpu = [plane for plane in planes if plane.name.startswith("/device:GPU")]
    for plane in on_gpu or planes:
        for line in plane.lines:
            if on_gpu and not line.name.startswith("Stream"):
                continue  # summaries of the same events
            for event in line.events:
                name = dict(event.stats).get("hlo_op")
                if on_gpu or (name is not None and not event.name.startswith("end: ")):
                    yield str(name or event.name), event.name, event.duration_ns / 1e9
