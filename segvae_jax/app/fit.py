"""How well a map of a user fits a model: whether the model can reproduce it as it reproduces its own maps."""

import functools

import numpy as np
from jaxtyping import Float, UInt8

from segvae_jax import maps
from segvae_jax.evaluation.metrics.overlap import mean_iou
from segvae_jax.generation import Generator

_OWN = 16  # maps of the model
_AT_ONCE = 4  # of them, in the program that also reconstructs a single map
_KEPT = 64  # notes


class Fit:
    """Compares the reconstruction of a map with those of maps that the model generates.

    Args:
      generator: of the model; without a posterior, nothing is said of any map.
    """

    def __init__(self, generator: Generator):
        self._generator = generator
        self._note = functools.lru_cache(_KEPT)(self._of_bytes)

    def note(self, index_map: UInt8[np.ndarray, "H W"]) -> str:
        """One line if the map fits worse than each of some maps of the model; else empty.

        Args:
          index_map: of any size.
        """
        return self._note(index_map.tobytes(), index_map.shape) if self._generator.can_reconstruct else ""

    @functools.cached_property
    def lowest(self) -> float:
        """The lowest mIoU of a map of the model and its reconstruction, 0 to 1."""
        generator = self._generator
        if len(generator.card.label_sets):
            label_sets = generator.random_label_sets(_OWN)
        else:
            label_sets = np.tile(generator.space.encode(generator.space.classes), (_OWN, 1))
        own = np.asarray(generator.generate_each(label_sets))
        return float(min(self._iou(own[i : i + _AT_ONCE]).min() for i in range(0, _OWN, _AT_ONCE)))

    def _of_bytes(self, content: bytes, shape: tuple[int, int]) -> str:
        index_map = np.frombuffer(content, np.uint8).reshape(shape)
        size = self._generator.card.model().image_size
        iou = float(self._iou(maps.resize_index(index_map, self._generator.space, size)[None])[0])
        if iou >= self.lowest:
            return ""
        return (
            f"This map fits the model badly: reconstructed, it has a mIoU of {iou:.0%}, and the model's own maps have"
            f" {self.lowest:.0%} or more. Edits of it may look wrong."
        )

    def _iou(self, index_maps: UInt8[np.ndarray, "N H W"]) -> Float[np.ndarray, "N"]:
        """mIoU of maps of the size of the model, and their reconstructions."""
        space = self._generator.space
        again = maps.paint(self._generator.reconstruct(maps.index_to_shapes(index_maps, space)), space)
        as_classes = lambda index: maps.index_to_class_maps(np.asarray(index), space.num_channels)
        return mean_iou(as_classes(index_maps), as_classes(again))
