"""Metrics as JSON lines and TensorBoard events, without TensorFlow.

The methods are named as in `clu.metric_writers`, whose writers cannot be imported without TensorFlow.
"""

import json
import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from absl import logging
from jaxtyping import UInt8
from tensorboardX import summary
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.record_writer import RecordWriter

from segvae_jax.files import write_atomically
from segvae_jax.json_objects import json_object


class MetricWriter:
    """Appends to `metrics.jsonl` and to TensorBoard events in one directory. Every method may raise an OSError.

    tensorboardX's `SummaryWriter` writes in a thread, which dies with a traceback when the disk is full.

    Args:
      directory: made if it is missing.
      first_step: number of steps that were done before this process; later rows, of a killed run, are dropped.
    """

    def __init__(self, directory: Path, first_step: int):
        directory.mkdir(parents=True, exist_ok=True)
        self._path = directory / "metrics.jsonl"
        _drop_rows_after(self._path, first_step)
        events = directory / "tensorboard" / f"events.out.tfevents.{time.time():.0f}.{platform.node()}"
        events.parent.mkdir(exist_ok=True)
        self._events = RecordWriter(str(events))
        self._add(0, file_version="brain.Event:2")
        self._add(first_step + 1, session_log=SessionLog(status=SessionLog.START))  # drops what was later

    def write_scalars(self, step: int, scalars: Mapping[str, float]) -> None:
        """Writes one row, and one point per scalar."""
        with self._path.open("a") as file:
            file.write(json.dumps({"step": step, **scalars}) + "\n")
        for name, value in scalars.items():
            self._add(step, summary=summary.scalar(name, value))

    def write_images(self, step: int, images: Mapping[str, UInt8[np.ndarray, "H W 3"]]) -> None:
        """Writes pictures for TensorBoard, and flushes, so that a killed run loses little of what it shows."""
        for name, image in images.items():
            self._add(step, summary=summary.image(name, image, dataformats="HWC"))
        self._events.flush()

    def close(self) -> None:
        """Flushes what is buffered."""
        self._events.close()

    def _add(self, step: int, **content: Any) -> None:
        self._events.write(Event(wall_time=time.time(), step=step, **content).SerializeToString())


def _drop_rows_after(path: Path, step: int) -> None:
    """Removes the rows of later steps, and lines that are no rows, e.g. half of one of a killed run."""
    if not path.exists():
        return
    lines = path.read_bytes().splitlines(keepends=True)
    numbers = [_step_of(line) for line in lines]
    if damaged := numbers[:-1].count(None):
        logging.warning("%s: %d damaged lines are dropped", path, damaged)
    kept = [line for line, number in zip(lines, numbers, strict=True) if number is not None and number <= step]
    write_atomically(path, lambda partial: partial.write_bytes(b"".join(kept)))


def _step_of(line: bytes) -> int | None:
    """The step of a row; None if the line is damaged."""
    try:
        step = json_object(line)["step"]
    except (ValueError, KeyError):
        return None
    return step if type(step) is int and line.endswith(b"\n") else None
