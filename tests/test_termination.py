"""Programs that are stopped: at a point where nothing is half done, and by Ctrl-C in one line."""

import os
import signal
import subprocess
import sys
import time

import pytest

from segvae_jax.cli import generate
from segvae_jax.cli.main import main
from segvae_jax.termination import INTERRUPTED, UNREAD, interruptible, termination

PROGRAM = """
import hashlib, signal, sys, time
from segvae_jax.termination import interruptible, termination

def busy():  # in compiled code, which Python cannot interrupt
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**30)

def polite():  # ends only by a second Ctrl-C
    with termination(signal.SIGINT):
        busy()

def replacing():  # as modules in C do
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        raise RuntimeError("initialisation failed")

def importing():  # modules in C may crash if their import is interrupted
    sys.path.append(sys.argv[2])
    import hanging

def compiling():  # in a thread of XLA, which goes on after the interrupt
    import jax
    import jax.numpy as jnp
    program = jax.jit(lambda x: [jnp.linalg.svd(jnp.sort(x + i)) for i in range(30)]).lower(jnp.ones((5, 5)))
    print("compiling", flush=True)
    program.compile()

class Sleeper:
    def __del__(self):
        time.sleep(60)

def destructor():
    sleeper = Sleeper()
    del sleeper

def waiting():
    time.sleep(60)

print("begin", flush=True)
sys.exit(interruptible(globals()[sys.argv[1]], "all is kept", True))
"""
HANGING = """
import os, time
try:
    time.sleep(60)
finally:  # a crash
    os.abort()
"""
LINE = "stopped by Ctrl-C: all is kept\n"


@pytest.mark.parametrize(
    ("what", "times", "patience"),
    [
        ("waiting", 1, 2),
        ("replacing", 1, 2),
        ("importing", 1, 2),
        ("destructor", 1, 2),
        ("compiling", 1, 8),
        ("busy", 1, 8),
        ("busy", 2, 2),
        ("polite", 2, 2),
    ],
)
def test_ctrl_c_ends_a_process_in_one_line_whatever_it_does(tmp_path, what, times, patience):
    (tmp_path / "hanging.py").write_text(HANGING)
    command = [sys.executable, "-c", PROGRAM, what, tmp_path]
    with subprocess.Popen(command, stdout=-1, stderr=-1, text=True) as process:
        process.stdout.readline()
        if what == "compiling":
            process.stdout.readline()
        time.sleep(0.2)
        for _ in range(times):
            process.send_signal(signal.SIGINT)
            time.sleep(0.1)
        sent = time.monotonic()
        try:
            assert process.communicate(timeout=60)[1] == LINE
        finally:
            process.kill()  # what is busy would be so for minutes
    assert process.returncode == INTERRUPTED == 130
    assert time.monotonic() - sent < patience


def test_a_program_that_does_not_own_the_process_returns_and_may_say_where_it_stopped(capsys):
    def stopped():
        raise KeyboardInterrupt("after step 5, saved")

    assert interruptible(stopped, "all is kept", False) == INTERRUPTED
    assert capsys.readouterr().err == "stopped by Ctrl-C after step 5, saved\n"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_other_errors_and_statuses_pass(capsys):
    assert interruptible(lambda: 2, "", False) == 2
    with pytest.raises(ZeroDivisionError):
        interruptible(lambda: 1 // 0, "", False)
    assert capsys.readouterr() == ("", "")


def test_every_command_ends_in_one_line(monkeypatch, capsys):
    monkeypatch.setattr(generate, "main", lambda given: signal.raise_signal(signal.SIGINT))
    assert main(["generate", "--num=1"]) == INTERRUPTED
    assert capsys.readouterr().err == "stopped by Ctrl-C: complete files are kept, start again for the others\n"


def test_the_first_signal_is_told_and_only_a_second_ctrl_c_raises():
    before = signal.getsignal(signal.SIGINT)
    with termination(signal.SIGTERM, signal.SIGINT) as received:
        assert received() is None
        for _ in range(2):
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        assert received() == signal.SIGTERM
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def printed_to_nobody(code: str) -> subprocess.CompletedProcess:
    read, write = os.pipe()
    os.close(read)
    try:
        return subprocess.run([sys.executable, "-c", code], stdout=write, stderr=subprocess.PIPE, text=True)
    finally:
        os.close(write)


@pytest.mark.parametrize("words", [["--help"], ["generate", "--help"], ["train", "--help"]])
def test_a_command_whose_output_nobody_reads_ends_quietly(words):
    done = printed_to_nobody(f"import sys; from segvae_jax.cli.main import main; sys.exit(main({words!r}))")
    assert (done.returncode, done.stderr) == (UNREAD, "")


def test_another_broken_pipe_is_an_error():
    def run():
        raise BrokenPipeError("a worker")

    with pytest.raises(BrokenPipeError, match="a worker"):
        interruptible(run, "", whole_process=False)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only some systems have a disk that is always full")
def test_a_full_disk_of_what_is_printed_is_one_line():
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "segvae_jax.cli.main", "--help"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: standard output: No space left on device: free some")
