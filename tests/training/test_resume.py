"""Compares runs that are killed, stopped or spread over processes with an undisturbed run."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest

from segvae_jax.cli.main import main
from segvae_jax.training import loop
from segvae_jax.training.loop import train

ROOT = Path(__file__).parents[2]
PATIENCE = 250  # seconds; enough for machines under load
SPEED = {"steps_per_second", "samples_per_second", "utilisation", "data_wait"}


def arguments(config, workdir: Path) -> list[str]:
    file = Path(__file__).with_name("tiny_config.py")
    return [f"--config={file}", f"--config.data.prepared={config.data.prepared}", f"--workdir={workdir}"]


def environment(**changes: str) -> dict[str, str]:
    return {**os.environ, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1", **changes}


@contextlib.contextmanager
def started(log: Path, *arguments: str, **environ: str) -> Iterator[subprocess.Popen]:
    """`train.py` in a separate process with its output in `log`. It is killed at the end if it still runs."""
    with log.open("w") as output:
        process = subprocess.Popen([sys.executable, "train.py", *arguments], cwd=ROOT, env=environment(**environ),
                                   stdout=output, stderr=subprocess.STDOUT)  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def wait_for(process: subprocess.Popen, moment: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not moment():
        assert process.poll() is None, "ended before it could be disturbed"
        assert time.monotonic() < end
        time.sleep(0.001)


def names(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()] if directory.is_dir() else []


def rows(workdir: Path) -> list[dict]:
    path = workdir / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def last_row(workdir: Path) -> int:
    """The step of the last complete row."""
    path = workdir / "metrics.jsonl"
    whole = [line for line in path.read_text().splitlines() if line.endswith("}")] if path.exists() else []
    return json.loads(whole[-1])["step"] if whole else 0


def last_saved(workdir: Path) -> int:
    """The latest complete step."""
    return max([int(name) for name in names(workdir / "steps") if name.isdigit()], default=0)


def everything(workdir: Path, step: int) -> dict:
    """All values in the checkpoint of a step, as stored on disk."""
    items = ocp.args.Composite(variables=ocp.args.StandardRestore(), optimizer=ocp.args.StandardRestore())
    with ocp.CheckpointManager(workdir / "steps") as manager:
        restored = manager.restore(step, args=items)
    data = json.loads((workdir / "steps" / str(step) / "data" / "process_0-of-1.json").read_text())
    return {"variables": restored.variables, "optimizer": restored.optimizer, "data": data}


def assert_same(ours, theirs) -> None:
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)


def measured(workdir: Path) -> list[dict]:
    return [{key: value for key, value in row.items() if key not in SPEED} for row in rows(workdir)]


def writing(workdir: Path, after: int) -> bool:
    """Whether a checkpoint of a step beyond `after` is being written."""
    found = [name.partition(".orbax-checkpoint-tmp") for name in names(workdir / "steps")]
    return any(int(step) > after and mark for step, mark, _ in found)


@pytest.mark.parametrize(("number", "name", "status"), [(signal.SIGTERM, "SIGTERM", 0), (signal.SIGINT, "Ctrl-C", 130)])
def test_a_run_that_is_told_to_stop_continues_to_the_same_end(run, tmp_path, monkeypatch, capsys, number, name, status):
    """In this process; checkpoints are every 3 steps, and step 5 is told to stop."""
    compiled = loop._compiled

    def stopping(*given):
        step, cost = compiled(*given)

        def stopped(state, step_number):
            if step_number == 5:
                signal.raise_signal(number)
            return step(state, step_number)

        return stopped, cost

    with monkeypatch.context() as patch:
        patch.setattr(loop, "_compiled", stopping)
        assert main(["train", *arguments(run.config, tmp_path)]) == status
    assert f"\nstopped by {name} after step 5, saved: start again to go on\n" in capsys.readouterr().err
    assert last_row(tmp_path) == 5 and "5" in names(tmp_path / "steps")
    assert main(["train", *arguments(run.config, tmp_path)]) == 0
    assert_same(everything(tmp_path, 24), everything(run.workdir, 24))
    assert measured(tmp_path) == measured(run.workdir)


@pytest.mark.slow
def test_a_full_disk_ends_a_run_in_one_line(run, tmp_path):
    """Files end at 40 KiB, which those of a checkpoint exceed. Orbax tells in several threads."""
    limited = ["bash", "-c", 'ulimit -f 40; exec "$@"', "bash", sys.executable, "train.py"]
    command = [*limited, *arguments(run.config, tmp_path / "run")]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    advice = "make room or allow it, and start again to go on from the first step"
    expected = f"error: {tmp_path / 'run'}: cannot be written (File too large): {advice}"
    assert done.stderr.splitlines()[-1] == expected


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_ends_like_one_that_was_not(run, tmp_path):
    disturbances = [
        (signal.SIGTERM, lambda: last_row(tmp_path) >= 1),
        (signal.SIGKILL, lambda: writing(tmp_path, after=5)),
        (signal.SIGKILL, lambda: last_row(tmp_path) >= 13),
        (None, None),
    ]
    begins = []
    for i, (number, moment) in enumerate(disturbances):
        with started(tmp_path / f"log {i}", *arguments(run.config, tmp_path)) as process:
            if number:
                wait_for(process, moment)
                process.send_signal(number)
            status = process.wait(timeout=PATIENCE)
        log = (tmp_path / f"log {i}").read_text()
        assert status == {signal.SIGTERM: 0, signal.SIGKILL: -signal.SIGKILL, None: 0}[number], log
        begins.append(last_saved(tmp_path))
        if number == signal.SIGTERM:
            assert f"stopped by SIGTERM after step {begins[-1]}, saved" in log
            assert begins[-1] == last_row(tmp_path) >= 1, "saved at once"
        if i and number:
            assert last_row(tmp_path) > begins[-1] or writing(tmp_path, after=begins[-1]), "something was lost"
    assert begins == sorted(begins) and begins[0] < begins[2] < begins[3] == 24
    assert_same(everything(tmp_path, 24), everything(run.workdir, 24))
    assert measured(tmp_path) == measured(run.workdir)


@contextlib.contextmanager
def job(log: Path, processes: int, devices: int, *arguments: str) -> Iterator[list[subprocess.Popen]]:
    """A training job of several processes with some devices each; `log` is a folder for their output."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    environ = {"XLA_FLAGS": os.environ["XLA_FLAGS"].replace("device_count=8", f"device_count={devices}")}
    joined = [*arguments, "--distributed", f"--coordinator={address}", f"--processes={processes}"]
    log.mkdir()
    with contextlib.ExitStack() as stack:
        start = lambda i: stack.enter_context(started(log / str(i), *joined, f"--process={i}", **environ))
        yield [start(i) for i in range(processes)]


