"""Runs the commands of the README and of pages in docs/ as they stand, at a tiny size."""

import contextlib
import io
import os
import pathlib
import re
import shlex
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Sequence

from segvae_jax.cli.main import COMMANDS, main

ROOT = pathlib.Path(__file__).parent.parent
SMALL = [
    f"--config.{entry}"
    for entry in (
        "num_steps=4", "log_every=2", "checkpoint_every=2", "batch_size=8", "model.image_size=(16, 16)", "model.ngf=2",
        "model.widths=(3, 4)",
        "model.context_dim=8", "model.hidden_dim=8", "model.latent_dim=4", "optimizer.warmup_steps=1",
        "data.num_maps=60", "data.prepared=prepared",
    )
]  # fmt: skip
SMALL_TRANSLATOR = [
    f"--config.{entry}"
    for entry in (
        "num_steps=2", "log_every=1", "checkpoint_every=2", "batch_size=8", "model.widths=(3, 4)",
        "model.discriminator_widths=(3, 4)", "model.hidden=4", "optimizer.warmup_steps=1",
    )
]  # fmt: skip
SMALL_SHARDS = ["--num=48", "--shard_size=32"]
SMALL_EXPERIMENT = ["--rows=cvae_sep", "--suite=quick", "--prepared=prepared"]


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def commands(page: str) -> list[list[str]]:
    lines = "\n".join(blocks(page, "bash")).replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.strip()]


def name_of(command: Sequence[str]) -> str | None:
    """The name of a command of this project, `train` of both `segvae train` and `python train.py`; else `None`."""
    match command:
        case ["segvae", name, *_]:
            return name
        case ["python", script, *_] if script.removesuffix(".py") in COMMANDS:
            return script.removesuffix(".py")
    return None


def run_all(page: str, folder: pathlib.Path) -> set[str | None]:
    """Runs the commands of a page in their order, each of which has to succeed; returns the names of them.

    Trainings, bulk generation and experiments get a tiny size on top. Commands of this project run in this process,
    which is fast; `demo` and other programs run in processes of their own.
    """
    ran = [command for command in commands(page) if command[0] in ("python", "segvae")]
    for command in ran:
        status, errors = run(command, folder)
        assert status == 0, f"{shlex.join(command)}\n{errors[-2000:]}"
        assert "Traceback" not in errors
    return {name_of(command) for command in ran}


def run(command: list[str], folder: pathlib.Path) -> tuple[int, str]:
    """Exit status and errors of one command."""
    name = name_of(command)
    if name == "demo":
        return _served(command[2:], folder)
    if name:
        with contextlib.chdir(folder), contextlib.redirect_stderr(io.StringIO()) as errors:
            return main([name, *_small(name, command[2:])]), errors.getvalue()
    words = [str(ROOT / word) if word.endswith(".py") else word for word in command[1:]]
    words += SMALL_EXPERIMENT if "experiments.run" in words else []
    done = subprocess.run([sys.executable, *words], capture_output=True, **_options(folder))
    return done.returncode, done.stderr


def _small(name: str, words: list[str]) -> list[str]:
    words = [re.sub(r"^--config=", f"--config={ROOT}/", word) for word in words]
    if name == "train":
        return [*words, *(SMALL_TRANSLATOR if any("configs/translator.py" in word for word in words) else SMALL)]
    if name == "prepare":
        return [*words, "--workers=1"]  # functions whose types the tests check cannot be sent to other processes
    return [*words, *SMALL_SHARDS] if any(word.startswith("--format=") for word in words) else words


def _options(folder: pathlib.Path) -> dict:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "XLA_FLAGS": "--xla_backend_optimization_level=0",
    }
    return {"cwd": folder, "env": environment, "text": True}


def _served(words: list[str], folder: pathlib.Path) -> tuple[int, str]:
    """Starts the server on a free port, and stops it; fails if there is no page at the address that it prints."""
    command = [sys.executable, str(ROOT / "demo.py"), *words, f"--port={_free_port()}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **_options(folder)) as server:
        if address := re.search(r"http://\S+", server.stdout.readline()):
            with urllib.request.urlopen(address[0]) as page:
                assert "SegVAE" in page.read().decode()
            server.terminate()
        _, errors = server.communicate()
    return (0 if address else server.returncode), errors


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]
