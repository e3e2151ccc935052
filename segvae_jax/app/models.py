"""The models that the page offers: those that the user names, then the shipped ones and those of installed add-ons."""

import dataclasses
import re
import sys
from collections.abc import Sequence

from segvae_jax.errors import CheckpointError
from segvae_jax.generation import Generator
from segvae_jax.shipped import checkpoint_names
from segvae_jax.translation import Translator


@dataclasses.dataclass(frozen=True, eq=False)
class PageModel:
    """A model that the page offers.

    Attributes:
      name: of the checkpoint.
      path: of the page of the model on the server; "" for the first one.
      generator: makes the maps.
      translator: makes pictures of them, which the page can show instead; None if there is none.
    """

    name: str
    path: str
    generator: Generator
    translator: Translator | None

    @property
    def scope(self) -> str:
        """The class in CSS of what belongs to this model."""
        return self.path or "model-first"


def with_known(first: Sequence[PageModel]) -> tuple[PageModel, ...]:
    """The given models, and after them all that can be loaded by name; one that cannot is told in one line."""
    models = list(first)
    for name in checkpoint_names():
        if name in [model.name for model in models]:
            continue
        try:
            models.append(loaded(name, models))
        except CheckpointError as error:
            print(f"the page leaves out a model: {error}", file=sys.stderr)
    return tuple(models)


def loaded(checkpoint: str, before: Sequence[PageModel] = (), translator: Translator | None = None) -> PageModel:
    """Loads a model.

    Args:
      checkpoint: its directory, or its name as `Generator.load` takes it.
      before: the models before it, which have other paths.
      translator: of its maps; if None, that of the checkpoint, if it has one.

    Raises:
      CheckpointError: if it cannot be loaded.
    """
    generator = Generator.load(checkpoint)
    path = _path(checkpoint, [model.path for model in before]) if before else ""
    return PageModel(checkpoint, path, generator, translator or Translator.of_checkpoint(checkpoint))


def _path(name: str, others: Sequence[str]) -> str:
    """A path of letters, digits and dashes that no other model has."""
    path = "-".join(["model", *re.findall("[a-z0-9]+", name.lower())])
    return path if path not in others else f"{path}-{len(others)}"
