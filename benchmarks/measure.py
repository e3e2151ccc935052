"""A measured row, and how times are taken."""

import dataclasses
import math
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

Work = Callable[[int], object]  # does its work so many times, and returns when the last is done

_SPAN = 0.2  # seconds that one timing lasts at least, where a call is shorter
_MOST_CALLS = 200


@dataclasses.dataclass(frozen=True)
class Target:
    """What a value shall reach, or stay under."""

    value: float
    at_least: bool

    def met(self, value: float) -> bool:
        """Whether a measured value is good enough."""
        return value >= self.value if self.at_least else value <= self.value

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {self.value:,g}"


def at_least(value: float) -> Target:
    """A target to reach."""
    return Target(value, at_least=True)


def at_most(value: float) -> Target:
    """A target to stay under."""
    return Target(value, at_least=False)


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the table: a measured quantity, or why it was not measured.

    Attributes:
      section: that it belongs to.
      name: of the quantity, unique within its section.
      unit: of the values; "" for a bare number.
      values: one a repeat; none where not measured.
      target: where the project has set one.
      reason: why there are no values.
      note: what a reader needs to know besides.
      conditions: what was measured, for plots and comparisons: batch, image size, number of classes ...
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
        """The middle value; NaN where not measured."""
        return statistics.median(self.values) if self.values else math.nan

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without a target or a value."""
        return self.target.met(self.median) if self.target and self.values else None

    def to_json(self) -> dict[str, Any]:
        """The row as JSON values: median and spread beside the values, null where not measured."""
        spread = {"median": self.median, "min": min(self.values), "max": max(self.values)} if self.values else {}
        return {
            "section": self.section, "name": self.name, "unit": self.unit,
            **(spread or dict.fromkeys(("median", "min", "max"))),
            "repeats": len(self.values), "values": list(self.values),
            "target": dataclasses.asdict(self.target) if self.target else None, "met": self.met,
            "reason": self.reason, "note": self.note, "conditions": dict(self.conditions),
        }  # fmt: skip


def alternate(works: Mapping[str, Work], repeats: int) -> dict[str, tuple[float, ...]]:
    """Seconds a call of every work, taken in turn, so that what else the machine does falls on all alike.

    A first round, which compiles and allocates, is left out; a second tells how many calls make up one timing.
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
    return min(max(math.ceil(_SPAN / max(seconds, 1e-9)), 1), _MOST_CALLS)


def ratios(slow: tuple[float, ...], fast: tuple[float, ...]) -> tuple[float, ...]:
    """How many times faster, round by round."""
    return tuple(a / b for a, b in zip(slow, fast, strict=True))
