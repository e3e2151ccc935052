"""How well a map of a user fits a model: whether its shapes are as likely as those of the model's own maps."""

import functools

import numpy as np
from jaxtyping import Float, UInt8

from segvae_jax import maps
from segvae_jax.evaluation.metrics.latent import kl_divergence
from segvae_jax.generation import Generator

_OWN = 16  # maps of the model
_AT_ONCE = 4  # of them, in the program that also takes a single map
_MARGIN = 1.3  # a map of the training data may be somewhat less likely than these few
_KEPT = 64  # notes


class Fit:
    """Compares a map with maps that the model generates, by the KL divergence of their latents per class.

    It is that of the posterior, which sees a shape, from the prior, which sees the shapes before it: the nats that the
    model is surprised by.

    Args:
      generator: of the model; without a posterior for each class, nothing is said of any map.
    """

    def __init__(self, generator: Generator):
        self._generator = generator
        self._note = functools.lru_cache(_KEPT)(self._of_bytes)

    def note(self, index_map: UInt8[np.ndarray, "H W"]) -> str:
        """One line if the map fits far worse than each of some maps of the model; else empty.

        Args:
          index_map: of any size.
        """
        return self._note(index_map.tobytes(), index_map.shape) if self._generator.can_infer else ""

    @functools.cached_property
    def highest(self) -> float:
        """The highest KL divergence per class of some maps of the model, in nats."""
        generator = self._generator
        if len(generator.card.label_sets):
            label_sets = generator.random_label_sets(_OWN)
        else:
            label_sets = np.tile(generator.space.encode(generator.space.classes), (_OWN, 1))
        own = np.asarray(generator.generate_each(label_sets))
        return float(max(self._surprise(own[i : i + _AT_ONCE]).max() for i in range(0, _OWN, _AT_ONCE)))

    def _of_bytes(self, content: bytes, shape: tuple[int, int]) -> str:
        index_map = np.frombuffer(content, np.uint8).reshape(shape)
        size = self._generator.card.model().image_size
        nats = float(self._surprise(maps.resize_index(index_map, self._generator.space, size)[None])[0])
        if nats <= _MARGIN * self.highest:
            return ""
        return (
            f"This map fits the model badly: its shapes surprise the model by {nats:.0f} nats per class, those of the"
            f" model's own maps by {self.highest:.0f} at most. Edits of it may look wrong."
        )

    def _surprise(self, index_maps: UInt8[np.ndarray, "N H W"]) -> Float[np.ndarray, "N"]:
        """KL divergence per class that a map has, of maps of the size of the model; 0 for a blank map."""
        latents = self._generator.posterior(maps.index_to_shapes(index_maps, self._generator.space))
        gaussians = latents.mu_posterior, latents.logvar_posterior, latents.mu_prior, latents.logvar_prior
        nats = np.where(latents.present, kl_divergence(*gaussians), 0)
        return nats.sum(axis=1) / np.maximum(latents.present.sum(axis=1), 1)
