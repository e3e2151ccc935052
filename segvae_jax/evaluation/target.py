"""What is evaluated, a checkpoint or maps of any other generator, and the real maps that it is held to."""

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
from segvae_jax.evaluation.map_set import Given, read_given
from segvae_jax.evaluation.metrics.two_sample import FOLDS
from segvae_jax.evaluation.quick_scoring import ClassMaps
from segvae_jax.evaluation.scorer import Generate
from segvae_jax.generation import Generator
from segvae_jax.labels import LabelSpace
from segvae_jax.shipped import checkpoint_directory

_ROWS_AT_ONCE = 256


@dataclasses.dataclass(frozen=True)
class Subject:
    """What is evaluated.

    Attributes:
      space: the classes.
      splits: class maps as the model reads them of "train", "validation" and "test"; with given maps no more
        test maps than these.
      made: draws maps of label-sets from a seed; or maps that are there.
      generator: None where only maps are there.
      identity: where all came from, with hashes, as JSON.
    """

    space: LabelSpace
    splits: dict[str, ClassMaps]
    made: Generate | Given
    generator: Generator | None
    identity: dict[str, Any]

    def maps(self, seed: int) -> Given:
        """The maps that are scored with this seed."""
        if isinstance(self.made, Given):
            return self.made
        label_sets = maps.label_set_of(self.splits["test"])
        return Given(self.made(label_sets, seed), label_sets)


def open_checkpoint(
    checkpoint: str | Path,
    *,
    step: int | None = None,
    data: str | Path | None = None,
    max_test: int = 2_000,
    max_train: int = 5_000,
) -> Subject:
    """A checkpoint, to be scored on the test split of its data.

    Args:
      checkpoint: its directory, or the name of a shipped one.
      step: of the saved ones; the latest if None.
      data: directory of the prepared data; that of training if None.
      max_test, max_train: the first so many maps of a split are used; the result says how many.

    Raises:
      SegVAEError: if checkpoint or data cannot be used.
    """
    generator = Generator.load(checkpoint, step)
    prepared = _open_data(generator.card, data)
    splits = _splits(prepared, max_test, max_train)
    identity = {"checkpoint": str(checkpoint), "step": generator.step, "weights_hash": generator.fingerprint()}
    draw = _remembering(generator.generate_each)
    return Subject(prepared.space, splits, draw, generator, identity | _data_identity(prepared, splits))


def open_maps(
    folder: str | Path,
    *,
    data: str | Path | None = None,
    checkpoint: str | Path | None = None,
    max_test: int = 2_000,
    max_train: int = 5_000,
    seed: int = 0,
) -> Subject:
    """A folder of index PNGs from any other generator, as `read_given` reads it.

    As many of its maps are scored as there are test maps, drawn from `seed`; and against no more test maps.

    Args:
      folder: of the maps.
      data: directory of the prepared data.
      checkpoint: whose data are meant, if `data` is None.
      max_test, max_train, seed: as elsewhere.

    Raises:
      SegVAEError: if folder or data cannot be used.
    """
    if checkpoint:
        prepared = _open_data(ModelCard.read(checkpoint_directory(checkpoint)), data)
    elif data:
        prepared = open_prepared(data)
    else:
        raise DataError(f"{folder}: nothing to compare with: give --data=DIR, a prepared data set, or --checkpoint=DIR")
    given = read_given(folder, prepared.space, prepared.image_size)
    if len(given.index_maps) < FOLDS:
        raise DataError(f"{folder}: {len(given.index_maps)} maps: expected at least {FOLDS}, better hundreds")
    splits = _splits(prepared, min(max_test, len(given.index_maps)), max_train)
    identity = {
        "maps": str(folder),
        "maps_in_folder": len(given.index_maps),
        "maps_hash": content_hash(given.index_maps.tobytes())[:12],
    }
    scored = given.sample(len(splits["test"]), seed)
    return Subject(prepared.space, splits, scored, None, identity | _data_identity(prepared, splits))


def _open_data(card: ModelCard, data: str | Path | None) -> Prepared:
    """The data of a checkpoint, in its label space."""
    directory = data or card.prepared
    if not directory:
        raise DataError("this checkpoint names no data: give --data=DIR, a prepared data set like that of its training")
    prepared = open_prepared(directory)
    if prepared.space.classes != card.space.classes:
        raise DataError(f"{directory}: its classes are not those of the checkpoint: give the data it was trained on")
    if (size := card.model().image_size) != tuple(prepared.image_size):
        sizes = [" x ".join(map(str, each)) for each in (prepared.image_size, size)]
        raise DataError(f"{directory}: maps of {sizes[0]} pixels: expected {sizes[1]}, the size of the checkpoint")
    return dataclasses.replace(prepared, space=card.space)  # real maps are painted as the checkpoint paints its own


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


def _remembering(draw: Generate) -> Generate:
    """The same function, whose maps are drawn once however many ask for them."""
    drawn: dict[tuple[bytes, int], UInt8[np.ndarray, "N H W"]] = {}

    def remembered(label_sets: Bool[np.ndarray, "N C"], seed: int) -> UInt8[np.ndarray, "N H W"]:
        key = label_sets.tobytes(), seed
        if key not in drawn:
            drawn[key] = draw(label_sets, seed)
        return drawn[key]

    return remembered
