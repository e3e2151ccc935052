"""Whether a device computes what it should: golden values, and the losses of training against a CPU's."""

import dataclasses
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.child import call_in_child
from benchmarks.measure import Row, at_most
from benchmarks.plan import Plan, Task
from benchmarks.workload import Setup, train_work
from segvae_jax.interop.verify import verify_own

SECTION = "sanity"
GOLDEN = Path(__file__).parents[2] / "tests" / "golden" / "humanparsing_small.npz"
_WITHIN = at_most(1)  # of the tolerance
_CURVE = Setup(size=32, batch=4, recipe="small")
_STEPS, _LAST = 200, 50


def tasks(plan: Plan) -> Iterator[Task]:
    """Yields the tasks of this section."""
    for precision in ("highest",) if plan.quick else ("highest", "default"):
        name = f"golden values, matrix products in {precision} precision"
        yield Task(SECTION, name, functools.partial(_golden, name, precision), int(precision == "default"), _WITHIN)
    curve = plan.fitted(_CURVE.changed(recipe="paper") if plan.quick else _CURVE)
    yield Task(SECTION, f"{curve}: losses", functools.partial(_curve, plan, curve), 0)


def _golden(name: str, precision: str) -> Iterator[Row]:
    """The largest difference of each group of golden values, as a part of its tolerance."""
    if not GOLDEN.exists():
        yield Row(SECTION, name, "", reason=f"{GOLDEN} is missing: run this in a checkout of the project")
        return
    report = verify_own(GOLDEN, precision)
    parts: dict[str, list[float]] = {}
    for key, entry in report.items():
        parts.setdefault(key.partition("/")[0], []).append(entry["difference"] / entry["tolerance"])
    for group, found in parts.items():
        note = f"largest difference over tolerance, of {len(found)} quantities; 'default' is TF32 on recent GPUs"
        target = _WITHIN if precision == "highest" else None
        yield Row(SECTION, f"{name}: {group}", "", (max(found),), target, note=note)


def _curve(plan: Plan, setup: Setup) -> Iterator[Row]:
    """Relative differences of the losses from those of the CPU of this machine; how large they may be is not known."""
    steps = 8 if plan.quick else _STEPS
    ours = losses(dataclasses.asdict(setup), steps)
    arguments = {"setup": dataclasses.asdict(setup), "steps": steps}
    theirs = call_in_child("benchmarks.rows.sanity:losses", arguments, {"JAX_PLATFORMS": "cpu"})
    note = f"{steps} steps from the same weights, on the device and on the CPU of this machine"
    for title, part in (("first", slice(1)), (f"mean of last {_LAST}", slice(-_LAST, None))):
        one, other = np.mean(ours[part]), np.mean(theirs[part])
        apart = (float(abs(one / other - 1)),)
        yield Row(SECTION, f"{setup}: losses, {title}", "", apart, note=f"{note}: {one:.6g} and {other:.6g}")


def losses(setup: dict[str, Any], steps: int) -> list[float]:
    """The losses of the first training steps. Runs also in a separate process."""
    found: list[float] = []
    train_work(Setup(**setup), each=lambda metrics: found.append(float(metrics["total"])))(steps)
    return found
