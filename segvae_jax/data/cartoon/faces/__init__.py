"""Cartoon faces: portraits cropped and composed as in CelebAMask-HQ, with the eyes at 47 % of the height.

The `l_` parts are the subject's left and so lie at the right of the picture, as in CelebAMask-HQ.
"""

import numpy as np
from jaxtyping import Bool

from segvae_jax.data.cartoon.composing import compose
from segvae_jax.data.cartoon.faces.accessories import draw_earrings, draw_glasses
from segvae_jax.data.cartoon.faces.clothes import draw_body
from segvae_jax.data.cartoon.faces.features import draw_eyes, draw_mouth, draw_nose, draw_skin
from segvae_jax.data.cartoon.faces.hair import draw_hair
from segvae_jax.data.cartoon.faces.hats import draw_hat
from segvae_jax.data.cartoon.faces.head import EYES, draw_head
from segvae_jax.data.cartoon.shapes import Grid
from segvae_jax.labels import CELEBAMASK_HQ

_SOLID = ("skin", "hair", "hat", "neck", "cloth", "l_ear", "r_ear")


def draw_face(rng: np.random.Generator, size: tuple[int, int]) -> Bool[np.ndarray, "H W C"]:
    """Class maps of a random face over CELEBAMASK_HQ, of `size` (height, width).

    Parts overlap as in the annotation: skin continues under the parts of the face; any other part is cut off by the
    parts in front of it. The drawing depends on the generator's state and not on the size.

    Raises:
      DataError: if the size has no pixels.
    """
    head = draw_head(rng)
    shift = (rng.normal(0, 0.012), rng.normal(0, 0.008))
    grid = Grid.of_size(size).framed((0.5, EYES), rng.normal(0, 0.04), rng.normal(1, 0.045), shift)
    hat, above_rim = draw_hat(rng, grid, head)
    behind, before = draw_hair(rng, grid, head, above_rim)
    layers = [
        *behind,
        *draw_body(rng, grid, head),
        *draw_skin(rng, grid, head),
        *draw_nose(rng, grid, head),
        *draw_mouth(rng, grid, head),
        *draw_eyes(rng, grid, head),
        *draw_glasses(rng, grid, head),
        *before,
        *hat,
        *draw_earrings(rng, grid, head),
    ]
    return compose(layers, size, CELEBAMASK_HQ, _SOLID)
