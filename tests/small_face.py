"""A map that tests of editing share: a face with eyes, hat and glasses."""

import numpy as np

from segvae_jax.labels import LabelSpace

SPACE = LabelSpace(
    ("face", "eye", "hat", "glasses"),
    drawing_order=("face", "hat", "eye", "glasses"),
    covered_by=(("face", ("eye", "glasses")),),
    accessories=("glasses",),
)
FACE, EYE, HAT, GLASSES = range(1, 5)
SIZE = (8, 16)


def a_map(size=SIZE) -> np.ndarray:
    """A face with two eyes under a hat."""
    index = np.zeros((8, 16), np.uint8)
    index[2:, 4:12], index[4, 6], index[4, 9], index[:2, 3:13] = FACE, EYE, EYE, HAT
    return index.repeat(size[0] // 8, 0).repeat(size[1] // 16, 1)
