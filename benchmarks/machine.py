"""The machine and the software versions that a row was measured with."""

import functools
import importlib.metadata
import platform
import subprocess
from pathlib import Path

import jax

from segvae_jax.workers import num_cores

_ROOT = Path(__file__).parent.parent
_PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "torch")


@functools.cache
def facts() -> dict[str, str | int]:
    """Processor, cores, devices, versions and commit, as far as they are known."""
    device = jax.devices()[0]
    return {
        "cpu": _cpu(), "cores": num_cores(), "backend": jax.default_backend(),
        "device": device.device_kind, "devices": jax.device_count(),
        "system": platform.platform(), "python": platform.python_version(),
        **{name: _version(name) for name in _PACKAGES}, "commit": _commit(),
    }  # fmt: skip


def one_line() -> str:
    """The most important facts in one line, for the head of a table."""
    known = facts()
    versions = ", ".join(f"{name} {known[name]}" for name in ("python", "jax", "flax", "torch"))
    cores = "1 core" if known["cores"] == 1 else f"{known['cores']} cores"
    return f"{known['cpu']}, {cores}; {known['device']} x {known['devices']}; {versions}"


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _commit() -> str:
    try:
        command = ["git", "-C", str(_ROOT), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"
