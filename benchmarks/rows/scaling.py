"""Seconds per training step against batch size, number of classes and image size, for the picture."""

import dataclasses
import functools
from collections.abc import Iterator

from benchmarks.measure import Row, time_in_turn
from benchmarks.plan import Plan, Task
from benchmarks.workload import Setup, train_work

SECTION = "scaling"
_SWEEPS = {"batch": (1, 4, 8, 16), "classes": (3, 6, 12, 18), "size": (32, 64, 128)}


def tasks(plan: Plan) -> Iterator[Task]:
    """Yields the tasks of this section."""
    start = plan.fitted(Setup(ngf=64 if plan.on_gpu else 16))
    for quantity, values in ({"batch": (2,)} if plan.quick else _SWEEPS).items():
        for value in values:
            name = f"ngf {start.ngf}, {quantity} {value}: step"
            measure = functools.partial(_row, plan, start.changed(**{quantity: value}), quantity, name)
            yield Task(SECTION, name, measure, worth=2)


def _row(plan: Plan, setup: Setup, quantity: str, name: str) -> list[Row]:
    seconds = time_in_turn({"": train_work(setup)}, plan.repeats)[""]
    conditions = {**dataclasses.asdict(setup), "classes": setup.steps, "against": quantity}
    return [Row(SECTION, name, "s", seconds, conditions=conditions)]
