"""The extent of a run, what it consists of, and the comparison with PyTorch."""

import dataclasses
import functools
import importlib.util
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import jax

from benchmarks.measure import Row, Target, Work, ratios, time_in_turn
from benchmarks.workload import Setup

NO_TORCH = "PyTorch is not installed (pip install '.[bench]')"
NO_CUDA = "PyTorch finds no CUDA device"


@dataclasses.dataclass(frozen=True)
class Plan:
    """The extent of a run.

    Attributes:
      quick: whether to use tiny problems, which only show that everything runs. Their times are meaningless.
      directory: for files besides the table, as traces.
      deadline: of the run, by `time.monotonic()`.
    """

    quick: bool = False
    directory: Path = Path()
    deadline: float = math.inf

    @property
    def repeats(self) -> int:
        """Number of timings per row."""
        return 1 if self.quick else 5

    @property
    def on_gpu(self) -> bool:
        """Whether JAX computes on a GPU."""
        return jax.default_backend() == "gpu"

    def fitted(self, setup: Setup) -> Setup:
        """The given problem, or a tiny version of it if the run is quick."""
        if not self.quick:
            return setup
        return setup.changed(size=8, ngf=2, batch=min(setup.batch, 2))

    def target(self, on_gpu: Target | None, on_cpu: Target | None = None) -> Target | None:
        """The target of the backend in use."""
        return on_gpu if self.on_gpu else on_cpu


@dataclasses.dataclass(frozen=True)
class Task:
    """Something to measure.

    Attributes:
      section: of its rows.
      name: of what is measured, for the case that it is not.
      rows: measures, and yields each row as soon as it is known.
      worth: tasks with a lower number come first: 0 for what is asked first, 1 for what explains it, 2 for the rest.
      target: of what is measured, if there is one.
    """

    section: str
    name: str
    rows: Callable[[], Iterable[Row]]
    worth: int = 1
    target: Target | None = None


def missing_torch(plan: Plan) -> str:
    """Why PyTorch cannot run on the device that JAX uses; empty if it can."""
    if importlib.util.find_spec("torch") is None:
        return NO_TORCH
    import torch

    return NO_CUDA if plan.on_gpu and not torch.cuda.is_available() else ""


def compared_with_torch(
    plan: Plan,
    section: str,
    setup: Setup,
    ours: Callable[[], Work],
    theirs: Callable[[str], Work],
    seconds: Target | None,
    faster: Target | None,
) -> Iterator[Row]:
    """Rows with the seconds of JAX and of PyTorch, timed in turn, and with how many times faster JAX is.

    If both do not fit into memory together, JAX is timed alone.

    Args:
      plan, section, setup: of the rows.
      ours, theirs: make the work; PyTorch's is for the device that it is given.
      seconds: target of JAX's seconds.
      faster: target of how many times faster JAX is.
    """
    reasons = {"JAX": "", "PyTorch": missing_torch(plan)}
    device = "cuda" if plan.on_gpu else "cpu"
    makers: dict[str, Callable[[], Work]] = {"JAX": ours, "PyTorch": functools.partial(theirs, device)}
    makers = {name: make for name, make in makers.items() if not reasons[name]}
    times: dict[str, tuple[float, ...]] = {}
    while makers and not (times := timed(makers, plan.repeats)):
        reasons[makers.popitem()[0]] = "out of memory"
    yield from _comparison(section, setup, times, reasons, (seconds, faster))


def timed(makers: Mapping[str, Callable[[], Work]], repeats: int) -> dict[str, tuple[float, ...]]:
    """Seconds per call of each work; empty if memory runs out."""
    try:
        return time_in_turn({name: make() for name, make in makers.items()}, repeats)
    except RuntimeError as error:
        if "out of memory" in str(error).lower() or "RESOURCE_EXHAUSTED" in str(error):
            return {}
        raise


def _comparison(
    section: str,
    setup: Setup,
    times: Mapping[str, tuple[float, ...]],
    reasons: Mapping[str, str],
    targets: tuple[Target | None, Target | None],
) -> Iterator[Row]:
    title = str(setup)
    conditions = dataclasses.asdict(setup)
    for name, reason in reasons.items():
        target = targets[0] if name == "JAX" else None
        row = Row(section, f"{title}: {name}", "s", times.get(name, ()), target, reason)
        yield dataclasses.replace(row, conditions={**conditions, "framework": name})
    faster = ratios(times["PyTorch"], times["JAX"]) if len(times) == len(reasons) else ()
    reason = "; ".join(filter(None, reasons.values()))
    note = "PyTorch's time divided by JAX's" if faster else ""
    yield Row(section, f"{title}: faster", "x", faster, targets[1], reason, note, conditions)
