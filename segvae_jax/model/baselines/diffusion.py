"""Categorical diffusion with uniform noise.

Multinomial diffusion (Hoogeboom et al., NeurIPS 2021), D3PM-uniform (Austin et al., NeurIPS 2021), in continuous
time: at time t a pixel has kept its class with probability `cos(pi t / 2)^2`; otherwise it has a random class of the
label-set.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.special import ndtr
from jaxtyping import Array, Float

from segvae_jax.model.baselines.pixels import (
    PixelModel,
    allowed,
    class_maps_of,
    cross_entropy,
    sampled,
    softened,
)


class DiffusionModel(PixelModel):
    """Predicts the finished map from a noisy one.

    Loss: the mean cross-entropy of the true classes at a uniform time, which is the auxiliary term of D3PM.
    """

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """One number for the time, and two per pixel: for whether it keeps its class, and for the class otherwise."""
        height, width = self.image_size
        return (1 + 2 * height * width,)

    @property
    def sample_noise_shape(self) -> tuple[int, ...]:
        """One number per pixel at the start and at each step except the last."""
        return self.draw_steps, *self.image_size

    def __call__(
        self, class_maps: Float[Array, "B H W C"], label_set: Float[Array, "B C"], eps: Float[Array, "B N"]
    ) -> Float[Array, "B 1"]:
        """Training forward pass: the loss of each map."""
        truth, time = self.painted(class_maps), ndtr(eps[:, 0])
        keeps, which = eps[:, 1:].reshape(-1, 2, *self.image_size).swapaxes(0, 1)
        kept = ndtr(keeps) < _signal(time)[:, None, None]
        tokens = jnp.where(kept[..., None], truth, sampled(self._noise(label_set), which))
        loss = cross_entropy(self.logits(tokens, time, label_set), truth)
        return loss.mean((1, 2))[:, None]

    @nn.nowrap
    def _noise(self, label_set: Float[Array, "B C"]) -> Float[Array, "B H W C"]:
        """Uniform distribution over the classes of the label-set and the background."""
        share = allowed(label_set)
        shape = label_set.shape[0], *self.image_size, self.num_channels
        return jnp.broadcast_to(share / share.sum(-1, keepdims=True), shape)

    @nn.nowrap
    def sample(
        self,
        variables: Any,
        label_set: Float[Array, "B C"],
        eps: Float[Array, "B S H W"],
        temperature: float | Float[Array, ""] = 1.0,
    ) -> Float[Array, "B H W C"]:
        """Hard class maps: ancestral sampling from time 1, and the most likely classes at the end."""
        uniform, eps = self._noise(label_set), jnp.moveaxis(eps, 1, 0)
        times = jnp.linspace(1, 0, self.draw_steps + 1)

        def predict(tokens: Float[Array, "B H W C"], time: Float[Array, ""]) -> Any:
            return self.apply(variables, tokens, jnp.full(label_set.shape[:1], time), label_set, method="logits")

        def step(tokens, inputs):
            noise, time, earlier = inputs
            truth = softened(predict(tokens, time), temperature)
            kept = _signal(time) / _signal(earlier)
            posterior = (kept * tokens + (1 - kept) * uniform) * (
                _signal(earlier) * truth + (1 - _signal(earlier)) * uniform
            )
            return sampled(posterior, noise), None

        tokens, _ = lax.scan(step, sampled(uniform, eps[0]), (eps[1:], times[:-2], times[1:-1]))
        most_likely = predict(tokens, times[-2]).argmax(-1)
        return class_maps_of(jax.nn.one_hot(most_likely, self.num_channels))


def _signal(time: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """Probability that a pixel has kept its class."""
    return jnp.square(jnp.cos(jnp.pi / 2 * time))
