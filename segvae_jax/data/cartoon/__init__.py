"""Cartoon faces and people, drawn from random numbers: an endless data set of true semantic maps.

Drawing needs only NumPy and no files. The drawings are the default data of training, and the demo and the
tests use them as well. A drawing is identified by (kind, seed, index) and is the same at every size.
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
    """Class maps of one drawing.

    The drawing depends only on (kind, seed, index). It is drawn without the others, so every index
    takes the same time.

    Args:
      kind: "faces" or "people". The label space is `CARTOON_SPACES[kind]`.
      seed: identifies the set; at least 0.
      index: number of the drawing in the set; at least 0.
      size: (height, width) in pixels.

    Raises:
      DataError: if the kind is unknown, the seed or the index is negative, or the size has no pixels.
    """
    if kind not in _DRAW:
        raise DataError(f"unknown cartoon kind {kind!r}: choose from {', '.join(_DRAW)}")
    if seed < 0 or index < 0:
        raise DataError(f"cartoon seed {seed} and index {index} name no drawing: both must be 0 or more")
    sequence = np.random.SeedSequence((list(_DRAW).index(kind), seed, index))
    return _DRAW[kind](np.random.default_rng(sequence), size)
