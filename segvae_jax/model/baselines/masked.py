"""Masked tokens: hidden pixels are predicted, the most confident ones first (Chang et al., MaskGIT, CVPR 2022)."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import lax
from jax.scipy.special import ndtr
from jaxtyping import Array, Float

from segvae_jax.model.baselines.pixels import (
    PixelModel,
    class_maps_of,
    cross_entropy,
    sampled,
    softened,
)

_CHOICE = 4.5  # scale of the noise on the confidence at the start, as in MaskGIT


class MaskedModel(PixelModel):
    """Iterative parallel decoding of pixels; the mask is one more token.

    Loss: the mean cross-entropy of the hidden pixels, a share `cos(pi u / 2)` of all for uniform u.
    """

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """One number for the share of hidden pixels, and one per pixel for whether it is hidden."""
        height, width = self.image_size
        return (1 + height * width,)

    @property
    def sample_noise_shape(self) -> tuple[int, ...]:
        """Two numbers per pixel and step: for its class, and for the confidence in it."""
        return self.draw_steps, *self.image_size, 2

    def __call__(
        self, class_maps: Float[Array, "B H W C"], label_set: Float[Array, "B C"], eps: Float[Array, "B N"]
    ) -> Float[Array, "B 1"]:
        """Training forward pass: the loss of each map."""
        truth, uniform = self.painted(class_maps), ndtr(eps)
        share = jnp.cos(jnp.pi / 2 * uniform[:, 0])
        hidden = (uniform[:, 1:].reshape(truth.shape[:3]) < share[:, None, None]).astype(jnp.float32)
        loss = cross_entropy(self.predict(truth, hidden, label_set), truth) * hidden
        return (loss.sum((1, 2)) / jnp.maximum(hidden.sum((1, 2)), 1))[:, None]

    def predict(
        self, known: Float[Array, "B H W C"], hidden: Float[Array, "B H W"], label_set: Float[Array, "B C"]
    ) -> Float[Array, "B H W C"]:
        """Logits of all pixels, from those that are not hidden."""
        tokens = jnp.concatenate([known * (1 - hidden[..., None]), hidden[..., None]], axis=-1)
        return self.logits(tokens, hidden.mean((1, 2)), label_set)

    @nn.nowrap
    def sample(
        self,
        variables: Any,
        label_set: Float[Array, "B C"],
        eps: Float[Array, "B S H W 2"],
        temperature: float | Float[Array, ""] = 1.0,
    ) -> Float[Array, "B H W C"]:
        """Hard class maps: each step samples all hidden pixels, and hides the least confident ones again."""
        steps, size = self.draw_steps, self.image_size[0] * self.image_size[1]
        left = jnp.floor(jnp.cos(jnp.pi / 2 * jnp.arange(1, steps + 1) / steps) * size).astype(jnp.int32).at[-1].set(0)

        def step(carry, inputs):
            (known, hidden), (noise, remain) = carry, inputs
            probabilities = softened(self.apply(variables, known, hidden, label_set, method="predict"), temperature)
            known = jnp.where(hidden[..., None] > 0, sampled(probabilities, noise[..., 0]), known)
            sure = jnp.log((known * probabilities).sum(-1) + 1e-9)
            sure = sure + _CHOICE * temperature * remain / size * _gumbel(noise[..., 1])
            sure = jnp.where(hidden > 0, sure, jnp.inf)
            limit = jnp.sort(sure.reshape(-1, size), axis=-1)[:, remain]
            return (known, (sure < limit[:, None, None]).astype(jnp.float32)), None

        blank = jnp.zeros((label_set.shape[0], *self.image_size, self.num_channels))
        (known, _), _ = lax.scan(step, (blank, jnp.ones(blank.shape[:3])), (jnp.moveaxis(eps, 1, 0), left))
        return class_maps_of(known)


def _gumbel(eps: Float[Array, "*b"]) -> Float[Array, "*b"]:
    return -jnp.log(-jnp.log(jnp.clip(ndtr(eps), 1e-6, 1 - 1e-6)))
