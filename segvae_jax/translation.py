"""Translator: from index maps to pictures.

    translator = Translator.load("fashion")
    pictures = translator.translate(index_maps, num=4, seed=0)

A picture depends on the checkpoint, its map, the seed and its number, and on nothing else. An edited map that is
translated with the same seed therefore keeps its look.
"""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Integer, UInt8

from segvae_jax import arguments
from segvae_jax.batching import padded_size
from segvae_jax.checkpoint.card import ModelCard
from segvae_jax.checkpoint.fitting import with_fitting_weights
from segvae_jax.checkpoint.loading import load_variables
from segvae_jax.checkpoint.portable import save_portable_translator
from segvae_jax.errors import ArgumentError
from segvae_jax.files import locked
from segvae_jax.given_maps import Meaning, read_map
from segvae_jax.index_maps import IndexMaps
from segvae_jax.labels import LabelSpace
from segvae_jax.maps import resize_index
from segvae_jax.numerics import fixed_numerics
from segvae_jax.shipped import checkpoint_directory
from segvae_jax.translator.networks import Networks, Styles, as_bytes, as_floats

_BESIDE = "translator"  # folder of the translator that belongs to a checkpoint of a model of maps


class Translator:
    """A trained translator, which turns index maps into pictures.

    Args:
      card: what the checkpoint says about the translator.
      variables: its `params` and, of a training run, `spectral`.
      step: of training at which the weights were saved.

    Attributes:
      space: the classes of the maps.
      image_size: (H, W) of maps and pictures.
      card, step: as given.

    Raises:
      CheckpointError: if the checkpoint holds a model of maps.
    """

    @fixed_numerics()
    def __init__(self, card: ModelCard, variables: dict[str, Any], step: int = 0):
        self.card: ModelCard = card
        self.space: LabelSpace = card.space
        self.step: int = step
        self._networks = card.networks()
        self.image_size: tuple[int, int] = self._networks.image_size
        params = variables["params"]
        self._params = {name: params[name] for name in ("generator", "style")}
        self._styles = Styles(**(params.get("styles") or variables["spectral"]["styles"]))
        self._translate = jax.jit(_translate, static_argnums=0)
        self._encode = jax.jit(_encode, static_argnums=0)

    @classmethod
    def load(cls, directory: str | Path, step: int | None = None) -> "Translator":
        """Loads a translator.

        Args:
          directory: of the checkpoint, e.g. the `--workdir` of training; or of a model of maps that has a translator in
            its folder `translator`; or the name of a checkpoint that has one, "cartoon" or "fashion".
          step: number of a saved step; the latest if None.

        Raises:
          CheckpointError: if it cannot be loaded, or holds a model of maps.
        """
        inner = checkpoint_directory(directory) / _BESIDE
        return cls(*load_variables(inner if inner.is_dir() else directory, step))

    @classmethod
    def of_checkpoint(cls, directory: str | Path) -> "Translator | None":
        """The translator in the folder `translator` of a checkpoint of a model of maps; None if there is none."""
        inner = checkpoint_directory(directory) / _BESIDE
        return cls.load(inner) if inner.is_dir() else None

    @fixed_numerics()
    def save(self, directory: str | Path, half: bool = False) -> list[Path]:
        """Saves a checkpoint of two files, `model.json` and `weights.npz`, which `load` reads.

        Args:
          directory: where the files go; it is made if it is missing.
          half: whether kernels are rounded to float16.

        Returns:
          the two files.

        Raises:
          ArgumentError: if `directory` is no path.
          OutputError: if the directory cannot be written to, or holds the saved steps of a training run.
        """
        path = arguments.path("directory", directory).resolve()
        with locked(path):
            card = dataclasses.replace(self.card, step=self.step)
            return save_portable_translator(
                path, card, {"params": {**self._params, "styles": vars(self._styles)}}, half
            )

    def read_map(
        self, given: str | Path | Integer[np.ndarray, "*n H W"], labels: str | Path = ""
    ) -> UInt8[IndexMaps, "*n H W"]:
        """Reads a map in the classes of the translator; arguments and errors as in `Generator.read_map`."""
        return read_map(given, Meaning(self.space, self.card.original, labels))

    def resized(self, index_map: UInt8[np.ndarray, "h w"]) -> UInt8[np.ndarray, "H W"]:
        """A map of any size in that of the translator, resized as training maps were."""
        return resize_index(index_map, self.space, self.image_size, self.card.fit)

    @fixed_numerics()
    def translate(
        self,
        index_maps: Integer[np.ndarray, "*N h w"],
        num: int = 1,
        seed: int = 0,
        style: Float[np.ndarray, "S"] | None = None,
    ) -> UInt8[np.ndarray, "*N {num} H W 3"]:
        """Translates index maps into `num` pictures each.

        Picture i of every map has the noise of sample i of the seed, so that maps can be compared.

        Args:
          index_maps: one or several of one size, in the channels of `space`. Other sizes than that of the translator
            are resized by area, as preparing training maps does.
          num: pictures of each map.
          seed: of the noise of pixels and styles.
          style: of all pictures, as `encode` returns it; sampled if None.

        Raises:
          MapError: if they are no index maps of these classes.
          ArgumentError: if a number is out of its range, or `style` is none.
        """
        maps, num = self._checked(index_maps), arguments.whole("num", num, 1)
        rows, numbers = np.divmod(np.arange(len(maps) * num), num)
        pictures = self._in_batches(maps[rows], numbers, seed, style)
        return pictures.reshape(*np.shape(index_maps)[:-2], num, *pictures.shape[1:])

    @fixed_numerics()
    def translate_each(
        self,
        index_maps: Integer[np.ndarray, "N h w"],
        seed: int = 0,
        style: Float[np.ndarray, "S"] | None = None,
        first: int = 0,
    ) -> UInt8[np.ndarray, "N H W 3"]:
        """Translates each index map into one picture; that of map i has the noise of sample `first + i` of the seed.

        Args and errors as in `translate`.
        """
        maps = self._checked(index_maps)
        first = arguments.whole("first", first, 0, arguments.LARGEST - len(maps))
        return self._in_batches(maps, first + np.arange(len(maps)), seed, style)

    def _in_batches(
        self, maps: UInt8[np.ndarray, "N H W"], numbers: Int[np.ndarray, "N"], seed: Any, style: Any
    ) -> UInt8[np.ndarray, "N H W 3"]:
        """Pictures with the noise of samples of these numbers, computed in batches of few sizes."""
        seed, style, size = arguments.whole("seed", seed), self._checked_style(style), padded_size(len(maps))
        parts = []
        for start in range(0, len(maps), size):
            taken = np.minimum(start + np.arange(size), len(maps) - 1)  # the last batch repeats its last row
            batch = maps[taken], seed, numbers[taken], style
            parts.append(np.asarray(self._translate(self._networks, self._params, self._styles, *batch)))
        return np.concatenate(parts)[: len(maps)]

    @fixed_numerics()
    def encode(self, picture: UInt8[np.ndarray, "H W 3"]) -> Float[np.ndarray, "S"]:
        """The style of an RGB picture, as `translate` takes it: the mean of its Gaussian.

        Raises:
          ArgumentError: if it is no RGB picture in the size of the translator.
        """
        pixels = np.asarray(picture)
        if pixels.dtype != np.uint8 or pixels.shape != (*self.image_size, 3):
            expected = f"uint8 of shape {(*self.image_size, 3)}"
            raise ArgumentError(f"picture of {pixels.dtype}, shape {pixels.shape}: expected {expected}: resize it")
        return np.asarray(self._encode(self._networks, self._params, pixels[None]))[0]

    def __repr__(self) -> str:
        """The classes, size and training, in one line."""
        height, width = self.image_size
        about = f"{len(self.space.classes)} classes, {height} x {width} pixels"
        return f"<Translator: {about}, trained for {self.step:,} steps>"

    def _checked(self, index_maps: Any) -> UInt8[np.ndarray, "N H W"]:
        maps = arguments.index_maps(index_maps, self.space.num_channels, 2 if np.ndim(index_maps) == 2 else 3)
        maps = maps.reshape(-1, *maps.shape[-2:]).astype(np.uint8)
        return np.stack([self.resized(index) for index in maps])

    def _checked_style(self, style: Any) -> Float[np.ndarray, "S"] | None:
        if style is None:
            return None
        vector = np.asarray(style)
        if vector.dtype.kind != "f" or vector.shape != (self._networks.style_dim,) or not np.isfinite(vector).all():
            raise ArgumentError(f"style of {vector.dtype}, shape {vector.shape}: expected what `encode` returns")
        return vector.astype(np.float32)


@with_fitting_weights
def _translate(
    networks: Networks,
    params: Any,
    styles: Styles,
    index_maps: UInt8[Array, "B H W"],
    seed: Int[Array, ""],
    numbers: Int[Array, "B"],
    style: Float[Array, "S"] | None,
) -> UInt8[Array, "B H W 3"]:
    pixels, sampled = networks.sample_pixels(seed, numbers), styles.sample(seed, numbers)
    chosen = sampled if style is None else jnp.broadcast_to(style, sampled.shape)
    class_maps = jax.nn.one_hot(index_maps, networks.num_channels)
    return as_bytes(networks.translate(params, class_maps, pixels, chosen))


@with_fitting_weights
def _encode(networks: Networks, params: Any, pictures: UInt8[Array, "B H W 3"]) -> Float[Array, "B S"]:
    return networks.encode(params, as_floats(pictures))[0]
