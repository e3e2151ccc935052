"""What a person sees of a run: progress with ETA, metrics, and an alarm at non-finite numbers."""

import time
from pathlib import Path
from typing import Any

import jax
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from segvae_jax.errors import TrainingDiverged
from segvae_jax.training.writers import MetricWriter


class Monitor:
    """Keeps metrics on the device until `flush`, so that steps are not waited for one by one.

    Args:
      workdir: where `metrics.jsonl` and the TensorBoard events go.
      first_step, num_steps: of this process and of the run.
      batch_size: over all devices.
      quiet: whether another process does the reporting.
    """

    def __init__(self, workdir: Path, first_step: int, num_steps: int, batch_size: int, quiet: bool):
        self.console = Console(quiet=quiet, stderr=True)
        self._writer = None if quiet else MetricWriter(workdir, first_step)
        self._batch_size = batch_size
        self._pending: list[tuple[int, dict[str, Any]]] = []
        self._since = time.monotonic()
        columns = (TextColumn("training"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
                   TextColumn("ETA"), TimeRemainingColumn(elapsed_when_finished=True))  # fmt: skip
        self._progress = Progress(*columns, console=self.console, disable=quiet, speed_estimate_period=300)
        self._task = self._progress.add_task("training", total=num_steps, completed=first_step)

    def __enter__(self) -> "Monitor":
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()
        if self._writer:
            self._writer.close()

    def record(self, step: int, metrics: dict[str, Any]) -> None:
        """Takes the metrics of a step, still on the device."""
        self._pending.append((step, metrics))
        self._progress.update(self._task, completed=step)

    def flush(self, last_good: int | None) -> None:
        """Fetches what is pending, looks for non-finite numbers, and writes the latest.

        Raises:
          TrainingDiverged: naming the step, the tensors and the last good checkpoint.
        """
        fetched = jax.device_get(self._pending)
        for step, metrics in fetched:
            _check_finite(step, metrics, last_good)
        if fetched:
            step, metrics = fetched[-1]
            now = time.monotonic()
            rate = len(fetched) / (now - self._since)
            scalars = {name: float(value) for name, value in metrics.items() if name != "finite"}
            self.write(step, {**scalars, "steps_per_second": rate, "samples_per_second": rate * self._batch_size})
        self._pending, self._since = [], time.monotonic()

    def write(self, step: int, scalars: dict[str, float], images: dict[str, Any] | None = None) -> None:
        """Writes scalars and pictures of a step, and prints the scalars."""
        if self._writer:
            self._writer.write_scalars(step, scalars)
            self._writer.write_images(step, images or {})
        remaining = self._progress.tasks[0].time_remaining
        eta = "" if remaining is None else f" eta {int(remaining) // 60}:{int(remaining) % 60:02d}"
        values = " ".join(f"{name} {value:.4g}" for name, value in scalars.items())
        self.console.print(f"step {step}: {values}{eta}", highlight=False)


def _check_finite(step: int, metrics: dict[str, Any], last_good: int | None) -> None:
    finite = jax.tree_util.tree_leaves_with_path(metrics["finite"])
    names = [jax.tree_util.keystr(path, simple=True, separator="/") for path, ok in finite if not ok]
    names += [name for name in ("total", "kl", "reconstruction") if not abs(metrics[name]) < float("inf")]
    if names:
        shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        good = "none" if last_good is None else f"step {last_good}"
        raise TrainingDiverged(
            f"non-finite at step {step}: {shown}; last good checkpoint: {good}: lower config.optimizer.learning_rate"
        )
