"""MapEditor: the methods of a Generator that start from a given map."""

import functools
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Integer, UInt8

from segvae_jax import arguments, maps, sampling
from segvae_jax.batching import batches, call_on_maps
from segvae_jax.checkpoint.card import ModelCard
from segvae_jax.editing import (
    Change,
    Edits,
    can_rank_candidates,
    candidate_noise,
    checked_map,
    compose,
    joined,
    lies_above,
    noise_between,
    present_classes,
    sample_shapes,
)
from segvae_jax.errors import CheckpointError, LabelError
from segvae_jax.given_maps import Meaning, read_map
from segvae_jax.index_maps import IndexMaps
from segvae_jax.labels import LabelSpace
from segvae_jax.model.protocol import MapModel
from segvae_jax.model.registry import names_with
from segvae_jax.numerics import fixed_numerics
from segvae_jax.sampling import Latents, Temperature, temperature_array

_ROWS = 8  # candidates at once, or more if one alternative has more
_MAX_CANDIDATES = 256  # as each makes the program longer
_SEVERAL = 3  # dimensions of several maps


_Edit = TypeVar("_Edit", bound=Callable[..., Edits])


def of_each_map(edit: _Edit) -> _Edit:
    """Lets a method of a `MapEditor` that edits one map take the path of an index PNG, or several maps `[N, H, W]`,
    each of which is edited by itself."""

    @functools.wraps(edit)
    def edited(editor: "MapEditor", index_map: Any, *values: Any, **named: Any) -> Edits:
        if isinstance(index_map, str | os.PathLike):
            index_map = editor.read_map(Path(index_map))
        if arguments.dimensions(index_map) != _SEVERAL:
            return edit(editor, index_map, *values, **named)
        index_maps = arguments.index_maps(index_map, editor.space.num_channels, _SEVERAL)
        again = lambda value: tuple(value) if isinstance(value, Iterator) else value
        values, named = tuple(map(again, values)), {name: again(value) for name, value in named.items()}
        return joined([edit(editor, one, *values, **named) for one in index_maps])

    return cast(_Edit, edited)


