"""Runs tasks by worth within the given time. What was measured is printed and written at once, and never lost."""

import contextlib
import math
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

import jax
from absl import flags
from rich.console import Console

from benchmarks import machine, plot, report
from benchmarks.device import use_device
from benchmarks.measure import Row
from benchmarks.plan import Plan, Task
from segvae_jax.cli.script import run_user_script
from segvae_jax.errors import ConfigError
from segvae_jax.files import writable_directory
from segvae_jax.numerics import fixed_numerics

NO_TIME = "no time left"

Sections = Mapping[str, Callable[[Plan], Iterator[Task]]]


class Record:
    """The rows so far, printed as they are added, and in `benchmarks.json` from then on.

    Args:
      directory: of the file.
      console: to print on.
      tasks: all that are to be measured, in order.
    """

    def __init__(self, directory: Path, console: Console, tasks: Sequence[Task]):
        self.rows: list[Row] = []
        self._directory, self._console, self._left = directory, console, list(tasks)
        self._lock = threading.RLock()  # the thread that ends a run in time adds rows as well

    def __iter__(self) -> Iterator[Task]:
        """The tasks that are left. One that is being measured is still among them."""
        while self._left:
            yield self._left[0]
            with self._lock:
                del self._left[0]

    def add(self, row: Row) -> None:
        """Writes all rows, and prints the new one."""
        with self._lock:
            self.rows.append(row)
            report.write_json(self.rows, self._directory)
            report.print_row(row, self._console)

    def skip(self, task: Task, reason: str) -> None:
        """Adds a row that says why a task was not measured, or not to its end."""
        begun = any(f"{row.name}:".startswith(f"{task.name}:") for row in self.rows if row.section == task.section)
        self.add(
            Row(task.section, f"{task.name}: the rest" if begun else task.name, "", target=task.target, reason=reason)
        )

    def end(self, reason: str, scratch: str) -> None:
        """Ends the process. What is left is not measured, for this reason."""
        with self._lock:
            for task in self._left:
                self.skip(task, reason)
            self._console.print(self.summary(), highlight=False, markup=False, soft_wrap=True)
            shutil.rmtree(scratch, ignore_errors=True)
            os._exit(0)

    def summary(self) -> str:
        """How many rows are where."""
        measured = sum(bool(row.values) for row in self.rows)
        return f"{measured} of {len(self.rows)} rows are measured: {self._directory / report.FILE}"


def measure(record: Record, deadline: float) -> bool:
    """Measures the tasks one after the other; one that fails prints its traceback and does not stop the others.

    Args:
      record: takes the rows.
      deadline: of `time.monotonic()`. A task is left out if less time is left than one of its section has taken.

    Returns:
      whether no task failed.
    """
    longest: dict[str, float] = {}
    good = True
    for task in record:
        begin = time.monotonic()
        if deadline - begin <= longest.get(task.section, 0.0):
            record.skip(task, NO_TIME)
            continue
        try:
            for row in task.rows():
                record.add(row)
        except Exception as error:
            traceback.print_exc()
            record.skip(task, f"failed: {type(error).__name__}")
            good = False
        longest[task.section] = max(longest.get(task.section, 0.0), time.monotonic() - begin)
    return good


def run_script(sections: Sections, default_device: str, default_out: str) -> None:
    """Defines the flags of a command that measures these sections, and runs it.

    Args:
      sections: by name, in order of worth where tasks do not say.
      default_device: `cpu`, `gpu`, or "" for what JAX finds.
      default_out: the default of `--out`.
    """
    flags.DEFINE_list("only", list(sections), "Sections to measure, separated by commas.")
    flags.DEFINE_bool("quick", False, "Use tiny problems and one timing per row, to check that everything runs.")
    flags.DEFINE_float("minutes", 0.0, "Time for the whole run; 0 for no limit.", lower_bound=0.0)
    flags.DEFINE_enum("device", default_device, ("", "cpu", "gpu"), "What to measure; what JAX finds if not given.")
    flags.DEFINE_string("out", default_out, "Folder for benchmarks.json and other files.")
    run_user_script(lambda argv: _main(argv, sections))


@fixed_numerics()
def _main(argv: list[str], sections: Sections) -> None:
    given, begin = flags.FLAGS, time.monotonic()
    if len(argv) > 1:
        raise ConfigError(f"unexpected argument {argv[1]!r}: flags only, see --help")
    for name in given.only:
        if name not in sections:
            raise ConfigError(f"--only={name}: no such section: choose from {', '.join(sections)}")
    directory, console = writable_directory(given.out, "--out"), Console(soft_wrap=True)
    use_device(given.device)
    console.print(machine.one_line(), highlight=False, markup=False)
    deadline = begin + 60 * given.minutes if given.minutes else math.inf
    plan = Plan(given.quick, directory, deadline)
    tasks = [task for name in given.only for task in sections[name](plan)]
    record = Record(directory, console, sorted(tasks, key=lambda task: task.worth))
    with _scratch() as scratch, _ended_in_time(record, deadline, scratch), _ended_by_sigterm(record):
        _share_compilations(scratch)
        good = measure(record, deadline)
    console.print(record.summary() + _picture(record.rows, directory), highlight=False, markup=False)
    if not good:
        raise SystemExit(1)


@contextlib.contextmanager
def _scratch() -> Iterator[str]:
    """A folder for all temporary files, of child processes too, so that they can be removed at once."""
    before = tempfile.tempdir
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as directory:
        os.environ["TMPDIR"] = tempfile.tempdir = directory
        try:
            yield directory
        finally:
            tempfile.tempdir = before


@contextlib.contextmanager
def _ended_in_time(record: Record, deadline: float, scratch: str) -> Iterator[None]:
    """Ends the process at the deadline, also while a program is being compiled."""
    if deadline == math.inf:
        yield
        return
    timer = threading.Timer(max(deadline - time.monotonic(), 0.0), record.end, (NO_TIME, scratch))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextlib.contextmanager
def _ended_by_sigterm(record: Record) -> Iterator[None]:
    """Lets a SIGTERM end the process in one line, once a program that is being compiled is done."""

    def stop(number: int, frame: FrameType | None) -> None:
        print(f"stopped by SIGTERM: {record.summary()}", file=sys.stderr, flush=True)
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _share_compilations(scratch: str) -> None:
    """Lets tasks share compiled programs; each compiles once per run. The compile section has its own caches."""
    jax.config.update("jax_compilation_cache_dir", os.path.join(scratch, "compiled"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)


def _picture(rows: list[Row], directory: Path) -> str:
    try:
        path = plot.write_picture(rows, directory)
    except ImportError:
        return "; no picture: matplotlib is not installed (pip install '.[bench]')"
    return f" and {path}" if path else ""
