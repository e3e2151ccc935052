"""Reports of a training run: progress with ETA, metrics, and an error at non-finite numbers."""

import datetime
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from segvae_jax.errors import TrainingDiverged
from segvae_jax.training.writers import MetricWriter

_IN_FLIGHT = 2  # steps dispatched ahead of the device: enough to keep it busy, few enough for a true progress bar
_SHOWN = 8  # names in an error message


def parameter_names(params: Any) -> list[str]:
    """The path of each array in a tree of parameters."""
    paths = (path for path, _ in jax.tree_util.tree_leaves_with_path(params))
    return [jax.tree_util.keystr(path, simple=True, separator="/") for path in paths]


class Monitor:
    """Keeps metrics on the device until `flush`, so that the host does not wait for single steps.

    Args:
      workdir: where `metrics.jsonl` and the TensorBoard events go.
      first_step: number of steps that were done before this process.
      num_steps: of the whole run.
      batch_size: over all devices.
      parameters: names of the parameters, in the order of their flags in `metrics["finite"]`.
      last_good: returns the step of the latest checkpoint, if any; named when training diverges.
      quiet: whether another process does the reporting.
      gauges: returns further scalars, given a number of steps and the seconds that they took.
    """

    def __init__(
        self,
        workdir: Path,
        first_step: int,
        num_steps: int,
        batch_size: int,
        parameters: Sequence[str],
        last_good: Callable[[], int | None],
        quiet: bool = False,
        gauges: Callable[[int, float], dict[str, float]] = lambda steps, seconds: {},
    ):
        self.console = Console(quiet=quiet, stderr=True)
        self._writer = None if quiet else MetricWriter(workdir, first_step)
        self._first_step, self._num_steps, self._batch_size = first_step, num_steps, batch_size
        self._parameters, self._last_good, self._gauges = parameters, last_good, gauges
        self._pending: list[tuple[int, dict[str, Any]]] = []
        columns = TextColumn("training"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        self._progress = Progress(*columns, TextColumn("ETA {task.fields[eta]}"), console=self.console, disable=quiet)
        self._task = self._progress.add_task("training", total=num_steps, completed=first_step, eta="-:--:--")

    def __enter__(self) -> "Monitor":
        self._begin = self._since = time.monotonic()
        self._progress.reset(self._task, completed=self._first_step)
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()
        if self._writer:
            self._writer.close()

    def record(self, step: int, metrics: dict[str, Any]) -> None:
        """Adds the metrics of a step, which are still on the device."""
        self._pending.append((step, metrics))
        if len(self._pending) > _IN_FLIGHT:
            done, earlier = self._pending[-1 - _IN_FLIGHT]
            jax.block_until_ready(earlier)
            self._advance(done)

    def flush(self) -> dict[str, float]:
        """Fetches pending metrics, checks that they are finite, and returns the mean of each over these steps.

        Raises:
          TrainingDiverged: naming the step, the tensors and the last good checkpoint.
        """
        fetched = jax.device_get(self._pending)
        for step, metrics in fetched:
            odd = [name for name, ok in zip(self._parameters, metrics["finite"], strict=True) if not ok]
            self._require_finite(step, _scalars(metrics), odd)
        self._advance(fetched[-1][0])
        seconds = time.monotonic() - self._since
        rate, gauges = len(fetched) / seconds, self._gauges(len(fetched), seconds)
        self._pending = []
        means = jax.tree.map(lambda *values: float(np.mean(values)), *(_scalars(metrics) for _, metrics in fetched))
        return {**means, "steps_per_second": rate, "samples_per_second": rate * self._batch_size, **gauges}

    def write(self, step: int, scalars: dict[str, float], images: dict[str, Any]) -> None:
        """Writes and prints the scalars of a step, writes its pictures, and starts the next measurement of speed.

        Raises:
          TrainingDiverged: as `flush`.
        """
        self._require_finite(step, scalars)
        if self._writer:
            self._writer.write_scalars(step, scalars)
            self._writer.write_images(step, images)
        values = " ".join(f"{name} {value:.4g}" for name, value in scalars.items())
        self.console.print(f"step {step}: {values} eta {self._eta(step)}", highlight=False, soft_wrap=True)
        self._since = time.monotonic()

    def _advance(self, step: int) -> None:
        self._progress.update(self._task, completed=step, eta=self._eta(step))

    def _eta(self, step: int) -> datetime.timedelta:
        """Time left at the average speed of this process so far, including validation and checkpoints."""
        seconds_per_step = (time.monotonic() - self._begin) / (step - self._first_step)
        return datetime.timedelta(seconds=round(seconds_per_step * (self._num_steps - step)))

    def _require_finite(self, step: int, scalars: dict[str, float], odd_gradients: Sequence[str] = ()) -> None:
        names = [name for name, value in scalars.items() if not math.isfinite(value)]
        names += [f"gradient of {name}" for name in odd_gradients]
        if names:
            shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
            last = self._last_good()
            good = "none" if last is None else f"step {last}"
            raise TrainingDiverged(
                f"non-finite at step {step}: {shown}; last good checkpoint: {good}: lower the learning rate"
            )


def _scalars(metrics: dict[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in metrics.items() if name != "finite"}