class MapEditor:
    """Edits semantic maps with a trained model.

    Args:
      card: what the checkpoint says about the model.
      model: the model, without spectral norm.
      variables: of the model.

    Attributes:
      card: as given.
      space: the classes of the maps.
    """

    def __init__(self, card: ModelCard, model: MapModel, variables: dict[str, Any]):
        self.card: ModelCard = card
        self.space: LabelSpace = card.space
        self._model, self._variables = model, variables
        self._infer = jax.jit(functools.partial(sampling.infer, model))
        self._sample_shapes = jax.jit(functools.partial(sample_shapes, model, lies_above(self.space)))
        self._noise = jax.jit(functools.partial(candidate_noise, shape=model.sample_noise_shape), static_argnums=2)

    @property
    def can_infer(self) -> bool:
        """Whether the model has a posterior for each class."""
        return self._model.can_infer

    @fixed_numerics()
    def posterior(self, class_maps: Bool[np.ndarray, "N H W C"]) -> Latents:
        """Posterior and prior of the latents of given maps; each class sees the true shapes of earlier ones.

        Raises:
          CheckpointError: if the model has no posterior for each class; see `can_infer`.
          MapError: if the class maps are not bool of shape `[N, H, W, C]` in the size of the model.
        """
        if not self.can_infer:
            able = names_with("can_infer")
            raise CheckpointError(f"a {self.card.name} model has no posterior for each class: use {able}")
        inferred = call_on_maps(self._infer, self._variables, self._checked_class_maps(class_maps))
        return Latents(**inferred, scales=self._model.latent_scales)

    @property
    def latent_scales(self) -> tuple[str, ...]:
        """Names of the scales of the latent, from coarse to fine; none if it has a single one."""
        return tuple(self._model.latent_scales)

    def temperature_array(self, temperature: Temperature) -> Float[np.ndarray, "*Z"]:
        """The temperature as the model takes it, checked; see `segvae_jax.sampling.temperature_array`."""
        return temperature_array(self._model, temperature)

    def read_map(
        self, given: str | Path | Integer[np.ndarray, "*n H W"], labels: str | Path = ""
    ) -> UInt8[IndexMaps, "*n H W"]:
        """Reads a map in the classes of the model, which may have been merged from those of the map.

        Args:
          given: the path of an index PNG of any size, or of an RGB PNG if the labels have colours; or maps in memory.
          labels: says what the indices mean, see `segvae_jax.given_maps`: the file of a label list; "data" for the
            labels of the training maps; "model" for the classes of the model. If it is empty, the class names in the
            file do, or else the only one of these two that is possible. If both are, a warning says which was taken.

        Raises:
          MapError: if it cannot be read, or holds what stands for no class of the model.
          DataError: if `labels` is no list that can be read.
        """
        return read_map(given, Meaning(self.space, self.card.original, labels))

    @property
    def can_edit(self) -> bool:
        """Whether the model can generate some classes of a map while others stay as they are."""
        return self._model.can_edit

    def add(
        self,
        index_map: str | Path | Integer[np.ndarray, "*n H W"],
        labels: str | Iterable[str],
        num: int = 1,
        seed: int = 0,
        temperature: Temperature = 1.0,
        region: Bool[np.ndarray, "h w"] | None = None,
    ) -> Edits:
        """Adds classes that a map does not have; arguments and errors as in `edit`."""
        return self.edit(index_map, labels, num=num, seed=seed, temperature=temperature, region=region)

    def remove(
        self,
        index_map: str | Path | Integer[np.ndarray, "*n H W"],
        labels: str | Iterable[str],
        region: Bool[np.ndarray, "h w"] | None = None,
    ) -> Edits:
        """Removes classes from a map, and fills in what the model expects there; gives one alternative."""
        return self.edit(index_map, remove=labels, region=region)

    def restyle(
        self,
        index_map: str | Path | Integer[np.ndarray, "*n H W"],
        labels: str | Iterable[str],
        num: int = 1,
        seed: int = 0,
        temperature: Temperature = 1.0,
        region: Bool[np.ndarray, "h w"] | None = None,
    ) -> Edits:
        """Generates new shapes for classes of a map; arguments and errors as in `edit`."""
        return self.edit(index_map, restyle=labels, num=num, seed=seed, temperature=temperature, region=region)

    @of_each_map
    def complete(
        self,
        index_map: str | Path | Integer[np.ndarray, "*n H W"],
        labels: str | Iterable[str],
        num: int = 1,
        seed: int = 0,
        temperature: Temperature = 1.0,
        region: Bool[np.ndarray, "h w"] | None = None,
        candidates: int = 8,
    ) -> Edits:
        """Adds those of the given classes that a map does not have; a blank map becomes what `generate` returns.

        Args:
          index_map: an incomplete map, or several.
          labels: of the complete map; those that the map has may be left out.
          num, seed, temperature, region, candidates: as in `edit`.

        Raises:
          LabelError: if the map has all of the classes.
          LabelError, MapError, ArgumentError, CheckpointError: as in `edit`.
        """
        present = present_classes(checked_map(index_map, self.space), self.space)
        missing = [name for name in self.space.resolve(labels) if name not in present]
        if not missing:
            raise LabelError("nothing to complete: the map has all of these classes: name others, or restyle some")
        return self.edit(index_map, missing, (), (), num, seed, temperature, region, candidates)

    @of_each_map
    @fixed_numerics()
    def edit(
        self,
        index_map: str | Path | Integer[np.ndarray, "*n H W"],
        add: str | Iterable[str] = (),
        remove: str | Iterable[str] = (),
        restyle: str | Iterable[str] = (),
        num: int = 1,
        seed: int = 0,
        temperature: Temperature = 1.0,
        region: Bool[np.ndarray, "h w"] | None = None,
        candidates: int = 8,
    ) -> Edits:
        """Edits several classes of a map at once; `segvae_jax.editing` says which pixels may change.

        Args:
          index_map: of any size, in the channels of `space`; or the path of a PNG, which `read_map` reads. The results
            have the size of the map. The model works at its own size. Of several maps of one size, each gets its
            alternatives, those of the first map first.
          add: names of classes to add, which the map does not have.
          remove: names of classes to remove.
          restyle: names of classes that get new shapes.
          num: how many alternatives, 1 to 2^31 - 1; alternative i depends on the map, the seed and i alone. There is
            only one if no shape is generated.
          seed: of the noise, 0 to 2^31 - 1.
          temperature: of the prior, 0 to 10; below 1 more typical shapes, above 1 more varied ones.
          region: pixels that may change; all if None.
          candidates: how many candidates are generated per alternative, 1 to 256, of which the likeliest is kept.

        Raises:
          LabelError: if a class is unknown, one to add is in the map, or one to remove or restyle is not.
          MapError: if the map holds an index that the model does not know, or the region does not fit the map.
          ArgumentError: if a number is out of its range.
          CheckpointError: if the model generates all classes at once, see `can_edit`; or has no such scale of the
            latent.
        """
        assert not isinstance(index_map, str | Path)  # as `of_each_map` has read it
        change = self._change(index_map, add=add, remove=remove, restyle=restyle, region=region)
        num, seed = arguments.whole("num", num, 1), arguments.whole("seed", seed)
        candidates = arguments.whole("candidates", candidates, 1, _MAX_CANDIDATES)
        num, candidates = num if change.generated.any() else 1, candidates if can_rank_candidates(change) else 1
        size = max(_ROWS // candidates, 1)  # one size, so that no number of alternatives compiles anew
        noise = (self._noise(seed, start + np.arange(size), candidates) for start in range(0, num, size))
        return self._composed(change, noise, temperature).first(num)

    @of_each_map
    @fixed_numerics()
    def reshape(
        self,
        index_map: str | Path | Integer[np.ndarray, "*n H W"],
        labels: str | Iterable[str],
        steps: int,
        seed: int = 0,
    ) -> Edits:
        """Changes the shapes of classes of a map step by step, by noise along a great circle.

        Args:
          index_map: as in `edit`.
          labels: names of classes of the map.
          steps: how many maps; the first has the shapes of the map as the model reconstructs them.
          seed: of the last shapes, which are those of the first alternative of `restyle` with one candidate.

        Raises:
          LabelError, MapError, ArgumentError, CheckpointError: as in `edit`.
        """
        assert not isinstance(index_map, str | Path)  # as `of_each_map` has read it
        change = self._change(index_map, restyle=labels)
        steps, seed = arguments.whole("steps", steps, 1), arguments.whole("seed", seed)
        shapes = change.at_size(maps.index_to_shapes(change.index_map, self.space), self._model.image_size)
        end = self._noise(seed, np.zeros(1, int), 1)[0, 0]
        eps = noise_between(self.posterior(shapes[None]), end, steps)
        noise = (jnp.asarray(batch)[:, None] for _, batch in batches(np.asarray(eps), _ROWS))
        return self._composed(change, noise, 1.0).first(steps)

    def _change(self, index_map: Integer[np.ndarray, "*n H W"], **asked: Any) -> Change:
        """The change that is asked for, checked."""
        if not self.can_edit:
            able = names_with("can_edit")
            raise CheckpointError(f"a {self.card.name} model cannot edit maps: use {able}")
        return Change(self.space, index_map, **asked, fit=self.card.fit)

    def _checked_class_maps(self, class_maps: Any) -> Bool[np.ndarray, "N H W C"]:
        return arguments.class_maps(class_maps, (*self._model.image_size, self.space.num_channels))

    def _composed(self, change: Change, noise: Iterable[Float[Array, "N M K Z"]], temperature: Temperature) -> Edits:
        """One alternative per row of noise."""
        canvas = change.canvas(self._model.image_size)
        scaled = self.temperature_array(temperature)
        rows = [jax.device_get(self._sample_shapes(self._variables, *canvas, eps, scaled)) for eps in noise]
        return compose(change, *map(np.concatenate, zip(*rows, strict=True)))
