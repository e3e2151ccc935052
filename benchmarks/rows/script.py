"""A real `train.py`: seconds to its first step, and steps per second from its log."""

import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.measure import Row, at_most
from benchmarks.plan import Plan, Task

SECTION = "train.py"
_ROOT = Path(__file__).parents[2]
_EVERY = 10  # steps between reports
_SECONDS, _LONGEST_QUICK, _PATIENCE = 60.0, 600.0, 20.0  # of a run, of a tiny one to its end, and for its end
_RUN = {
    "batch_size": "16", "num_steps": "1000000", "checkpoint_every": "1000000", "data.num_maps": "1000",
    "model.image_size": "(64, 64)",
}  # fmt: skip
_QUICK = {
    **_RUN, "batch_size": "2", "num_steps": "30", "data.num_maps": "80", "model.image_size": "(8, 8)",
    "model.widths": "(2,)",
}  # fmt: skip
_FIRST_STEP = at_most(25)  # seconds on a GPU, without a cache
_REPORT = re.compile(r"^step (\d+): .*steps_per_second ([\d.e+-]+)", re.MULTILINE)


def tasks(plan: Plan) -> Iterator[Task]:
    """Yields the tasks of this section."""
    target = plan.target(_FIRST_STEP)
    yield Task(SECTION, _name(plan), lambda: _rows(plan), 0, target)


def _name(plan: Plan) -> str:
    config = _QUICK if plan.quick else _RUN
    return f"configs/cartoon.py, {config['model.image_size']} px, batch {config['batch_size']}"


def _rows(plan: Plan) -> Iterator[Row]:
    # A process that outlives the benchmark would go on training.
    limit = min(_LONGEST_QUICK if plan.quick else _SECONDS, plan.deadline - time.monotonic() - _PATIENCE)
    lines = _run(_QUICK if plan.quick else _RUN, max(limit, 0.0))
    text, name = "\n".join(line for _, line in lines), _name(plan)
    at = lambda start: next((seconds for seconds, line in lines if line.startswith(start)), None)
    compiling, first, reports = at("compiling for"), at(f"step {_EVERY}:"), _REPORT.findall(text)
    if compiling is None or first is None or len(reports) < 2:
        yield Row(SECTION, f"{name}: first step", "s", reason=f"not reached; the log ends with: {text[-300:]}")
        return
    rates = tuple(float(rate) for _, rate in reports[1:])
    seconds = first - (_EVERY - 1) / max(rates)
    note = f"{compiling:.1f} s until it compiles; the first report less {_EVERY - 1} steps at the later rate"
    yield Row(SECTION, f"{name}: first step", "s", (seconds,), plan.target(_FIRST_STEP), note=note)
    cost = next((line for _, line in lines if line.startswith("one step")), "")
    yield Row(SECTION, f"{name}: steps", "steps/s", rates, note=f"{reports[-1][0]} steps; {cost}")


def _run(config: Mapping[str, str], limit: float) -> list[tuple[float, str]]:
    """Runs the script, stops it after `limit` seconds as a user would, and returns its lines with their times."""
    with tempfile.TemporaryDirectory() as directory:
        options = {**config, "log_every": str(_EVERY), "data.prepared": f"{directory}/data"}
        flags = [f"--config.{key}={value}" for key, value in options.items()]
        command = [sys.executable, "train.py", "--config=configs/cartoon.py", f"--workdir={directory}/run", *flags]
        begin, lines = time.monotonic(), []
        process = subprocess.Popen(command, cwd=_ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        timer = threading.Timer(limit, process.send_signal, (signal.SIGTERM,))
        killer = threading.Timer(limit + _PATIENCE, process.kill)
        try:
            timer.start()
            killer.start()
            assert process.stdout is not None
            lines = [(time.monotonic() - begin, line.rstrip()) for line in process.stdout]
        finally:
            timer.cancel()
            killer.cancel()
            process.kill()
            process.wait()
        return lines
