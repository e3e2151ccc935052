"""Serves the page: checks that Gradio is installed and the port is free, and compiles everything before it listens."""

import functools
import logging
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from segvae_jax.app.choices import ALTERNATIVES, SAMPLES
from segvae_jax.errors import ConfigError
from segvae_jax.generation import Generator

# Gradio reads these when it is imported; without them it would report each start to its makers.
_QUIET = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


def serve(checkpoint: str, host: str, port: int) -> None:
    """Loads a checkpoint, compiles its programs, prints the address, and serves the page until it is interrupted.

    Args:
      checkpoint: its directory, or its name as `Generator.load` takes it.
      host, port: where the page listens.

    Raises:
      ConfigError: if Gradio is not installed, or the address cannot be used.
      CheckpointError: if the checkpoint cannot be loaded.
    """
    _page()  # before minutes of compiling
    _require_free(host, port)
    generator = Generator.load(checkpoint)
    for call in track(list(warm_up_calls(generator)), "compiling", console=Console(stderr=True), transient=True):
        call()
    serve_generator(generator, checkpoint, host, port)


def serve_generator(generator: Generator, checkpoint: str, host: str, port: int) -> None:
    """Serves the page of a loaded checkpoint, as `serve` does; what users upload is gone when it returns."""
    page = _page()
    folder = Path(os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir())
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="segvae_page_", dir=folder) as uploads:
        os.environ["GRADIO_TEMP_DIR"] = uploads  # Gradio looks it up when it makes the page
        page.launch(generator, checkpoint, host, port, Path(uploads))


def _page() -> Any:
    """The module of the page, which needs Gradio."""
    os.environ.update(_QUIET)
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # bad forms are answered, and need no line in the log
    try:
        from segvae_jax.app import page
    except ModuleNotFoundError as error:
        if error.name != "gradio":
            raise
        raise ConfigError("the page needs Gradio, which is not installed: pip install 'segvae_jax[demo]'") from None
    return page


def _require_free(host: str, port: int) -> None:
    """Checks the address."""
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        raise ConfigError(f"cannot listen at {host}:{port} ({error.strerror}): give another --port or --host") from None


def warm_up_calls(generator: Generator) -> Iterator[Callable[[], Any]]:
    """Calls after which no click on the page compiles anything: every batch size of generation and of every edit."""
    space, call = generator.space, functools.partial
    yield from (call(generator.generate, space.classes, num) for num in SAMPLES)
    if not generator.can_edit:
        return
    first, last = space.drawing_order[0], space.drawing_order[-1]
    stripes = np.tile(np.arange(space.num_channels, dtype=np.uint8)[:, None], (2, 2))
    yield from (call(generator.restyle, stripes, name, num) for name in (first, last) for num in ALTERNATIVES)
    yield from (call(generator.remove, stripes, last, region) for region in (None, np.ones(stripes.shape, bool)))
