"""Worker processes: they end with the process that started them, and a killed one is a line that says so."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = """
    import os, signal, sys, time
    from segvae_jax.errors import DataError
    from segvae_jax.workers import processes

    def work(piece):
        open(os.path.join(sys.argv[1], str(os.getpid())), "w").close()
        time.sleep(0.1)
        return piece

    if __name__ == "__main__":
        try:
            for piece in processes(2)(work, range(10_000)):
                pass
        except DataError as error:
            sys.exit(f"error: {error}")
"""


def ends(pid: int) -> bool:
    """Whether a process ends within 20 seconds."""
    for _ in range(200):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


@pytest.fixture
def started(tmp_path):
    """A process with two workers that are at work, and the ids of the workers."""
    (tmp_path / "workers").mkdir()
    (tmp_path / "script.py").write_text(textwrap.dedent(SCRIPT))
    command = [sys.executable, "script.py", "workers"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as process:
        while len(workers := [int(path.name) for path in (tmp_path / "workers").iterdir()]) < 2:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.02)
        yield process, workers
        process.kill()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_the_process_that_started_them(started, how):
    process, workers = started
    process.send_signal(how)
    process.wait(20)
    assert process.returncode != 0 and all(map(ends, workers))


def test_a_killed_worker_is_one_line_and_ends_the_others(started):
    process, workers = started
    os.kill(workers[0], signal.SIGKILL)
    _, errors = process.communicate(timeout=20)
    lines = [line for line in errors.splitlines() if line.startswith("error: ")]
    assert lines == ["error: a worker process was killed, perhaps because memory ran out: use fewer --workers"]
    assert all(map(ends, workers))
