"""What is evaluated, a checkpoint or maps of any other generator, and the real maps that it is compared with."""

import dataclasses
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, UInt8

from segvae_jax import maps
from segvae_jax.checkpoint.card import ModelCard
from segvae_jax.data.prepare.builder import Prepared, open_prepared
from segvae_jax.data.prepare.splits import SPLITS, content_hash
from segvae_jax.errors import DataError
from segvae_jax.evaluation.map_set import MapSet, read_map_set
from segvae_jax.evaluation.metrics.two_sample import LEAST
from segvae_jax.evaluation.quick_scoring import ClassMaps
from segvae_jax.evaluation.scorer import Generate, MapSource
from segvae_jax.generation import Generator
from segvae_jax.given_maps import Meaning
from segvae_jax.labels import LabelSpace
from segvae_jax.shipped import checkpoint_directory

_ROWS_AT_ONCE = 256


@dataclasses.dataclass(frozen=True)
class EvaluationTarget:
    """What is evaluated.

    Attributes:
      space: the classes.
      splits: class maps of "train", "validation" and "test", as the model reads them. If `source` is a map set, there
        are not more test maps than maps in it.
      source: generates maps for label-sets from a seed; or a map set.
      generator: the model; None if there are only maps.
      identity: origin and hashes of model or maps, and of the data, as JSON.
      prepared: the data set of the splits, in the label space `space`; None if they are of no prepared one.
    """

    space: LabelSpace
    splits: dict[str, ClassMaps]
    source: MapSource
    generator: Generator | None
    identity: dict[str, Any]
    prepared: Prepared | None = None

    def map_set(self, seed: int) -> MapSet:
        """The maps that are scored with this seed, one per test map."""
        if isinstance(self.source, MapSet):
            return self.source
        label_sets = maps.label_set_of(self.splits["test"])
        return MapSet(self.source(label_sets, seed), label_sets)


def open_checkpoint(
    checkpoint: str | Path,
    *,
    step: int | None = None,
    data: str | Path | None = None,
    max_test: int = 2_000,
    max_train: int = 5_000,
) -> EvaluationTarget:
    """Opens a checkpoint, to be scored on the test split of its data.

    Args:
      checkpoint: its directory, or its name as `Generator.load` takes it.
      step: the saved step to load; the latest if None.
      data: directory of the prepared data; the training data if None.
      max_test: how many test and validation maps are used at most, from the start of their splits.
      max_train: how many training maps are used at most.

    Raises:
      SegVAEError: if the checkpoint or the data cannot be used.
    """
    generator = Generator.load(checkpoint, step)
    prepared = open_data(generator.card, data)
    splits = _splits(prepared, max_test, max_train)
    identity = {"checkpoint": str(checkpoint), "step": generator.step, "weights_hash": generator.fingerprint()}
    generate = _cached(generator.generate_each)
    identity |= _data_identity(prepared, splits)
    return EvaluationTarget(prepared.space, splits, generate, generator, identity, prepared)


