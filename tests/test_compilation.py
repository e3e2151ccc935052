"""The folder of compiled programs that commands keep: used, bounded, turned off, and never in the way."""

import os
import subprocess
import sys

import pytest

from segvae_jax.cli.main import main

PROGRAM = """
from segvae_jax.compilation import keep_programs
keep_programs()
import jax, jax.numpy as jnp
events = []
jax.monitoring.register_event_listener(lambda event, **more: events.append(event.rpartition("/")[2]))
print(jax.jit(lambda x: jnp.sort(jnp.sin(x)).sum())(jnp.arange(3.0)) > 0, events.count("cache_hits") > 0)
print(jax.config.jax_compilation_cache_max_size)
"""


def started(home, **environ):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    environment = {**kept, "HOME": str(home), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", **environ}
    return subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment, stdout=-1, stderr=-1, text=True)


def answer(home, most=2**30, **environ):
    """Whether a process found a program in the cache of at most so many bytes, and what it said about the cache."""
    with started(home, **environ) as process:
        out, err = process.communicate()
    computed, found, bound = out.split()
    assert process.returncode == 0 and computed == "True" and int(bound) == most
    return found == "True", err


def entries(folder):
    return sorted(folder.glob("*-cache"))


def test_programs_are_kept_in_a_folder_of_the_user_by_many_processes_at_once(tmp_path):
    processes = [started(tmp_path) for _ in range(2)]
    assert [process.communicate()[1] for process in processes] == ["", ""]
    folder = tmp_path / ".cache" / "segvae_jax" / "xla"
    assert entries(folder) and len(entries(folder)) == len(list(folder.glob("*-atime")))  # by which the oldest go
    assert answer(tmp_path) == (True, "")


def test_a_damaged_entry_is_replaced_with_one_line(tmp_path):
    answer(tmp_path)
    folder = tmp_path / ".cache" / "segvae_jax" / "xla"
    for path in entries(folder):
        path.write_bytes(path.read_bytes()[:-9])
    (folder / "jit_stopped-00-cache").touch()  # its process was killed before it wrote the time
    found, line = answer(tmp_path)
    assert not found and line.count("\n") == 1 and str(folder) in line
    assert answer(tmp_path) == (True, "")
    assert len(entries(folder)) == len(list(folder.glob("*-atime")))


def test_a_folder_that_cannot_be_written_to_takes_one_line(tmp_path):
    (tmp_path / ".cache").touch()
    found, line = answer(tmp_path)
    assert not found and line.count("\n") == 1
    assert line.startswith(f"a program was compiled without its cache in {tmp_path}/.cache/segvae_jax/xla (")


@pytest.mark.parametrize(
    ("name", "value", "most"), [("ENABLE_COMPILATION_CACHE", "false", 2**30), ("COMPILATION_CACHE_DIR", "own", -1)]
)
def test_the_settings_of_the_user_come_first(tmp_path, name, value, most):
    own = tmp_path / "own"
    assert answer(tmp_path, most, **{f"JAX_{name}": value.replace("own", str(own))}) == (False, "")
    assert not (tmp_path / ".cache").exists()
    assert bool(entries(own)) == (value == "own")


def test_only_a_command_that_is_the_whole_process_changes_anything(monkeypatch):
    before, called = dict(os.environ), []
    monkeypatch.setattr("segvae_jax.cli.main.keep_programs", lambda: called.append(1))
    monkeypatch.setattr("segvae_jax.cli.main.restart_with_allocator", lambda: None)
    monkeypatch.setattr("segvae_jax.cli.main.interruptible", lambda run, *_: run())
    assert main(["--help"]) == 0 and not called and os.environ == before
    assert main(["--help"], whole_process=True) == 0 and called
