"""Augmentation of what a discriminator sees, alike for real and generated pictures (Zhao et al. 2020, DiffAugment)."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

_SHIFT = 0.125  # largest translation, as a share of the sides
_HOLE = 0.4  # side of the square that is cut out, likewise


def view(key: Array, class_maps: Float[Array, "B H W C"], *pictures: Float[Array, "B H W 3"]) -> tuple[Array, ...]:
    """Maps and pictures in other colours, translated, and with a square cut out.

    Row i of every argument is changed in the same way. Pixels that are cut out, or come from outside, have no class.
    """
    count, height, width, channels = class_maps.shape
    colours, shifts, holes = jax.random.split(key, 3)
    recoloured = [_recoloured(colours, picture) for picture in pictures]
    stacked = jnp.concatenate([class_maps, *recoloured], axis=-1)
    reach = round(_SHIFT * height), round(_SHIFT * width)
    padded = jnp.pad(stacked, ((0, 0), (reach[0],) * 2, (reach[1],) * 2, (0, 0)))
    offsets = jax.random.randint(shifts, (count, 2), 0, 2 * jnp.array([reach]) + 1)
    cut = lambda one, offset: jax.lax.dynamic_slice(one, (offset[0], offset[1], 0), (height, width, one.shape[-1]))
    moved = jax.vmap(cut)(padded, offsets) * _without_square(holes, count, height, width)
    return tuple(jnp.split(moved, [channels + 3 * i for i in range(len(pictures))], axis=-1))


def _recoloured(key: Array, picture: Float[Array, "B H W 3"]) -> Float[Array, "B H W 3"]:
    """Brightness, saturation and contrast changed at random."""
    brightness, saturation, contrast = jax.random.uniform(key, (3, picture.shape[0], 1, 1, 1))
    picture = picture + brightness - 0.5
    grey = picture.mean(-1, keepdims=True)
    picture = grey + 2 * saturation * (picture - grey)
    mean = picture.mean((1, 2, 3), keepdims=True)
    return mean + (0.5 + contrast) * (picture - mean)


def _without_square(key: Array, count: int, height: int, width: int) -> Float[Array, "B H W 1"]:
    """0 in a square at a random place, 1 elsewhere."""
    centre = jax.random.uniform(key, (count, 2, 1, 1))
    y, x = jnp.mgrid[:height, :width]
    inside = lambda place, side, of: jnp.abs((place[None] + 0.5) / side - of) < _HOLE / 2
    hole = inside(y, height, centre[:, 0]) & inside(x, width, centre[:, 1])
    return 1.0 - hole[..., None]
