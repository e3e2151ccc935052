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

from segvae_jax import pictures, sampling
from segvae_jax.batching import batches, call_on_label_sets, call_on_maps, padded_size
from segvae_jax.checkpoint.card import ModelCard
from segvae_jax.checkpoint.loading import load_variables
from segvae_jax.checkpoint.portable import save_portable
from segvae_jax.editor import MapEditor
from segvae_jax.errors import CheckpointError
from segvae_jax.files import locked
from segvae_jax.index_maps import IndexMaps
from segvae_jax.model.layers import fold_spectral_norm
from segvae_jax.model.registry import names_with
from segvae_jax.sampling import Temperature, temperature_array
from segvae_jax.sharding import device_mesh, replicated, split_batch

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

    def save(self, directory: str | Path, half: bool = False) -> list[Path]:
        """Saves a checkpoint of two files, `model.json` and `weights.npz`, which `load` reads.

        Args:
          directory: where the files go; it is made if it is missing.
          half: whether kernels are rounded to float16, which halves the file and hardly changes the maps.

        Returns:
          the two files.

        Raises:
          OutputError: if the directory cannot be written to, or holds the saved steps of a training run.
        """
        card = dataclasses.replace(self.card, step=self.step, program="")
        path = Path(directory).expanduser().resolve()
        with locked(path):
            return save_portable(path, card, self._loaded, half)

    def generate(
        self, labels: Iterable[str], num: int = 1, seed: int = 0, temperature: Temperature = 1.0
    ) -> UInt8[IndexMaps, "N H W"]:
        """Generates `num` index maps of one label-set.

        Args:
          labels: class names.
          num: how many maps.
          seed: of the noise.
          temperature: of the prior; below 1 more typical maps, above 1 more varied ones. A model with several scales
            of the latent also takes a mapping from some of these (`latent_scales`) to their temperatures.

        Raises:
          LabelError: if a class is unknown; the message names the nearest known one.
          CheckpointError: if the model has no such scale.
        """
        return self.generate_each(np.tile(self.space.encode(labels), (num, 1)), seed, temperature)

    def generate_each(
        self, label_sets: Bool[np.ndarray, "N C"], seed: int = 0, temperature: Temperature = 1.0
    ) -> UInt8[IndexMaps, "N H W"]:
        """Generates one index map per label-set; map i has the noise of sample i of the seed."""
        sample = functools.partial(call_on_label_sets, self._sample_index_maps, self._variables)
        scaled = temperature_array(self._model, temperature)
        index_maps = [sample(rows, seed, scaled, start) for start, rows in batches(label_sets)]
        return IndexMaps(np.concatenate(index_maps), self.space)

    def interpolate(
        self, labels: Iterable[str], steps: int, seeds: tuple[int, int], temperature: Temperature = 1.0
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
          LabelError: if a class is unknown; the message names the nearest known one.
        """
        size = padded_size(steps)
        label_sets = np.tile(self.space.encode(labels), (size, 1)).astype(np.float32)
        shares = np.minimum(np.arange(size) / max(steps - 1, 1), 1).astype(np.float32)
        scaled = temperature_array(self._model, temperature)
        index_maps = self._sample_between(self._variables, label_sets, np.asarray(seeds), shares, scaled)
        return IndexMaps(np.asarray(index_maps)[:steps], self.space)

    def generate_class_maps(
        self, label_sets: Bool[np.ndarray, "N C"], seed: int = 0, temperature: Temperature = 1.0, first: int = 0
    ) -> Float[np.ndarray, "N H W C"]:
        """Generates soft class maps in [0, 1], with the background filled in and faint classes raised.

        Args:
          label_sets: one per map.
          seed: of the noise.
          temperature: of the prior.
          first: number of the first map; map i has the noise of sample `first + i` of the seed.
        """
        scaled = temperature_array(self._model, temperature)
        return call_on_label_sets(self._sample, self._variables, label_sets, seed, scaled, first)

    def sampler(self, devices: Sequence[jax.Device]) -> Sampler:
        """A function that computes what `generate_each` does on several devices, without waiting for the result.

        Args:
          devices: over which each batch is split.

        Returns:
          a function of label-sets `[B, C]` float32, the seed, numbers of the samples `[B]` and the temperature, which
          returns index maps `[B, H, W]` uint8 on the devices; B is a multiple of the number of devices.
        """
        mesh = device_mesh(devices)
        everywhere, split = replicated(mesh), split_batch(mesh)
        sample = jax.jit(
            functools.partial(sampling.sample_index_maps, self._model, self.space),
            in_shardings=(everywhere, split, everywhere, split, everywhere),
            out_shardings=split,
        )
        variables = jax.device_put(self._variables, everywhere)
        scaled = functools.partial(temperature_array, self._model)
        return lambda rows, seed, numbers, temperature: sample(variables, rows, seed, numbers, scaled(temperature))

    def reconstruct(self, class_maps: Bool[np.ndarray, "N H W C"]) -> Float[np.ndarray, "N H W C"]:
        """Soft class maps decoded from the mean of the posterior; each class sees the true shapes of earlier ones.

        Raises:
          CheckpointError: if the model has no posterior; see `can_reconstruct`.
        """
        if not self.can_reconstruct:
            able = names_with("can_reconstruct")
            raise CheckpointError(f"a {self.card.name} model has no posterior to reconstruct maps from: use {able}")
        return call_on_maps(self._reconstruct, self._variables, class_maps)

    def random_label_sets(self, num: int, seed: int = 0, first: int = 0) -> Bool[np.ndarray, "N C"]:
        """Samples label-sets with their frequencies in the training data; each depends on the seed and its number.

        Args:
          num: how many.
          seed: of the samples.
          first: number of the first one.

        Raises:
          CheckpointError: if the checkpoint has no label-sets, as an imported one.
        """
        if not len(self.card.label_sets):
            raise CheckpointError("this checkpoint knows no label-sets of training data: name the labels instead")
        share = (self.card.counts / self.card.counts.sum()).astype(np.float32)
        rows = sampling.sample_rows(share, seed, first + np.arange(padded_size(num)))
        return self.card.label_sets[np.asarray(rows)[:num]]

    def fingerprint(self) -> str:
        """A short hash, equal for checkpoints of equal weights and label-sets, wherever they are stored."""
        return self.card.fingerprint(self._loaded)

    def picture(self, index_maps: UInt8[np.ndarray, "N H W"], columns: int | None = None) -> UInt8[np.ndarray, "h w 3"]:
        """A coloured sheet of index maps, with a legend of the classes on it; small maps are magnified.

        Args:
          index_maps: in the channels of `space`.
          columns: maps per row; None for a nearly square sheet.
        """
        return pictures.sheet_with_legend(index_maps, self.space, columns)

    def __repr__(self) -> str:
        """The model, its classes and size, and its training, in one line."""
        height, width = self._model.image_size
        maps = f"{self.card.counts.sum():,} maps with {len(self.card.counts):,} label-sets"
        trained = f"{self.step:,} steps on {maps if len(self.card.counts) else 'unknown maps'}"
        about = f"{self.card.name}, {len(self.space.classes)} classes, {height} x {width} pixels"
        return f"<Generator: {about}, trained for {trained}>"
