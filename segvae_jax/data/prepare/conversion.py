"""Converts one map of a source: reads, resizes and packs it, and computes statistics of it. Writes no files."""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow_datasets as tfds
from jaxtyping import Bool, Float, Int, Shaped, UInt64

from segvae_jax import maps, pictures
from segvae_jax.data.prepare.near_duplicates import HASH_SIZE, map_hash, picture_hash
from segvae_jax.data.prepare.recipe import Recipe
from segvae_jax.data.prepare.splits import content_hash
from segvae_jax.data.sources.source import Source
from segvae_jax.errors import DataError, SegVAEError

ClassMaps = Bool[np.ndarray, "_ _ _"]


@dataclasses.dataclass(frozen=True)
class MapStatistics:
    """Statistics of maps, one row per map; the rows of maps that are left out are blank.

    Attributes:
      reason: why a map is left out; empty if it is kept.
      content: hashes of the packed maps, equal for equal maps.
      map_hash: perceptual hashes of the maps, see `near_duplicates.map_hash`.
      picture_hash: perceptual hashes of the pictures; zero without pictures.
      area: of each class, in pixels.
      column: mean position of each class, from 0 at the left to 1 at the right; NaN if the class is absent.
      foreground: pixels before resizing that a class covers, and pixels that have a label; blank if `Source.foreground`
        is None.
      annotated: which classes were present before resizing; after resizing, if the source has no native maps.
    """

    reason: Shaped[np.ndarray, "N"]
    content: Shaped[np.ndarray, "N"]
    map_hash: UInt64[np.ndarray, "N 4"]
    picture_hash: UInt64[np.ndarray, "N 4"]
    area: Int[np.ndarray, "N C"]
    column: Float[np.ndarray, "N C"]
    foreground: Int[np.ndarray, "N 2"]
    annotated: Bool[np.ndarray, "N C"]

    @classmethod
    def joined(cls, parts: "Sequence[MapStatistics]") -> "MapStatistics":
        """The rows of all parts, concatenated."""
        names = [field.name for field in dataclasses.fields(cls)]
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


class Converted(NamedTuple):
    """A map as it is stored, None if it is left out, and one row of statistics."""

    example: dict[str, Any] | None
    statistics: MapStatistics


def features_of(source: Source, recipe: Recipe) -> tfds.features.FeaturesDict:
    """The features of the examples of a prepared source, as tfds describes them."""
    channels = source.space.num_channels
    shape = (*recipe.size, maps.packed_channels(channels))
    features: dict[str, Any] = {
        "map": tfds.features.Tensor(shape=shape, dtype=np.uint8, encoding="zlib"),
        "label_set": tfds.features.Tensor(shape=(channels,), dtype=np.bool_),
        "id": tfds.features.Text(),
    }
    if recipe.image_size:
        features["image"] = tfds.features.Image(shape=(*recipe.image_size, 3), encoding_format="png")
    return tfds.features.FeaturesDict(features)


def convert(source: Source, recipe: Recipe, example_id: str) -> Converted:
    """Reads a map, and its picture if the recipe asks for one.

    Raises:
      SegVAEError: if the map or picture cannot be read, unless the recipe skips broken maps.
    """
    if example_id in recipe.exclude:
        return _left_out(source, f"excluded: {recipe.exclude[example_id]}")
    try:
        return _converted(source, recipe, example_id)
    except OSError as error:
        broken: SegVAEError = DataError(f"{source.name}: map {example_id} cannot be read ({error})")
    except SegVAEError as error:
        broken = error
    if recipe.skip_broken:
        return _left_out(source, f"broken: {broken}")
    raise broken


def _left_out(source: Source, reason: str) -> Converted:
    classes = np.zeros((1, source.space.num_channels))
    hashes, area, absent = np.zeros((1, 4), np.uint64), classes.astype(np.int64), classes.astype(bool)
    blank = hashes, hashes, area, classes + np.nan, np.zeros((1, 2), np.int64), absent
    return Converted(None, MapStatistics(np.array([reason]), np.array([""]), *blank))


def _converted(source: Source, recipe: Recipe, example_id: str) -> Converted:
    native = source.native(example_id) if source.native else None
    class_maps = source.read(example_id, recipe.size) if native is None else maps.resize(native, recipe.size)
    if not class_maps.any():
        return _left_out(source, "blank: no class covers a pixel")
    packed = maps.pack(class_maps)
    example = {"map": packed, "label_set": maps.label_set_of(class_maps), "id": example_id}
    picture = source.image(example_id, recipe.image_size) if source.image and recipe.image_size else None
    if picture is not None:
        example["image"] = pictures.png_bytes(picture)
    statistics = MapStatistics(
        np.array([""]),
        np.array([content_hash(packed.tobytes())]),
        map_hash(_map_to_hash(source, example_id, native, class_maps))[None],
        np.zeros((1, 4), np.uint64) if picture is None else picture_hash(picture)[None],
        class_maps.sum(axis=(0, 1))[None],
        _mean_columns(class_maps)[None],
        _foreground(source, example_id, native)[None],
        maps.label_set_of(class_maps if native is None else native)[None],
    )
    return Converted(example, statistics)


def _foreground(source: Source, example_id: str, native: ClassMaps | None) -> Int[np.ndarray, "2"]:
    """Pixels that a class covers, and pixels that have a label."""
    if source.foreground is None or native is None:
        return np.zeros(2, np.int64)
    return np.array([np.count_nonzero(native.any(-1)), source.foreground(example_id)], np.int64)


def _map_to_hash(
    source: Source, example_id: str, native: ClassMaps | None, class_maps: ClassMaps
) -> Bool[np.ndarray, "_ _ C"]:
    """The map at a size that does not depend on the recipe if possible, so that near duplicates do not either."""
    if native is not None:
        return native
    return class_maps if min(class_maps.shape[:2]) >= max(HASH_SIZE) else source.read(example_id, HASH_SIZE)


def _mean_columns(class_maps: Bool[np.ndarray, "H W C"]) -> Float[np.ndarray, "C"]:
    """The mean column of each class, as a fraction of the width; NaN for absent classes."""
    by_column = class_maps.sum(axis=0)
    positions = (np.arange(len(by_column)) + 0.5) / len(by_column)
    count = by_column.sum(axis=0)
    return np.divide(positions @ by_column, count, out=np.full(len(count), np.nan), where=count > 0)
