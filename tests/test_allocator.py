import os
import subprocess
import sys

import pytest

from segvae_jax import allocator
from segvae_jax.cli import main

PROGRAM = """
from segvae_jax.allocator import restart_with_allocator
print("begin", flush=True)
restart_with_allocator()
import os, sys
print(os.getpid(), os.environ["GLIBC_TUNABLES"], *sys.argv)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator is Linux's")
@pytest.mark.parametrize(("given", "begins"), [(None, 2), ("glibc.malloc.check=0", 1)])
def test_a_program_starts_again_once_in_the_same_process(given, begins):
    environment = {name: value for name, value in os.environ.items() if name != "GLIBC_TUNABLES"}
    environment |= {} if given is None else {"GLIBC_TUNABLES": given}
    command = [sys.executable, "-c", PROGRAM, "--flag=a b", "more"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        *earlier, last = process.communicate()[0].splitlines()
    assert earlier == ["begin"] * begins
    assert last == f"{process.pid} {given or allocator._SETTING} -c --flag=a b more"


@pytest.mark.parametrize(("command", "times"), [("train", 1), ("eval", 1), ("generate", 0), ("edit", 0), ("demo", 0)])
def test_commands_with_large_arrays_alone_start_again(monkeypatch, command, times):
    calls = []
    monkeypatch.setattr(main, "restart_with_allocator", lambda: calls.append(command))
    monkeypatch.setattr(main, "keep_programs", lambda: None)
    monkeypatch.setattr(main, "interruptible", lambda *arguments: 0)
    main.main([command, "--help"], whole_process=True)
    assert calls == [command] * times
