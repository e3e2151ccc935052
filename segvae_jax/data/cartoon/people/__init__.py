"""Cartoon people: standing figures in the classes of HumanParsing.

The `left-` parts are the subject's left and so lie at the right of the picture.
"""

import numpy as np
from jaxtyping import Bool

from segvae_jax.data.cartoon.composing import compose
from segvae_jax.data.cartoon.people.body import MIDDLE, Body, draw_body
from segvae_jax.data.cartoon.people.clothes import arms, chest, draw_coat, draw_top, trunk
from segvae_jax.data.cartoon.people.extras import draw_bag, draw_scarf
from segvae_jax.data.cartoon.people.head import draw_head
from segvae_jax.data.cartoon.people.legs import (
    LONG_TROUSERS,
    SKIRTS,
    TROUSERS,
    draw_belt,
    draw_legs,
    draw_shoes,
    draw_skirt,
    draw_tights,
    draw_trousers,
)
from segvae_jax.data.cartoon.shapes import Area, Grid, Layer, pick
from segvae_jax.labels import HUMAN_PARSING

BELT, COAT, TIGHTS, CROPPED = 0.18, 0.17, 0.08, 0.2
_WORN = {"pants": 0.37, "skirt": 0.24, "dress": 0.39}  # by women and girls; the others wear trousers
_SOLID = ("face", "hair", "hat", "upper-clothes", "skirt", "pants", "dress")


def draw_person(rng: np.random.Generator, size: tuple[int, int]) -> Bool[np.ndarray, "H W C"]:
    """Class maps of a random standing figure over HUMAN_PARSING, of `size` (height, width).

    Parts do not overlap. The figure fills a box half as wide as it is high; a wider picture shows more of the space
    beside the box. The drawing depends on the generator's state and not on the size.

    Raises:
      DataError: if the size has no pixels.
    """
    body = draw_body(rng)
    scale = rng.uniform(1.3, 1.9) if rng.random() < CROPPED else rng.uniform(0.85, 1.02) * (0.9 if body.child else 1.0)
    shift = (rng.normal(0, 0.018), rng.normal(0, 0.008) + max(scale - 1, 0) * 0.46)
    grid = Grid.of_size(size, aspect=0.5).framed((MIDDLE, 0.5), rng.normal(0, 0.02), scale, shift)
    face, hair_behind, on_face = draw_head(rng, grid, body)
    outfit = pick(rng, _WORN) if body.feminine else "pants"
    below, trunk_and_arms, neck = _clothes(rng, grid, body, outfit)
    bag_behind, bag_before = draw_bag(rng, grid, body)
    layers = [
        *bag_behind,
        *hair_behind,
        *below,
        Layer("face", face + neck),
        *trunk_and_arms,
        *draw_scarf(rng, grid, body),
        Layer("face", face),
        *on_face,
        *bag_before,
    ]
    return compose(layers, size, HUMAN_PARSING, _SOLID)


def _clothes(rng: np.random.Generator, grid: Grid, body: Body, outfit: str) -> tuple[list[Layer], list[Layer], Area]:
    """Layers from shoes to waist, layers above these, and the skin that a neckline shows."""
    top, clothing = draw_top(rng, outfit == "dress"), "dress" if outfit == "dress" else "upper-clothes"
    neck, opening = chest(rng, grid, body, top)
    below, tucked = _below(rng, grid, body, outfit), rng.random() < 0.35
    longest = 0.07 if outfit == "pants" else -0.02
    hem = body.waist + 0.02 if outfit == "dress" or tucked else body.hips[1] + rng.uniform(-0.09, longest)
    shirt = Layer(clothing, trunk(grid, body, hem, top.ease, top.sleeve == 0), opening)
    belt = [Layer("belt", draw_belt(rng, grid, body))] if rng.random() < BELT else []
    layers = [shirt, *belt]
    if rng.random() < COAT:
        coat, top = draw_coat(rng, grid, body)
        clothing = "upper-clothes"
        layers.append(Layer(clothing, coat.area, coat.holes + opening))
    behind, before = arms(grid, body, clothing, top)
    return [*below, *behind], [*layers, *before], neck


def _below(rng: np.random.Generator, grid: Grid, body: Body, outfit: str) -> list[Layer]:
    """Legs, shoes, and trousers, a skirt or the skirt of a dress."""
    kind = pick(rng, TROUSERS if outfit == "pants" else SKIRTS)
    shoes, boots = draw_shoes(rng, grid, body)
    layers = [] if kind in LONG_TROUSERS else draw_legs(grid, body)
    if outfit == "pants":
        trousers = [Layer("pants", draw_trousers(rng, grid, body, kind))]
        return [*layers, *trousers, *shoes] if boots else [*layers, *shoes, *trousers]
    tights = [Layer("pants", draw_tights(grid, body))] if rng.random() < TIGHTS else []
    return [*layers, *tights, *shoes, Layer(outfit, draw_skirt(rng, grid, body, kind))]
