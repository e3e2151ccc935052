"""The training step on several virtual CPU devices: collectives, time, and whether the losses stay equal."""

import collections
import dataclasses
import os
import re
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh

from benchmarks.child import call_in_child
from benchmarks.measure import Row, at_most, time_in_turn
from benchmarks.plan import Plan, Task
from benchmarks.workload import SEED, Setup, initial_state, packed_maps, traced_step

SECTION = "devices"
_MAX_RELATIVE_DIFFERENCE = at_most(1e-5)  # of the losses
_REDUCES = at_most(2)
_COMPARED_STEPS = 3
_COLLECTIVE = re.compile(
    r" (all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute|collective-broadcast)(?:-start)?\("
)


def tasks(plan: Plan) -> Iterator[Task]:
    """Yields the tasks of this section."""
    yield Task(SECTION, "training step on virtual devices", lambda: _rows(plan), worth=2)


def _rows(plan: Plan) -> Iterator[Row]:
    counts = (1, 2) if plan.quick else (1, 2, 4, 8)
    setup = plan.fitted(Setup(ngf=16)).changed(batch=max(counts))
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={max(counts)}"
    arguments = {"setup": dataclasses.asdict(setup), "counts": counts, "repeats": 1 if plan.quick else 3}
    environment = {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    measured = call_in_child("benchmarks.rows.devices:train_on", arguments, environment)
    for found in measured:
        yield from _rows_of(found, measured[0], setup)


def _rows_of(found: dict[str, Any], one: dict[str, Any], setup: Setup) -> Iterator[Row]:
    collectives = dict(found["collectives"])
    conditions = {**dataclasses.asdict(setup), "devices": found["devices"]}
    title = f"{found['devices']} virtual device{'s' if found['devices'] > 1 else ''}"
    reduces = collectives.pop("all-reduce", 0)
    yield Row(SECTION, f"{title}: all-reduces per step", "", (reduces,), _REDUCES, conditions=conditions)
    note = ", ".join(f"{count} {name}" for name, count in collectives.items())
    yield Row(
        SECTION,
        f"{title}: other collectives per step",
        "",
        (sum(collectives.values()),),
        note=note,
        conditions=conditions,
    )
    note = "the devices share this machine's cores"
    yield Row(SECTION, f"{title}: step", "s", tuple(found["seconds"]), note=note, conditions=conditions)
    if found["devices"] > 1:
        # Adam ignores the scale of its gradients, so equal losses alone would not reveal a wrong average.
        for quantity, target in (("losses", _MAX_RELATIVE_DIFFERENCE), ("gradient norms", None)):
            apart = np.abs(np.divide(found[quantity], one[quantity]) - 1).max()
            yield Row(
                SECTION,
                f"{title}: {quantity}, relative difference to 1 device",
                "",
                (float(apart),),
                target,
                conditions=conditions,
            )


def train_on(setup: dict[str, Any], counts: list[int], repeats: int) -> list[dict[str, Any]]:
    """Trains on each of the given numbers of devices. Runs in a separate process that has enough of them."""
    problem = Setup(**setup)
    return [_train(problem, count, repeats) for count in counts]


def _train(setup: Setup, count: int, repeats: int) -> dict[str, Any]:
    mesh = Mesh(np.array(jax.devices()[:count]), ("data",), axis_types=(AxisType.Auto,))
    step = traced_step(setup, mesh).lower().compile()
    state, packed = jax.device_put(initial_state(setup), step.input_shardings[0][0]), packed_maps(setup)
    losses, norms = [], []

    def work(calls: int) -> None:
        nonlocal state
        for _ in range(calls):
            state, metrics = step(state, packed, SEED)
            losses.append(float(metrics["total"]))
            norms.append(float(metrics["gradient_norm"]))

    work(_COMPARED_STEPS)
    first, hlo = {"losses": losses[:_COMPARED_STEPS], "gradient norms": norms[:_COMPARED_STEPS]}, step.as_text()
    assert hlo is not None
    seconds = time_in_turn({"": work}, repeats)[""]
    return {"devices": count, **first, "seconds": seconds, "collectives": count_collectives(hlo)}


def count_collectives(hlo: str) -> dict[str, int]:
    """How often each kind of collective occurs in a compiled program."""
    return dict(collections.Counter(_COLLECTIVE.findall(hlo)))
