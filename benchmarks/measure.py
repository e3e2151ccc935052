"""The rows of the tables, their targets, and the timing of work."""

import dataclasses
import math
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

Work = Callable[[int], object]  # takes the number of calls, and returns when the last call has finished

_MIN_SECONDS_PER_TIMING = 0.2
_MAX_CALLS_PER_TIMING = 200


@dataclasses.dataclass(frozen=True)
class Target:
    """A limit for a measured value.

    Attributes:
      value: the limit.
      at_least: whether it is a lower limit; otherwise it is an upper one.
    """

    value: float
    at_least: bool

    def met(self, value: float) -> bool:
        """Whether a measured value is within the limit."""
        return value >= self.value if self.at_least else value <= self.value

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {self.value:,g}"


def at_least(value: float) -> Target:
    """A lower limit."""
    return Target(value, at_least=True)


def at_most(value: float) -> Target:
    """An upper limit."""
    return Target(value, at_least=False)


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of a table: a measured quantity, or the reason why it was not measured.

    Attributes:
      section: the section that the row belongs to.
      name: the name of the quantity, unique within its section.
      unit: the unit of the values; "" for a plain number.
      values: one value per repetition; empty if not measured.
      target: the limit that the project has set, if any.
      reason: why there are no values.
      note: further information for the reader.
      conditions: what was measured, for plots and comparisons, e.g. batch size, image size, number of classes.
    """

    section: str
    name: str
    unit: str
    values: tuple[float, ...] = ()
    target: Target | None = None
    reason: str = ""
    note: str = ""
    conditions: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def median(self) -> float:
        """The median of the values; NaN if not measured."""
        return statistics.median(self.values) if self.values else math.nan

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without a target or a value."""
        return self.target.met(self.median) if self.target and self.values else None

    def to_json(self) -> dict[str, Any]:
        """The row as JSON values, with median, minimum and maximum; these are null if not measured."""
        spread = {"median": self.median, "min": min(self.values), "max": max(self.values)} if self.values else {}
        return {
            "section": self.section, "name": self.name, "unit": self.unit,
            **(spread or dict.fromkeys(("median", "min", "max"))),
            "repeats": len(self.values), "values": list(self.values),
            "target": dataclasses.asdict(self.target) if self.target else None, "met": self.met,
            "reason": self.reason, "note": self.note, "conditions": dict(self.conditions),
        }  # fmt: skip


def time_in_turn(works: Mapping[str, Work], repeats: int) -> dict[str, tuple[float, ...]]:
    """Seconds per call of each work, timed in turn, so that other load on the machine affects all of them alike.

    The first round compiles and allocates, and is not counted. The second one determines the calls per timing.
    """
    for work in works.values():
        work(1)
    calls = {name: _enough_calls(_seconds(work, 1)) for name, work in works.items()}
    rounds = [{name: _seconds(work, calls[name]) for name, work in works.items()} for _ in range(repeats)]
    return {name: tuple(times[name] for times in rounds) for name in works}


def _seconds(work: Work, calls: int) -> float:
    start = time.perf_counter()
    work(calls)
    return (time.perf_counter() - start) / calls


def _enough_calls(seconds: float) -> int:
    return min(max(math.ceil(_MIN_SECONDS_PER_TIMING / max(seconds, 1e-9)), 1), _MAX_CALLS_PER_TIMING)


def ratios(slow: tuple[float, ...], fast: tuple[float, ...]) -> tuple[float, ...]:
    """How many times faster the fast work is, for each round."""
    return tuple(a / b for a, b in zip(slow, fast, strict=True))