@pytest.mark.slow
def test_a_run_goes_on_with_other_numbers_of_processes_and_ends_like_one_of_a_single_process(config, tmp_path):
    """Eight devices each time: 2 x 4 are killed, Ctrl-C in one of 4 x 2 stops all of them, and 1 x 8 finish, here."""
    config.num_steps, config.checkpoint_every = 120, 5
    alone = train(config, tmp_path / "alone")
    workdir = tmp_path / "run"
    given = [*arguments(config, workdir), "--config.num_steps=120", "--config.checkpoint_every=5"]
    with job(tmp_path / "killed", 2, 4, *given) as running:
        wait_for(running[0], lambda: "5" in names(workdir / "steps"))
        for process in running:
            process.kill()
    with job(tmp_path / "stopped", 4, 2, *given) as running:
        wait_for(running[0], lambda: "\nstep " in (tmp_path / "stopped" / "0").read_text())
        running[2].send_signal(signal.SIGINT)
        statuses = [process.wait(timeout=PATIENCE) for process in running]
    logs = [(tmp_path / "stopped" / str(i)).read_text() for i in range(4)]
    assert statuses == [0, 0, 130, 0], "\n".join(logs)
    where = f"after step {(step := last_saved(workdir))}, saved: start again to go on\n"
    assert 5 < step == last_row(workdir) < 120
    assert f"stopped by a signal {where}" in logs[0] and logs[2].endswith(f"stopped by Ctrl-C {where}")
    state = train(config, workdir)
    assert [row["step"] for row in rows(workdir)] == list(range(1, 121))
    ours, theirs = ([row["total"] for row in rows(path)] for path in (workdir, tmp_path / "alone"))
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)  # processes add gradients in another order than devices
    for (path, a), b in zip(jax.tree_util.tree_leaves_with_path(state.ema), jax.tree.leaves(alone.ema), strict=True):
        # The gradient of a bias before a norm is only rounding noise, which Adam amplifies.
        if "bias" not in jax.tree_util.keystr(path):
            np.testing.assert_allclose(a, b, atol=1e-5)
