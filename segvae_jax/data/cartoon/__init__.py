"""The cartoon set: faces and people drawn from random numbers, an endless data set of exact semantic maps.

It is pure NumPy and needs no files. The default configuration, the demo and the tests draw what they need. A drawing
is identified by (kind, seed, index) and is the same at every size.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool

from segvae_jax.data.cartoon.faces import draw_face
from segvae_jax.data.cartoon.people import draw_person
from segvae_jax.errors import DataError
from segvae_jax.labels import CELEBAMASK_HQ, HUMAN_PARSING, LabelSpace

__all__ = ["CARTOON_SPACES", "cartoon_map", "draw_face", "draw_person"]

CARTOON_SPACES: dict[str, LabelSpace] = {"faces": CELEBAMASK_HQ, "people": HUMAN_PARSING}
_DRAW: dict[str, Callable] = {"faces": draw_face, "people": draw_person}


def cartoon_map(kind: str, seed: int, index: int, size: tuple[int, int]) -> Bool[np.ndarray, "H W C"]:
    """Drawing number `index` of the set of a seed, as class maps of `size` (height, width).

    `kind` is "faces" or "people", and its label space is `CARTOON_SPACES[kind]`. The drawing depends on (kind, seed,
    index) alone, and every index takes the same time.

    Raises:
      DataError: if the kind is unknown, the seed or index is negative, or the size has no pixels.
    """
    if kind not in _DRAW:
        raise DataError(f"unknown cartoon kind {kind!r}: choose from {', '.join(_DRAW)}")
    if seed < 0 or index < 0:
        raise DataError(f"cartoon seed {seed} and index {index} identify no drawing: expected both to be at least 0")
    sequence = np.random.SeedSequence((list(_DRAW).index(kind), seed, index))
    return _DRAW[kind](np.random.default_rng(sequence), size)