def open_maps(
    folder: str | Path,
    *,
    data: str | Path | None = None,
    checkpoint: str | Path | None = None,
    max_test: int = 2_000,
    max_train: int = 5_000,
    seed: int = 0,
    labels: str | Path = "",
) -> EvaluationTarget:
    """Opens a folder of index PNGs from any other generator, as `read_map_set` reads it.

    The number of maps and the number of test maps are made equal: a random subset of the maps is scored if they are
    more, and fewer test maps are used if they are fewer.

    Args:
      folder: the folder of the maps.
      data: directory of the prepared data.
      checkpoint: the checkpoint whose data are used if `data` is None.
      max_test, max_train: as for `open_checkpoint`.
      seed: chooses the subset of the maps.
      labels: what their indices mean, see `segvae_jax.given_maps`.

    Raises:
      SegVAEError: if the folder or the data cannot be used.
    """
    if checkpoint:
        card = ModelCard.read(checkpoint_directory(checkpoint))
        prepared = open_data(card, data)
        prepared = dataclasses.replace(prepared, original=card.original or prepared.original)
    elif data:
        prepared = open_prepared(data)
    else:
        raise DataError(f"{folder}: nothing to compare with: give --data=DIR, a prepared data set, or --checkpoint=DIR")
    meaning = Meaning(prepared.space, prepared.original, labels)
    map_set = read_map_set(folder, meaning, prepared.image_size, prepared.fit)
    if len(map_set.index_maps) < LEAST:
        raise DataError(f"{folder}: {len(map_set.index_maps)} maps: expected at least {LEAST}, better hundreds")
    splits = _splits(prepared, min(max_test, len(map_set.index_maps)), max_train)
    identity = {
        "maps": str(folder),
        "maps_in_folder": len(map_set.index_maps),
        "maps_hash": content_hash(map_set.index_maps.tobytes())[:12],
    } | ({"maps_note": map_set.note} if map_set.note else {})
    scored = map_set.sample(len(splits["test"]), seed)
    return EvaluationTarget(prepared.space, splits, scored, None, identity | _data_identity(prepared, splits), prepared)


def open_data(card: ModelCard, data: str | Path | None) -> Prepared:
    """Opens the data of a checkpoint, in the label space of the checkpoint.

    Args:
      card: of the checkpoint.
      data: directory of the prepared data; the training data if None.

    Raises:
      SegVAEError: if the data cannot be used, or are of other classes or another size.
    """
    directory = data or card.prepared
    if not directory:
        raise DataError("the checkpoint names no data: give --data=DIR, a prepared data set like its training data")
    prepared = open_prepared(directory)
    if prepared.space.classes != card.space.classes:
        raise DataError(
            f"{directory}: its classes are not those of the checkpoint: give the data that it was trained on"
        )
    if (size := card.model().image_size) != tuple(prepared.image_size):
        sizes = [" x ".join(map(str, each)) for each in (prepared.image_size, size)]
        raise DataError(f"{directory}: maps of {sizes[0]} pixels: expected {sizes[1]}, the size of the checkpoint")
    return dataclasses.replace(prepared, space=card.space)  # so that real maps are painted as generated ones


def hash_of_data(prepared: Prepared, max_test: int = 2_000, max_train: int = 5_000) -> str:
    """The `data_hash` of scores on a prepared data set; the limits are those of `open_checkpoint`."""
    return _data_identity(prepared, _splits(prepared, max_test, max_train))["data_hash"]


def _splits(prepared: Prepared, max_test: int, max_train: int) -> dict[str, ClassMaps]:
    limits = {"train": max_train, "validation": max_test, "test": max_test}
    return {name: _class_maps(prepared, name, limits[name]) for name in SPLITS}


def _class_maps(prepared: Prepared, split: str, limit: int) -> Bool[np.ndarray, "N H W C"]:
    packed, channels = prepared.packed(split)[:limit], prepared.space.num_channels
    parts = np.array_split(packed, range(_ROWS_AT_ONCE, len(packed), _ROWS_AT_ONCE))
    return np.concatenate([np.asarray(maps.unpack(jnp.asarray(part), channels, bool)) for part in parts])


def _data_identity(prepared: Prepared, splits: dict[str, ClassMaps]) -> dict[str, str]:
    content = b"".join(maps.pack(splits[name]).tobytes() for name in SPLITS)
    return {"data": str(prepared.directory), "data_hash": content_hash(content)[:12], "split": "test"}


def _cached(generate: Generate) -> Generate:
    """The same function with a cache, as several parts of an evaluation need the same maps."""
    cache: dict[tuple[bytes, int], UInt8[np.ndarray, "N H W"]] = {}

    def cached(label_sets: Bool[np.ndarray, "N C"], seed: int) -> UInt8[np.ndarray, "N H W"]:
        key = label_sets.tobytes(), seed
        if key not in cache:
            cache[key] = generate(label_sets, seed)
        return cache[key]

    return cached
