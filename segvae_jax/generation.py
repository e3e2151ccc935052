"""Generator: what scripts, notebooks and services use.

    generator = Generator.load("runs/celeba")
    index_maps = generator.generate(["skin", "hair", "nose", "l_eye", "r_eye"], num=16, seed=0)
    picture = generator.picture(index_maps)

The pixels of a map are channels of `generator.space`, which has their names.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt8

from segvae_jax import arguments, pictures, sampling
from segvae_jax.batching import call_on_label_sets, call_on_maps, padded_size
from segvae_jax.checkpoint.card import ModelCard
from segvae_jax.checkpoint.loading import load_variables
from segvae_jax.checkpoint.portable import save_portable
from segvae_jax.editor import MapEditor
from segvae_jax.errors import ArgumentError, CheckpointError
from segvae_jax.files import locked
from segvae_jax.index_maps import IndexMaps
from segvae_jax.model.layers import fold_spectral_norm
from segvae_jax.model.registry import names_with
from segvae_jax.numerics import fixed_numerics
from segvae_jax.sampling import Temperature
from segvae_jax.sharding import device_mesh, replicated, split_batch

_LEAST = 4**5  # label-sets sampled at once, at least: one program for most numbers

Sampler = Callable[[Float[np.ndarray, "B C"], int, Int[np.ndarray, "B"], Temperature], UInt8[Array, "B H W"]]


class Generator(MapEditor):
    """A trained model, which generates semantic maps from label-sets and edits them.

    A map depends on the checkpoint, its label-set, the seed and its number, and on nothing else: not on the other
    maps of its batch.

    Args:
      card: what the checkpoint says about its model and training data.
      variables: of the model: `params` and, with spectral norm, `spectral`.
      step: of training at which the weights were saved.

    Attributes:
      space: the classes that can be asked for.
      card, step: as given.
      can_reconstruct: whether the model has a posterior to reconstruct maps from.
    """

    @fixed_numerics()
    def __init__(self, card: ModelCard, variables: dict[str, Any], step: int = 0):
        super().__init__(card, *fold_spectral_norm(card.model(), variables))
        self.step: int = step
        self._loaded = variables
        self.can_reconstruct: bool = self._model.can_reconstruct
        self._sample = jax.jit(functools.partial(sampling.sample, self._model))
        self._sample_index_maps = jax.jit(functools.partial(sampling.sample_index_maps, self._model, self.space))
        self._sample_between = jax.jit(functools.partial(sampling.sample_between, self._model, self.space))
        self._reconstruct = jax.jit(functools.partial(sampling.reconstruct, self._model))

    @classmethod
    def load(cls, directory: str | Path, step: int | None = None) -> "Generator":
        """Loads a checkpoint: of a training run, imported, exported, or saved by `save`.

        Args:
          directory: of the checkpoint, e.g. the `--workdir` of training; or the name of a shipped checkpoint,
            "cartoon" or "fashion", or of one in an installed add-on.
          step: number of a saved step; the latest if None. Averaged weights are used where the run kept them.

        Raises:
          CheckpointError: if the checkpoint cannot be loaded.
        """
        return cls(*load_variables(directory, step))

    from_pretrained = load  # the name of this method in other libraries

    @fixed_numerics()
    def save(self, directory: str | Path, half: bool = False) -> list[Path]:
        """Saves a checkpoint of two files, `model.json` and `weights.npz`, which `load` reads.

        Args:
          directory: where the files go; it is made if it is missing.
          half: whether kernels are rounded to float16, which halves the file and hardly changes the maps.

        Returns:
          the two files.

        Raises:
          ArgumentError: if `directory` is no path.
          OutputError: if the directory cannot be written to, or holds the saved steps of a training run.
        """
        card = dataclasses.replace(self.card, step=self.step, program="")
        path = arguments.path("directory", directory).resolve()
        with locked(path):
            return save_portable(path, card, self._loaded, half)

    def generate(
        self, labels: str | Iterable[str], num: int = 1, seed: int = 0, temperature: Temperature = 1.0
    ) -> UInt8[IndexMaps, "N H W"]:
        """Generates `num` index maps of one label-set.

        Args:
          labels: class names.
          num: how many maps, 1 to 2^31 - 1.
          seed: of the noise, 0 to 2^31 - 1.
          temperature: of the prior, 0 to 10; below 1 more typical maps, above 1 more varied ones. A model with several
            scales of the latent also takes a mapping from some of these (`latent_scales`) to their temperatures.

        Raises:
          LabelError: if a class is unknown, named twice, or none is named; the message names the nearest known one.
          ArgumentError: if a number is out of its range.
          CheckpointError: if the model has no such scale.
        """
        label_set = self.space.encode(labels)
        shape = arguments.whole("num", num, 1), self.space.num_channels
        return self.generate_each(np.broadcast_to(label_set, shape), seed, temperature)

    @fixed_numerics()
    def generate_each(
        self, label_sets: Bool[np.ndarray, "N C"], seed: int = 0, temperature: Temperature = 1.0
    ) -> UInt8[IndexMaps, "N H W"]:
        """Generates one index map per label-set; map i has the noise of sample i of the seed.

        Raises:
          LabelError: if the label-sets are not bool of shape `[N, C]`.
          ArgumentError, CheckpointError: as in `generate`.
        """
        label_sets = arguments.label_sets(label_sets, self.space.num_channels)
        noise = arguments.whole("seed", seed), self.temperature_array(temperature)
        index_maps = call_on_label_sets(self._sample_index_maps, self._variables, label_sets, *noise)
        return IndexMaps(index_maps, self.space)

    @fixed_numerics()
    def interpolate(
        self, labels: str | Iterable[str], steps: int, seeds: tuple[int, int], temperature: Temperature = 1.0
    ) -> UInt8[IndexMaps, "S H W"]:
        """Generates index maps on the way from one map of a label-set to another.

        The noise of each class is interpolated along a great circle, so that its norm stays that of noise
        (White 2016, "Sampling generative networks").

        Args:
          labels: class names.
          steps: how many maps, including the two ends.
          seeds: of the two ends, each of which is the first map that `generate` returns for that seed.
          temperature: of the prior.

        Raises:
          LabelError, ArgumentError, CheckpointError: as in `generate`.
        """
        label_set, steps, ends = self.space.encode(labels), arguments.whole("steps", steps, 1), _pair_of_seeds(seeds)
        size, scaled = padded_size(steps), self.temperature_array(temperature)
        label_sets = np.tile(label_set, (size, 1)).astype(np.float32)
        share = lambda number: np.minimum(number / max(steps - 1, 1), 1).astype(np.float32)
        sample = lambda start: self._sample_between(
            self._variables, label_sets, ends, share(start + np.arange(size)), scaled
        )
        index_maps = [np.asarray(sample(start)) for start in range(0, steps, size)]
        return IndexMaps(np.concatenate(index_maps)[:steps], self.space)

    @fixed_numerics()
    def generate_class_maps(
        self, label_sets: Bool[np.ndarray, "N C"], seed: int = 0, temperature: Temperature = 1.0, first: int = 0
    ) -> Float[np.ndarray, "N H W C"]:
        """Generates soft class maps in [0, 1], with the background filled in and faint classes raised.

        Args:
          label_sets: one per map.
          seed: of the noise.
          temperature: of the prior.
          first: number of the first map; map i has the noise of sample `first + i` of the seed.

        Raises:
          LabelError, ArgumentError, CheckpointError: as in `generate_each`.
        """
        label_sets = arguments.label_sets(label_sets, self.space.num_channels)
        first = arguments.whole("first", first, 0, arguments.LARGEST - len(label_sets))
        noise = arguments.whole("seed", seed), self.temperature_array(temperature)
        return call_on_label_sets(self._sample, self._variables, label_sets, *noise, first)

    @fixed_numerics()
    def sampler(self, devices: Sequence[jax.Device]) -> Sampler:
        """A function that computes what `generate_each` does on several devices, without waiting for the result.

        Args:
          devices: over which each batch is split.

        Returns:
          a function of label-sets `[B, C]` float32, the seed, numbers of the samples `[B]` and the temperature, which
          returns index maps `[B, H, W]` uint8 on the devices; B is a multiple of the number of devices.

        Raises:
          ArgumentError: if there is no device.
        """
        if not isinstance(devices, Sequence) or not all(isinstance(device, jax.Device) for device in devices or [None]):
            raise ArgumentError(
                f"devices={arguments.shown(devices)}: expected a list of devices, as jax.devices() gives"
            )
        mesh = device_mesh(devices)
        everywhere, split = replicated(mesh), split_batch(mesh)
        sample = jax.jit(
            functools.partial(sampling.sample_index_maps, self._model, self.space),
            in_shardings=(everywhere, split, everywhere, split, everywhere),
            out_shardings=split,
        )
        variables = jax.device_put(self._variables, everywhere)
        scaled = self.temperature_array
        return fixed_numerics()(
            lambda rows, seed, numbers, temperature: sample(variables, rows, seed, numbers, scaled(temperature))
        )

    @fixed_numerics()
    def reconstruct(self, class_maps: Bool[np.ndarray, "N H W C"]) -> Float[np.ndarray, "N H W C"]:
        """Soft class maps decoded from the mean of the posterior; each class sees the true shapes of earlier ones.

        Raises:
          CheckpointError: if the model has no posterior; see `can_reconstruct`.
          MapError: if the class maps are not bool of shape `[N, H, W, C]` in the size of the model.
        """
        if not self.can_reconstruct:
            able = names_with("can_reconstruct")
            raise CheckpointError(f"a {self.card.name} model has no posterior to reconstruct maps from: use {able}")
        return call_on_maps(self._reconstruct, self._variables, self._checked_class_maps(class_maps))

    @fixed_numerics()
    def random_label_sets(self, num: int, seed: int = 0, first: int = 0) -> Bool[np.ndarray, "N C"]:
        """Samples label-sets with their frequencies in the training data; each depends on the seed and its number.

        Args:
          num: how many.
          seed: of the samples.
          first: number of the first one.

        Raises:
          ArgumentError: if a number is out of its range, as in `generate`.
          CheckpointError: if the checkpoint has no label-sets, as an imported one.
        """
        if not len(self.card.label_sets):
            raise CheckpointError("this checkpoint knows no label-sets of training data: name the labels instead")
        num, seed = arguments.whole("num", num, 1), arguments.whole("seed", seed)
        first = arguments.whole("first", first, 0, arguments.LARGEST - num)
        share = (self.card.counts / self.card.counts.sum()).astype(np.float32)
        size = padded_size(max(num, _LEAST), most=4**16)
        rows = sampling.sample_rows(share, seed, first + np.arange(size))
        return self.card.label_sets[np.asarray(rows)[:num]]

    def fingerprint(self) -> str:
        """A short hash, equal for checkpoints of equal weights and label-sets, wherever they are stored."""
        return self.card.fingerprint(self._loaded)

    def picture(
        self, index_maps: UInt8[np.ndarray, "*n H W"], columns: int | None = None, scale: int | None = None
    ) -> UInt8[np.ndarray, "h w 3"]:
        """A coloured sheet of index maps, with a legend of the classes on it.

        Args:
          index_maps: one or several, in the channels of `space`.
          columns: maps per row, or as many as there are; None for a nearly square sheet with few blank cells.
          scale: side of the square that each pixel becomes, 1 to 64; None magnifies small maps.

        Raises:
          MapError: if they are no index maps of these classes.
          ArgumentError: if `columns` or `scale` is no such number.
        """
        ndim = 2 if arguments.dimensions(index_maps) == 2 else 3
        index_maps = arguments.index_maps(index_maps, self.space.num_channels, ndim)
        index_maps = index_maps.reshape(-1, *index_maps.shape[-2:])
        if columns is not None:
            columns = min(arguments.whole("columns", columns, 1), len(index_maps))
        if scale is not None:
            scale = arguments.whole("scale", scale, 1, arguments.MOST_MAGNIFIED)
        return pictures.sheet_with_legend(index_maps, self.space, columns, scale)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles the card and the weights; programs are compiled anew."""
        return type(self), (self.card, self._loaded, self.step)

    def __repr__(self) -> str:
        """The model, its classes and size, and its training, in one line."""
        height, width = self._model.image_size
        maps = f"{self.card.counts.sum():,} maps with {len(self.card.counts):,} label-sets"
        trained = f"{self.step:,} steps on {maps if len(self.card.counts) else 'unknown maps'}"
        about = f"{self.card.name}, {len(self.space.classes)} classes, {height} x {width} pixels"
        return f"<Generator: {about}, trained for {trained}>"


def _pair_of_seeds(seeds: Any) -> Int[np.ndarray, "2"]:
    if not isinstance(seeds, Sequence | np.ndarray) or len(seeds) != 2:
        raise ArgumentError(f"seeds={arguments.shown(seeds)}: expected two whole numbers")
    return np.array([arguments.whole("seed", seed) for seed in seeds])
