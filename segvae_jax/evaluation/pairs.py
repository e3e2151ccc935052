"""Pairs of a map and its picture, from a prepared data set that holds pictures."""

import dataclasses
from typing import Protocol, runtime_checkable

import jax.numpy as jnp
import numpy as np
from jaxtyping import UInt8

from segvae_jax import maps
from segvae_jax.data.prepare.builder import Prepared
from segvae_jax.errors import DataError
from segvae_jax.labels import LabelSpace
from segvae_jax.pictures import resize_rgb

_ROWS_AT_ONCE = 256


@runtime_checkable
class MapTranslator(Protocol):
    """What is asked of a translator, which paints pictures of maps.

    Attributes:
      space: the classes of its maps.
      image_size: (H, W) of its maps and pictures.
    """

    space: LabelSpace
    image_size: tuple[int, int]

    def translate(
        self, index_maps: UInt8[np.ndarray, "N H W"], num: int = 1, seed: int = 0
    ) -> UInt8[np.ndarray, "N M H W 3"]:
        """Pictures of maps, M = `num` of each; picture i of every map has the noise of sample i of the seed."""
        ...

    def translate_each(self, index_maps: UInt8[np.ndarray, "N H W"], seed: int = 0) -> UInt8[np.ndarray, "N H W 3"]:
        """A picture of each map; that of map i has the noise of sample i of the seed."""
        ...


@dataclasses.dataclass(frozen=True, eq=False)
class Pairs:
    """Maps and their pictures.

    Attributes:
      index_maps: painted maps, in the channels of a label space.
      pictures: RGB, one per map, of the same size.
    """

    index_maps: UInt8[np.ndarray, "N H W"]
    pictures: UInt8[np.ndarray, "N H W 3"]

    def __len__(self) -> int:
        return len(self.index_maps)

    def __getitem__(self, rows: slice | np.ndarray) -> "Pairs":
        """The pairs of some rows."""
        return Pairs(self.index_maps[rows], self.pictures[rows])


def read_pairs(prepared: Prepared, split: str, limit: int | None = None) -> Pairs:
    """Reads the pairs of a split, painted as `prepared.space` says; pictures are resized to the size of the maps.

    Args:
      prepared: the data set.
      split: name of the split.
      limit: how many pairs are read at most, from the start of the split; None for all.

    Raises:
      DataError: if the data set holds no pictures, or the split is empty or damaged.
    """
    maps_on_disk = prepared.packed_on_disk(split)
    rows = np.arange(len(maps_on_disk))[:limit]
    packed = maps_on_disk[rows]
    parts = np.split(packed, range(_ROWS_AT_ONCE, len(packed), _ROWS_AT_ONCE))
    painted = np.concatenate([_painted(prepared, part) for part in parts])
    pictures = prepared.pictures_on_disk(split)[rows]
    return Pairs(painted, np.stack([_resized(picture, prepared) for picture in pictures]))


def check_translator(translator: MapTranslator, prepared: Prepared) -> None:
    """Checks that a translator takes the maps of a data set.

    Raises:
      DataError: if its classes or its size are others.
    """
    if translator.space.classes != prepared.space.classes:
        raise DataError(f"{prepared.directory}: its classes are not those of the translator: give data of its classes")
    if tuple(translator.image_size) != tuple(prepared.image_size):
        sizes = [" x ".join(map(str, each)) for each in (prepared.image_size, translator.image_size)]
        raise DataError(
            f"{prepared.directory}: maps of {sizes[0]} pixels: expected {sizes[1]}, as the translator takes"
        )


def _painted(prepared: Prepared, packed: UInt8[np.ndarray, "N H W P"]) -> UInt8[np.ndarray, "N H W"]:
    class_maps = np.asarray(maps.unpack(jnp.asarray(packed), prepared.space.num_channels))
    return maps.paint(class_maps, prepared.space)


def _resized(picture: UInt8[np.ndarray, "h w 3"], prepared: Prepared) -> UInt8[np.ndarray, "H W 3"]:
    same = picture.shape[:2] == tuple(prepared.image_size)
    return picture if same else resize_rgb(picture, prepared.image_size)
