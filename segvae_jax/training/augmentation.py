"""What is done to the training maps of a batch, on the devices, anew at each step. All of it is off by default.

Keys are folded from seed, stream and step, so that a resumed run sees the same maps. Nothing here but the
flip, which exchanges classes, gives a map a class that it did not have: `training.packing` counts on it.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from segvae_jax import maps
from segvae_jax.labels import LabelSpace
from segvae_jax.streams import stream_key


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """How far maps may be changed.

    Attributes:
      mirrored_in: the classes by which half of the maps are flipped; `None` flips none.
      rotate: degrees at most, either way.
      scale: share at most: 0.1 scales by 0.9 to 1.1.
      shift: share of height and of width at most.
      drop_classes: probability that a class is taken out of a map that holds others.
    """

    mirrored_in: LabelSpace | None = None
    rotate: float = 0.0
    scale: float = 0.0
    shift: float = 0.0
    drop_classes: float = 0.0


def augment(
    augmentation: Augmentation, class_maps: Float[Array, "B H W C"], seed: int, step: Any
) -> Float[Array, "B H W C"]:
    """Flips, moves, and takes classes out; binary maps stay binary, and no map becomes blank."""
    how = augmentation
    if how.mirrored_in is not None:
        flip = jax.random.bernoulli(stream_key(seed, "flip", step), shape=(class_maps.shape[0], 1, 1, 1))
        class_maps = jnp.where(flip, maps.mirror(class_maps, how.mirrored_in), class_maps)
    if how.rotate or how.scale or how.shift:
        class_maps = _moved(how, class_maps, stream_key(seed, "affine", step))
    if how.drop_classes:
        class_maps = _thinned(how.drop_classes, class_maps, stream_key(seed, "drop_classes", step))
    return class_maps


def affine(
    class_maps: Float[Array, "B H W C"],
    angle: Float[Array, "B"],
    factor: Float[Array, "B"],
    shift: Float[Array, "B 2"],
) -> Float[Array, "B H W C"]:
    """Turns and scales maps about their centre, then shifts them; nearest neighbours, blank from outside.

    Args:
      class_maps: the maps.
      angle: counter-clockwise, in radians.
      factor: above 1 enlarges.
      shift: pixels down and right.
    """
    height, width = class_maps.shape[1:3]
    y, x = jnp.mgrid[:height, :width]
    y = y[None] - (height - 1) / 2 - shift[:, 0, None, None]
    x = x[None] - (width - 1) / 2 - shift[:, 1, None, None]
    cos, sin = ((f(angle) / factor)[:, None, None] for f in (jnp.cos, jnp.sin))
    rows = jnp.round(cos * y + sin * x + (height - 1) / 2).astype(jnp.int32)
    columns = jnp.round(cos * x - sin * y + (width - 1) / 2).astype(jnp.int32)
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    picked = jax.vmap(lambda one, i, j: one.at[i, j].get(mode="clip"))(class_maps, rows, columns)
    return jnp.where(inside[..., None], picked, 0)


def _moved(how: Augmentation, class_maps: Float[Array, "B H W C"], key: Array) -> Float[Array, "B H W C"]:
    """Random affine maps; what they would push out of the picture altogether stays where it was."""
    count, height, width, _ = class_maps.shape
    draws = jax.random.uniform(key, (count, 4), minval=-1.0, maxval=1.0)
    angle, factor = jnp.deg2rad(how.rotate) * draws[:, 0], 1 + how.scale * draws[:, 1]
    moved = affine(class_maps, angle, factor, how.shift * jnp.array([[height, width]]) * draws[:, 2:])
    return jnp.where(moved.any(axis=(1, 2, 3), keepdims=True), moved, class_maps)


def _thinned(probability: float, class_maps: Float[Array, "B H W C"], key: Array) -> Float[Array, "B H W C"]:
    """Takes classes out of maps; the luckiest of a map always stays."""
    present = maps.label_set_of(class_maps)
    luck = jnp.where(present, jax.random.uniform(key, present.shape), -1.0)
    kept = (luck >= probability) | (luck == luck.max(axis=1, keepdims=True))
    return jnp.where(kept[:, None, None], class_maps, 0)
