"""Chooses the device that is measured, and says what is missing if it cannot be used."""

import importlib.metadata
import os

import jax

from segvae_jax.errors import ConfigError

_PLUGINS = ("jax-cuda13-plugin", "jax-cuda12-plugin", "jax-rocm7-plugin")


def use_device(name: str) -> None:
    """Makes JAX compute on a device, in this process and in its children. To be called before JAX computes.

    Args:
      name: `cpu`, `gpu`, or "" for what JAX finds.

    Raises:
      ConfigError: if there is no such device. It says in one line what is missing.
    """
    if name == "cpu":
        os.environ["JAX_PLATFORMS"] = "cpu"
        jax.config.update("jax_platforms", "cpu")
    if name != "gpu":
        return
    try:
        backend = jax.default_backend()
    except RuntimeError as error:
        raise ConfigError(f"--device=gpu: {error}: see docs/performance.md") from None
    if backend != "gpu":
        raise ConfigError(f"--device=gpu: {_missing()}, or measure the processor with --device=cpu")


def _missing() -> str:
    """Why JAX has no GPU, and what to do."""
    platforms = os.environ.get("JAX_PLATFORMS")
    if platforms and not {"cuda", "gpu", "rocm"} & set(platforms.split(",")):
        return f"JAX_PLATFORMS={platforms} hides it: unset it"
    if not any(_is_installed(name) for name in _PLUGINS):
        return "JAX is installed without support for it: pip install 'segvae_jax[cuda13]'"
    return "JAX finds none on this machine: look at nvidia-smi, and whether the driver fits jax[cuda]"


def _is_installed(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
