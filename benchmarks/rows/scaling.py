"""Seconds per training step against batch size, number of classes and image size, for the picture."""

import dataclasses
from collections.abc import Iterator

from benchmarks.measure import Row, time_in_turn
from benchmarks.plan import Plan
from benchmarks.workload import Setup, train_work

SECTION = "scaling"
_SWEEPS = {"batch": (1, 4, 8, 16), "classes": (3, 6, 12, 18), "size": (32, 64, 128)}


def rows(plan: Plan) -> Iterator[Row]:
    """Yields the rows of this section."""
    start = plan.fitted(Setup(ngf=64 if plan.on_gpu else 16))
    for quantity, values in ({"batch": (2,)} if plan.quick else _SWEEPS).items():
        for value in values:
            setup = start.changed(**{quantity: value})
            seconds = time_in_turn({"": train_work(setup)}, plan.repeats)[""]
            conditions = {**dataclasses.asdict(setup), "classes": setup.steps, "against": quantity}
            yield Row(SECTION, f"ngf {setup.ngf}, {quantity} {value}: step", "s", seconds, conditions=conditions)
