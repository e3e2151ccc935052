"""Augmentation of the training maps of a batch, on the devices and anew at each step.

Keys are folded from seed, stream and step, so that a resumed run sees the same maps. Only the flip, which exchanges
left and right classes, can give a map a class that it did not have; `training.packing` relies on that.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from segvae_jax import maps
from segvae_jax.labels import LabelSpace
from segvae_jax.model.protocol import NUM_MOVES
from segvae_jax.streams import Seed, stream_key


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """How far maps may be changed; by default not at all.

    Attributes:
      mirrored_in: label space by whose pairs half of the maps are flipped; None flips no map.
      rotate: largest rotation in degrees, in either direction.
      scale: largest relative change of size; 0.1 scales by 0.9 to 1.1.
      shift: largest shift as a share of height and of width.
      moved_share: share of the maps that are moved.
      drop_classes: probability that a class is removed from a map that holds other classes.
    """

    mirrored_in: LabelSpace | None = None
    rotate: float = 0.0
    scale: float = 0.0
    shift: float = 0.0
    drop_classes: float = 0.0
    moved_share: float = 1.0

    @property
    def moves(self) -> bool:
        """Whether maps are rotated, scaled or shifted."""
        return bool(self.rotate or self.scale or self.shift)


def augment(
    augmentation: Augmentation, class_maps: Float[Array, "B H W C"], seed: Seed, step: Any
) -> tuple[Float[Array, "B H W C"], Float[Array, "B 5"]]:
    """Flips and moves maps and removes classes; binary maps stay binary, and no map becomes blank.

    Returns:
      the maps, and how each was moved: angle, scale, and shift of rows and columns, as shares of the largest; and
      whether it was flipped.
    """
    how, count = augmentation, class_maps.shape[0]
    moves, flip = jnp.zeros((count, NUM_MOVES - 1)), jnp.zeros((count, 1, 1, 1), bool)
    if how.mirrored_in is not None:
        flip = _flips(seed, step, count)
        class_maps = jnp.where(flip, maps.mirror(class_maps, how.mirrored_in), class_maps)
    if how.moves:
        class_maps, moves = _moved(how, class_maps, class_maps.shape[-1], stream_key(seed, "affine", step))
    if how.drop_classes:
        class_maps = _without_classes(how.drop_classes, class_maps, stream_key(seed, "drop_classes", step))
    return class_maps, jnp.concatenate([moves, flip[:, :, 0, 0].astype(moves.dtype)], axis=-1)


def augment_pairs(
    augmentation: Augmentation,
    class_maps: Float[Array, "B H W C"],
    pictures: Float[Array, "B H W 3"],
    seed: Seed,
    step: Any,
) -> tuple[Float[Array, "B H W C"], Float[Array, "B H W 3"]]:
    """Flips and moves maps and their pictures alike; no class is removed."""
    how, channels = augmentation, class_maps.shape[-1]
    if how.mirrored_in is not None:
        flip = _flips(seed, step, class_maps.shape[0])
        class_maps = jnp.where(flip, maps.mirror(class_maps, how.mirrored_in), class_maps)
        pictures = jnp.where(flip, jnp.flip(pictures, axis=2), pictures)
    if how.moves:
        pairs = jnp.concatenate([class_maps, pictures], axis=-1)
        moved, _ = _moved(how, pairs, channels, stream_key(seed, "affine", step))
        class_maps, pictures = moved[..., :channels], moved[..., channels:]
    return class_maps, pictures


def _flips(seed: Seed, step: Any, count: int) -> Bool[Array, "B 1 1 1"]:
    """Which maps of a batch are flipped."""
    return jax.random.bernoulli(stream_key(seed, "flip", step), shape=(count, 1, 1, 1))


def affine(
    class_maps: Float[Array, "B H W C"],
    angle: Float[Array, "B"],
    factor: Float[Array, "B"],
    shift: Float[Array, "B 2"],
) -> Float[Array, "B H W C"]:
    """Rotates and scales maps about their centre, then shifts them.

    Pixels are sampled by nearest neighbour. Outside of the map its edges go on, so that hair still reaches the border.

    Args:
      class_maps: the maps.
      angle: counter-clockwise, in radians.
      factor: scale; above 1 enlarges.
      shift: pixels down and right.
    """
    height, width = class_maps.shape[1:3]
    y, x = jnp.mgrid[:height, :width]
    y = y[None] - (height - 1) / 2 - shift[:, 0, None, None]
    x = x[None] - (width - 1) / 2 - shift[:, 1, None, None]
    cos, sin = ((f(angle) / factor)[:, None, None] for f in (jnp.cos, jnp.sin))
    rows = jnp.round(cos * y + sin * x + (height - 1) / 2).astype(jnp.int32)
    columns = jnp.round(cos * x - sin * y + (width - 1) / 2).astype(jnp.int32)
    rows, columns = rows.clip(0, height - 1), columns.clip(0, width - 1)
    return jax.vmap(lambda one, i, j: one[i, j])(class_maps, rows, columns)


def _moved(
    how: Augmentation, images: Float[Array, "B H W I"], channels: int, key: Array
) -> tuple[Float[Array, "B H W I"], Float[Array, "B 4"]]:
    """Applies random affine transformations; an image whose first `channels` would all leave stays as it was."""
    count, height, width, _ = images.shape
    uniform = jax.random.uniform(key, (count, NUM_MOVES - 1), minval=-1.0, maxval=1.0)
    angle, factor = jnp.deg2rad(how.rotate) * uniform[:, 0], 1 + how.scale * uniform[:, 1]
    moved = affine(images, angle, factor, how.shift * jnp.array([[height, width]]) * uniform[:, 2:])
    chosen = jax.random.uniform(jax.random.fold_in(key, 1), (count,)) < how.moved_share
    moves = chosen & moved[..., :channels].any(axis=(1, 2, 3))
    told = uniform * np.array([[how.rotate > 0, how.scale > 0, how.shift > 0, how.shift > 0]])
    return jnp.where(moves[:, None, None, None], moved, images), jnp.where(moves[:, None], told, 0.0)


def _without_classes(probability: float, class_maps: Float[Array, "B H W C"], key: Array) -> Float[Array, "B H W C"]:
    """Removes classes from maps at random; one class of each map always stays."""
    present = maps.label_set_of(class_maps)
    chance = jnp.where(present, jax.random.uniform(key, present.shape), -1.0)
    kept = (chance >= probability) | (chance == chance.max(axis=1, keepdims=True))
    return jnp.where(kept[:, None, None], class_maps, 0)
