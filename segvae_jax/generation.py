"""Generator: what scripts, notebooks and services call.

    generator = Generator.load("runs/celeba")
    index_maps = generator.generate(["skin", "hair", "nose", "l_eye", "r_eye"], num=16, seed=0)
    picture = generator.picture(index_maps)

The classes in a map are those of `generator.space`, by channel.
"""

import functools
import hashlib
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Integer, Shaped, UInt8

from segvae_jax import maps, pictures, sampling
from segvae_jax.checkpoint.card import ModelCard
from segvae_jax.checkpoint.loading import load_variables
from segvae_jax.editing import (
    Change,
    Edits,
    candidate_noise,
    compose,
    lies_above,
    names_of,
    noise_between,
    present_classes,
    redraw,
    weighs,
)
from segvae_jax.errors import CheckpointError, LabelError
from segvae_jax.labels import LabelSpace
from segvae_jax.model.layers import fold_spectral_norm
from segvae_jax.sampling import Latents
from segvae_jax.sharding import device_mesh, replicated, split_batch

_BATCH = 16

Painter = Callable[[Float[np.ndarray, "B C"], int, Int[np.ndarray, "B"], float], UInt8[Array, "B H W"]]


class Generator:
    """A trained model: draws semantic maps from label-sets.

    A sample is a function of the checkpoint, its label-set, the seed and its number, and of nothing
    else: not of the other samples of its batch.

    Attributes:
      space: the classes that can be asked for.
      card: what the checkpoint says of its model and data.
      step: of training at which the weights were saved.
      can_reconstruct: whether the model has a posterior to reconstruct from.
    """

    def __init__(self, card: ModelCard, variables: dict[str, Any], step: int = 0):
        self.card: ModelCard = card
        self.step: int = step
        self.space: LabelSpace = card.space
        self._loaded = variables
        self._model, self._variables = fold_spectral_norm(card.model(), variables)
        self.can_reconstruct: bool = self._model.can_reconstruct
        self._draw = jax.jit(functools.partial(sampling.draw, self._model))
        self._paint = jax.jit(functools.partial(sampling.paint, self._model, self.space))
        self._between = jax.jit(functools.partial(sampling.paint_between, self._model, self.space))
        self._reconstruct = jax.jit(functools.partial(sampling.reconstruct, self._model))
        self._infer = jax.jit(functools.partial(sampling.infer, self._model))
        self._redraw = jax.jit(functools.partial(redraw, self._model, lies_above(self.space)))
        noise = functools.partial(candidate_noise, shape=self._model.sample_noise_shape)
        self._noise = jax.jit(noise, static_argnums=2)

    @classmethod
    def load(cls, directory: str | Path, step: int | None = None) -> "Generator":
        """Loads a checkpoint directory: of a training run, imported or exported.

        Args:
          directory: the `--workdir` of training; or the name of a shipped checkpoint, "cartoon" or "fashion".
          step: of the saved ones; the latest if None. Averaged weights are used where kept.

        Raises:
          CheckpointError: if it cannot be loaded.
        """
        return cls(*load_variables(directory, step))

    def generate(
        self, labels: Iterable[str], num: int = 1, seed: int = 0, temperature: float = 1.0
    ) -> UInt8[np.ndarray, "N H W"]:
        """Draws `num` index maps of one label-set.

        Args:
          labels: class names.
          num: how many.
          seed: of the noise.
          temperature: of the prior; below 1 more typical maps, above 1 more varied ones.

        Raises:
          LabelError: if a name is unknown; names the nearest known one.
        """
        return self.generate_each(np.tile(self.space.encode(labels), (num, 1)), seed, temperature)

    def generate_each(
        self, label_sets: Bool[np.ndarray, "N C"], seed: int = 0, temperature: float = 1.0
    ) -> UInt8[np.ndarray, "N H W"]:
        """Draws one index map a label-set; number i has the noise of sample i of the seed."""
        paint = functools.partial(self._padded_call, self._paint)
        return np.concatenate([paint(rows, seed, temperature, start) for start, rows in _chunks(label_sets)])

    def interpolate(
        self, labels: Iterable[str], steps: int, seeds: tuple[int, int], temperature: float = 1.0
    ) -> UInt8[np.ndarray, "S H W"]:
        """Draws index maps on the way from one map of a label-set to another.

        The noise of each class goes along a great circle, so that it stays as large as noise is
        (White 2016, "Sampling generative networks").

        Args:
          labels: class names.
          steps: how many maps, the two ends included.
          seeds: of the ends, which are the maps that `generate` draws first with them.
          temperature: of the prior.

        Raises:
          LabelError: if a name is unknown; names the nearest known one.
        """
        label_sets = np.tile(self.space.encode(labels), (_padded(steps), 1)).astype(np.float32)
        shares = np.minimum(np.arange(_padded(steps)) / max(steps - 1, 1), 1).astype(np.float32)
        drawn = self._between(self._variables, label_sets, np.asarray(seeds), shares, float(temperature))
        return np.asarray(drawn)[:steps]

    def class_maps(
        self, label_sets: Bool[np.ndarray, "N C"], seed: int = 0, temperature: float = 1.0, first: int = 0
    ) -> Float[np.ndarray, "N H W C"]:
        """Draws soft class maps in [0, 1], background filled in, faint classes raised (`maps.raise_faint`).

        Args:
          label_sets: what to draw.
          seed: of the noise.
          temperature: of the prior.
          first: number of the first sample.
        """
        return self._padded_call(self._draw, label_sets, seed, temperature, first)

    def painter(self, devices: Sequence[jax.Device]) -> Painter:
        """`draw` for batches of one size over several devices: dispatched, not waited for.

        Returns:
          a function of label-sets `[B, C]`, seed, numbers of the samples `[B]` and temperature that gives
          index maps `[B, H, W]` uint8, split over the devices; B is a multiple of their number.
        """
        mesh = device_mesh(devices)
        everywhere, split = replicated(mesh), split_batch(mesh)
        paint = jax.jit(
            functools.partial(sampling.paint, self._model, self.space),
            in_shardings=(everywhere, split, everywhere, split, everywhere),
            out_shardings=split,
        )
        return functools.partial(paint, jax.device_put(self._variables, everywhere))

    def _padded_call(
        self,
        function: Callable[..., Array],
        label_sets: Bool[np.ndarray, "N C"],
        seed: int,
        temperature: float,
        first: int,
    ) -> Shaped[np.ndarray, "N ..."]:
        """`sampling.draw` or `sampling.paint` of a batch that is padded to one of few sizes."""
        size = _padded(len(label_sets))
        wanted = np.pad(label_sets, ((0, size - len(label_sets)), (0, 0)), mode="edge").astype(np.float32)
        drawn = function(self._variables, wanted, seed, first + np.arange(size), float(temperature))
        return np.asarray(drawn)[: len(label_sets)]

    def reconstruct(self, class_maps: Bool[np.ndarray, "N H W C"]) -> Float[np.ndarray, "N H W C"]:
        """Soft class maps decoded from the mean of the posterior, each class on a canvas of true shapes.

        Raises:
          CheckpointError: if the model has no posterior; see `can_reconstruct`.
        """
        if not self.can_reconstruct:
            raise CheckpointError(f"a {self.card.name} model has no posterior: it draws maps, but reconstructs none")
        return self._padded_maps_call(self._reconstruct, class_maps)

    @property
    def can_infer(self) -> bool:
        """Whether the model has a posterior for each class."""
        return self._model.can_infer

    def posterior(self, class_maps: Bool[np.ndarray, "N H W C"]) -> Latents:
        """What the posterior makes of maps, and what the prior expected, each class on a canvas of true shapes.

        Raises:
          CheckpointError: if the model has no posterior for each class; see `can_infer`.
        """
        if not self.can_infer:
            raise CheckpointError(f"a {self.card.name} model has no posterior for each class: use a SegVAE")
        return Latents(**self._padded_maps_call(self._infer, class_maps))

    @property
    def can_edit(self) -> bool:
        """Whether the model can draw some classes of a map among others that stay."""
        return self._model.can_edit

    def add(
        self,
        index_map: Integer[np.ndarray, "H W"],
        labels: str | Iterable[str],
        num: int = 1,
        seed: int = 0,
        temperature: float = 1.0,
        region: Bool[np.ndarray, "h w"] | None = None,
    ) -> Edits:
        """Draws classes that a map does not have into it; arguments as in `edit`."""
        return self.edit(index_map, labels, num=num, seed=seed, temperature=temperature, region=region)

    def remove(
        self,
        index_map: Integer[np.ndarray, "H W"],
        labels: str | Iterable[str],
        region: Bool[np.ndarray, "h w"] | None = None,
    ) -> Edits:
        """Takes classes out of a map, and fills in what the model expects there; one alternative."""
        return self.edit(index_map, remove=labels, region=region)

    def restyle(
        self,
        index_map: Integer[np.ndarray, "H W"],
        labels: str | Iterable[str],
        num: int = 1,
        seed: int = 0,
        temperature: float = 1.0,
        region: Bool[np.ndarray, "h w"] | None = None,
    ) -> Edits:
        """Draws classes of a map anew; arguments as in `edit`."""
        return self.edit(index_map, restyle=labels, num=num, seed=seed, temperature=temperature, region=region)

    def complete(
        self,
        index_map: Integer[np.ndarray, "H W"],
        labels: str | Iterable[str],
        num: int = 1,
        seed: int = 0,
        temperature: float = 1.0,
        region: Bool[np.ndarray, "h w"] | None = None,
    ) -> Edits:
        """Draws those of the given classes that a map does not have yet; of a blank map, what `generate` draws.

        Args:
          index_map: a map in part.
          labels: of the whole map; those that it has need not be named.
          num, seed, temperature, region: as in `edit`.

        Raises:
          LabelError: if the map has all of them; or as `edit`.
        """
        missing = [name for name in names_of(labels) if name not in present_classes(index_map, self.space)]
        if not missing:
            raise LabelError("nothing to complete: the map has all of these classes: name others, or restyle some")
        return self.add(index_map, missing, num, seed, temperature, region)

    def edit(
        self,
        index_map: Integer[np.ndarray, "H W"],
        add: str | Iterable[str] = (),
        remove: str | Iterable[str] = (),
        restyle: str | Iterable[str] = (),
        num: int = 1,
        seed: int = 0,
        temperature: float = 1.0,
        region: Bool[np.ndarray, "h w"] | None = None,
        candidates: int = 8,
    ) -> Edits:
        """Edits several classes of a map at once; see `segvae_jax.editing` for what may change.

        Args:
          index_map: of any size, which the results have as well; it is converted to the model's and back.
          add: names of classes to draw that the map does not have.
          remove: of classes to take out.
          restyle: of classes to draw anew.
          num: how many alternatives; number i is a function of the map, the seed and i. Where nothing is drawn
            there is one.
          seed: of the noise.
          temperature: of the prior; below 1 more typical shapes, above 1 more varied ones.
          region: pixels that may change; all if None.
          candidates: how many to draw for each alternative and choose from, where there is something to choose by.

        Raises:
          LabelError: if a name is unknown, a class to add is there, or one to remove or restyle is not.
          MapError: if the map holds what the model does not know, or the region does not fit it.
          CheckpointError: if the model draws all classes at once; see `can_edit`.
        """
        change = self._change(index_map, add=add, remove=remove, restyle=restyle, region=region)
        num, candidates = num if change.drawn.any() else 1, candidates if weighs(change) else 1
        size = min(max(_BATCH // candidates, 1), _padded(num))
        noise = (self._noise(seed, start + np.arange(size), candidates) for start in range(0, num, size))
        return self._composed(change, noise, temperature).first(num)

    def reshape(
        self, index_map: Integer[np.ndarray, "H W"], labels: str | Iterable[str], steps: int, seed: int = 0
    ) -> Edits:
        """Draws classes of a map on the way from their shapes to others, along a great circle of noise.

        Args:
          index_map: as in `edit`.
          labels: names of classes of the map.
          steps: how many maps; the first has the shapes as the model reconstructs them.
          seed: the last has the shapes that `restyle` draws first with it, from one candidate.

        Raises:
          LabelError, MapError, CheckpointError: as `edit`.
        """
        change = self._change(index_map, restyle=labels)
        shapes = maps.resize(maps.index_to_shapes(index_map, self.space), self._model.image_size)
        end = self._noise(seed, np.zeros(1, int), 1)[0, 0]
        eps = noise_between(self.posterior(shapes[None]), end, steps)
        return self._composed(change, [eps[start : start + _BATCH, None] for start in range(0, steps, _BATCH)], 1.0)

    def _change(self, index_map: Integer[np.ndarray, "H W"], **asked: Any) -> Change:
        """What is asked, checked; classes by one name or several."""
        if not self.can_edit:
            raise CheckpointError(f"a {self.card.name} model draws all classes at once and edits none: use a SegVAE")
        region = asked.pop("region", None)
        return Change(self.space, np.asarray(index_map), region=region, **{k: names_of(v) for k, v in asked.items()})

    def _composed(self, change: Change, noise: Iterable[Float[Array, "N M K Z"]], temperature: float) -> Edits:
        """The alternatives of some noise."""
        canvas = change.canvas(self._model.image_size)
        rows = [jax.device_get(self._redraw(self._variables, *canvas, eps, float(temperature))) for eps in noise]
        return compose(change, *map(np.concatenate, zip(*rows, strict=True)))

    def _padded_maps_call(self, function: Callable[..., Any], class_maps: Bool[np.ndarray, "N H W C"]) -> Any:
        """`sampling.reconstruct` or `sampling.infer` of maps, a padded batch at a time."""
        rows = []
        for _, part in _chunks(class_maps):
            padded = np.pad(part, ((0, _padded(len(part)) - len(part)), (0, 0), (0, 0), (0, 0)))
            output = jax.device_get(function(self._variables, padded.astype(np.float32)))
            rows.append(jax.tree.map(operator.itemgetter(slice(len(part))), output))
        return jax.tree.map(lambda *arrays: np.concatenate(arrays), *rows)

    def random_label_sets(self, num: int, seed: int = 0, first: int = 0) -> Bool[np.ndarray, "N C"]:
        """Label-sets as frequent as in the training data; each is a function of the seed and its number.

        Args:
          num: how many.
          seed: of the draw.
          first: number of the first.

        Raises:
          CheckpointError: if the checkpoint does not know them, as an imported one.
        """
        if not len(self.card.label_sets):
            raise CheckpointError("this checkpoint knows no label-sets of training data: name the labels instead")
        share = (self.card.counts / self.card.counts.sum()).astype(np.float32)
        rows = sampling.choose_rows(share, seed, first + np.arange(_padded(num)))
        return self.card.label_sets[np.asarray(rows)[:num]]

    def fingerprint(self) -> str:
        """Equal for checkpoints of equal weights and label-sets, wherever they lie."""
        model = [self.space.to_json(), sorted((key, str(value)) for key, value in self.card.arguments.items())]
        digest = hashlib.sha256(repr(model).encode())
        for array in jax.tree.leaves((self._loaded, self.card.label_sets, self.card.counts)):
            digest.update(np.asarray(array).tobytes())
        return digest.hexdigest()[:12]

    def picture(self, index_maps: UInt8[np.ndarray, "N H W"], columns: int | None = None) -> UInt8[np.ndarray, "h w 3"]:
        """Coloured sheet of index maps with a legend of the classes on it; small maps are magnified."""
        scale = max(1, 192 // index_maps.shape[1])
        sheet = pictures.sheet(index_maps, self.space, columns, scale)
        shown = [name for name in self.space.classes if (index_maps == self.space.channel(name)).any()]
        return np.concatenate([sheet, pictures.legend(self.space, shown, sheet.shape[1])])


def _chunks(rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    return ((start, rows[start : start + _BATCH]) for start in range(0, len(rows), _BATCH))


def _padded(num: int) -> int:
    """The next power of two: few shapes, so few compilations."""
    return 1 << max(num - 1, 0).bit_length()
