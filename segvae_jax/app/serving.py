"""Serves the page: checks that Gradio is installed and the port is free, and compiles while it starts."""

import contextlib
import functools
import importlib.util
import logging
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from segvae_jax.app.choices import SAMPLES
from segvae_jax.batching import padded_size
from segvae_jax.errors import ConfigError
from segvae_jax.generation import Generator
from segvae_jax.translation import Translator

# Gradio reads these when it is imported; without them it would report each start to its makers.
_QUIET = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


def serve(checkpoint: str, host: str, port: int, translator: Translator | None = None) -> None:
    """Loads a checkpoint, prints the address once maps can be generated, and serves the page until it is interrupted.

    Args:
      checkpoint: its directory, or its name as `Generator.load` takes it.
      host, port: where the page listens.
      translator: makes pictures of the maps; if None, the translator of the checkpoint does, if it has one.

    Raises:
      ConfigError: if Gradio is not installed, or the address cannot be used.
      CheckpointError: if the checkpoint cannot be loaded.
    """
    _require_gradio()
    _require_free(host, port)
    generator, translator = Generator.load(checkpoint), translator or Translator.of_checkpoint(checkpoint)
    with _warming_up(generator, translator) as first, Console(stderr=True).status("compiling") as status:
        page = _page()  # takes seconds, in which the first program is compiled
        first.result()
        status.stop()
        _serve(page, generator, translator, checkpoint, host, port)


def serve_generator(
    generator: Generator, checkpoint: str, host: str, port: int, translator: Translator | None = None
) -> None:
    """Serves the page of a loaded checkpoint, as `serve` does, without compiling anything before."""
    _require_gradio()
    _serve(_page(), generator, translator, checkpoint, host, port)


def _serve(
    page: Any, generator: Generator, translator: Translator | None, checkpoint: str, host: str, port: int
) -> None:
    """Serves the page; what users upload is gone when it returns."""
    folder = Path(os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir())
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="segvae_page_", dir=folder) as uploads:
        os.environ["GRADIO_TEMP_DIR"] = uploads  # Gradio looks it up when it makes the page
        page.launch(generator, translator, checkpoint, host, port, Path(uploads))


def _require_gradio() -> None:
    if importlib.util.find_spec("gradio") is None:
        raise ConfigError("the page needs Gradio, which is not installed: pip install 'segvae_jax[demo]'")


def _page() -> Any:
    """The module of the page, which needs Gradio."""
    os.environ.update(_QUIET)
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # bad forms are answered, and need no line in the log
    from segvae_jax.app import page

    return page


def _require_free(host: str, port: int) -> None:
    """Checks the address."""
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        raise ConfigError(f"cannot listen at {host}:{port} ({error.strerror}): give another --port or --host") from None


@contextlib.contextmanager
def _warming_up(generator: Generator, translator: Translator | None) -> Iterator[Future[Any]]:
    """Compiles in the background, one program after the other; what it yields is done when the first one is."""
    with ThreadPoolExecutor(1) as executor:
        futures = [executor.submit(call) for call in warm_up_calls(generator, translator)]
        try:
            yield futures[0]
        finally:
            executor.shutdown(cancel_futures=True)


def warm_up_calls(generator: Generator, translator: Translator | None = None) -> list[Callable[[], Any]]:
    """Calls after which no usual click compiles anything: every batch size, in the order in which users need them."""
    first, *others = dict.fromkeys(map(padded_size, (SAMPLES[1], *SAMPLES)))
    generate = functools.partial(generator.generate, generator.space.classes)
    calls: list[Callable[[], Any]] = [functools.partial(generate, first)]
    if translator:
        calls.append(functools.partial(translator.translate, np.zeros((1, *translator.image_size), np.uint8)))
    if generator.can_edit:
        stripes = np.tile(np.arange(generator.space.num_channels, dtype=np.uint8)[:, None], (2, 2))
        last = generator.space.drawing_order[-1]
        calls += (functools.partial(edit, stripes, last) for edit in (generator.restyle, generator.remove))
    return [*calls, *(functools.partial(generate, num) for num in others)]
