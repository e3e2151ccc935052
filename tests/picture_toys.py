"""Pairs of maps and pictures, and a translator, that are told apart by colour: for the tests of pictures."""

import numpy as np

from segvae_jax.evaluation.pairs import Pairs
from segvae_jax.labels import LabelSpace

SPACE = LabelSpace(("left-hand", "right-hand", "hat"), pairs=(("left-hand", "right-hand"),))
COLOURS = np.array([[20, 20, 20], [230, 40, 40], [40, 60, 220], [60, 210, 60]], np.int64)
SIZE = (13, 18)


def toy_maps(seed: int, count: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Index maps of rectangles, one of each class at a random place."""
    rng = np.random.default_rng(seed)
    index_maps = np.zeros((count, *size), np.uint8)
    for one in index_maps:
        for channel in (1, 2, 3):
            y, x = rng.integers(0, size[0] - 4), rng.integers(0, size[1] - 4)
            one[y : y + 4, x : x + 4] = channel
    return index_maps


def paint(index_maps: np.ndarray, seed: int, noise: int = 15) -> np.ndarray:
    """Pictures of maps: the colours of the classes, with noise."""
    rng = np.random.default_rng(seed)
    rgb = COLOURS[index_maps]
    return (rgb + rng.integers(-noise, noise + 1, rgb.shape)).clip(0, 255).astype(np.uint8)


def toy_pairs(seed: int, count: int, size: tuple[int, int] = SIZE) -> Pairs:
    index_maps = toy_maps(seed, count, size)
    return Pairs(index_maps, paint(index_maps, seed))


class ToyTranslator:
    """Paints as `paint` does, with more noise; or, if it is blind, noise alone."""

    def __init__(self, space: LabelSpace = SPACE, size: tuple[int, int] = SIZE, blind: bool = False):
        self.space, self.image_size, self.blind = space, size, blind

    def translate(self, index_maps, num=1, seed=0):
        return np.stack([self._painted(index_maps, 1000 * seed + i) for i in range(num)], axis=1)

    def translate_each(self, index_maps, seed=0):
        return self._painted(index_maps, 1000 * seed)

    def _painted(self, index_maps, seed):
        seen = 0 * index_maps if self.blind else index_maps % len(COLOURS)
        return paint(seen, seed, noise=40)
