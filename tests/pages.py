"""Runs the commands of the README and of pages in docs/ as they stand, at a tiny size."""

import os
import pathlib
import re
import shlex
import socket
import subprocess
import sys
import urllib.request

ROOT = pathlib.Path(__file__).parent.parent
SMALL = [
    f"--config.{entry}"
    for entry in (
        "num_steps=4", "log_every=2", "checkpoint_every=2", "batch_size=8", "model.image_size=(16, 16)", "model.ngf=2",
        "model.context_dim=8", "model.hidden_dim=8", "model.latent_dim=4", "optimizer.warmup_steps=1",
        "data.num_maps=60", "data.prepared=prepared",
    )
]  # fmt: skip


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def commands(page: str) -> list[list[str]]:
    lines = "\n".join(blocks(page, "bash")).replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.strip()]


def run(command: list[str], folder: pathlib.Path) -> subprocess.CompletedProcess:
    """Runs a command as it stands; trainings, bulk generation and experiments get a tiny size on top.

    A server is started on a port that is free, asked for its page, and stopped.
    """
    cache = os.environ.get("JAX_COMPILATION_CACHE_DIR", str(ROOT / ".cache" / "jax"))
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "XLA_FLAGS": "--xla_backend_optimization_level=0",
        "JAX_COMPILATION_CACHE_DIR": cache,
    }
    command = [str(ROOT / word) if word.endswith(".py") else word for word in command[1:]]
    command = [re.sub(r"^--config=", f"--config={ROOT}/", word) for word in command]
    extra = SMALL if command[0].endswith("train.py") else []
    if any(word.startswith("--format=") for word in command):
        extra = ["--num=48", "--shard_size=32"]
    if "experiments.run" in command:
        extra = ["--rows=cvae_sep", "--suite=quick", "--prepared=prepared"]
    options = {"cwd": folder, "env": environment, "text": True}
    if command[0].endswith("demo.py"):
        return _asked([sys.executable, *command, f"--port={_free_port()}"], options)
    return subprocess.run([sys.executable, *command, *extra], capture_output=True, **options)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def _asked(command: list[str], options: dict) -> subprocess.CompletedProcess:
    """A server that has shown its page; it fails where the page cannot be had at the address that it prints."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options) as server:
        if address := re.search(r"http://\S+", server.stdout.readline()):
            with urllib.request.urlopen(address[0]) as page:
                assert "SegVAE" in page.read().decode()
            server.terminate()
        _, errors = server.communicate()
    return subprocess.CompletedProcess(command, 0 if address else server.returncode, stderr=errors)


def run_all(page: str, folder: pathlib.Path) -> list[list[str]]:
    """Runs the Python commands of a page in their order; each has to succeed."""
    ran = [command for command in commands(page) if command[0] == "python"]
    for command in ran:
        done = run(command, folder)
        assert done.returncode == 0, f"{shlex.join(command)}\n{done.stderr[-2000:]}"
        assert "Traceback" not in done.stderr
    return ran
