"""The cartoon set: faces and people drawn from random numbers, an endless data set of exact semantic maps.

It has pictures beside the maps, and needs no files. The default configuration, the demo and the tests draw what they
need. A drawing is identified by (kind, seed, index) and is the same at every size.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, UInt8

from segvae_jax import maps
from segvae_jax.data.cartoon.faces import draw_face
from segvae_jax.data.cartoon.people import draw_person
from segvae_jax.data.cartoon.rendering import ENLARGED, render
from segvae_jax.errors import DataError
from segvae_jax.labels import CELEBAMASK_HQ, HUMAN_PARSING, LabelSpace

__all__ = ["CARTOON_SPACES", "cartoon_map", "cartoon_picture", "draw_face", "draw_person"]

CARTOON_SPACES: dict[str, LabelSpace] = {"faces": CELEBAMASK_HQ, "people": HUMAN_PARSING}
_DRAW: dict[str, Callable] = {"faces": draw_face, "people": draw_person}


def cartoon_map(kind: str, seed: int, index: int, size: tuple[int, int]) -> Bool[np.ndarray, "H W C"]:
    """Drawing number `index` of the set of a seed, as class maps of `size` (height, width).

    `kind` is "faces" or "people", and its label space is `CARTOON_SPACES[kind]`. The drawing depends on (kind, seed,
    index) alone, and every index takes the same time.

    Raises:
      DataError: if the kind is unknown, the seed or index is negative, or the size has no pixels.
    """
    rng = _random(kind, seed, index)
    return _DRAW[kind](rng, size)


def cartoon_picture(kind: str, seed: int, index: int, size: tuple[int, int]) -> UInt8[np.ndarray, "H W 3"]:
    """The picture of the same drawing, of `size` (height, width); see `rendering`.

    Raises:
      DataError: as `cartoon_map`.
    """
    class_maps = cartoon_map(kind, seed, index, (ENLARGED * size[0], ENLARGED * size[1]))
    space = CARTOON_SPACES[kind]
    return render(maps.paint(class_maps.astype(np.float32), space), space, _random(kind, seed, index, 1))


def _random(kind: str, seed: int, index: int, *use: int) -> np.random.Generator:
    """The random numbers of a drawing, or those of another use of it."""
    if kind not in _DRAW:
        raise DataError(f"unknown cartoon kind {kind!r}: choose from {', '.join(_DRAW)}")
    if seed < 0 or index < 0:
        raise DataError(f"cartoon seed {seed} and index {index} identify no drawing: expected both to be at least 0")
    return np.random.default_rng(np.random.SeedSequence((list(_DRAW).index(kind), seed, index, *use)))
