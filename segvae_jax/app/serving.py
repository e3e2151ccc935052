"""Serves the page: checks that Gradio is installed and the port is free, and compiles while it starts."""

import contextlib
import functools
import importlib.util
import logging
import os
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from segvae_jax.app.alternatives import LIKELIEST_OF
from segvae_jax.app.choices import SAMPLES
from segvae_jax.app.models import PageModel, loaded, with_known
from segvae_jax.batching import padded_size
from segvae_jax.errors import ConfigError
from segvae_jax.generation import Generator
from segvae_jax.translation import Translator

# Gradio reads these when it is imported; without them it would report each start to its makers.
_QUIET = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


def serve(checkpoints: Sequence[str], host: str, port: int, translator: Translator | None = None) -> None:
    """Loads checkpoints, prints the address once maps can be generated, and serves the page until it is interrupted.

    Besides the given checkpoints, the page offers the shipped ones and those of installed add-ons.

    Args:
      checkpoints: directories, or names as `Generator.load` takes them; the first one is shown first.
      host, port: where the page listens.
      translator: makes pictures of the maps of the first one; if None, its own translator does, if it has one.

    Raises:
      ConfigError: if Gradio is not installed, or the address cannot be used.
      CheckpointError: if a checkpoint cannot be loaded.
    """
    _require_gradio()
    _require_free(host, port)
    own: list[PageModel] = []
    for checkpoint in dict.fromkeys(checkpoints):
        own.append(loaded(checkpoint, own, None if own else translator))
    with _warming_up(own[0]) as first, Console(stderr=True).status("compiling") as status:
        page, models = _page(), with_known(own)  # takes seconds, in which the first program is compiled
        first.result()
        status.stop()
        _serve(page, models, host, port)


def serve_models(models: Sequence[PageModel], host: str, port: int) -> None:
    """Serves the page of loaded models, as `serve` does, without compiling anything before."""
    _require_gradio()
    _serve(_page(), models, host, port)


def _serve(page: Any, models: Sequence[PageModel], host: str, port: int) -> None:
    """Serves the page; what users upload is gone when it returns."""
    folder = Path(os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir())
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="segvae_page_", dir=folder) as uploads:
        os.environ["GRADIO_TEMP_DIR"] = uploads  # Gradio looks it up when it makes the page
        page.launch(models, host, port, Path(uploads))


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
def _warming_up(model: PageModel) -> Iterator[Future[Any]]:
    """Compiles in the background, one program after the other; what it yields is done when the first one is."""
    with ThreadPoolExecutor(1) as executor:
        futures = [executor.submit(call) for call in warm_up_calls(model.generator, model.translator)]
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
        restyle = functools.partial(generator.edit, stripes, restyle=last, candidates=LIKELIEST_OF)
        calls += [restyle, functools.partial(generator.remove, stripes, last)]
    calls += (functools.partial(generate, num) for num in others)
    if generator.can_infer:
        blank = np.zeros((1, *generator.card.model().image_size, generator.space.num_channels), bool)
        calls.append(functools.partial(generator.posterior, blank))
    return calls
