"""Diagonal normal distributions over a latent."""

from collections.abc import Mapping

import flax.struct
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


@flax.struct.dataclass
class Gaussian:
    """A diagonal normal distribution."""

    mu: Float[Array, "*b Z"]
    logvar: Float[Array, "*b Z"]

    def sample(self, eps: Float[Array, "*b Z"]) -> Float[Array, "*b Z"]:
        """`mu + sigma * eps` for standard normal noise (reparametrisation)."""
        return self.mu + jnp.exp(self.logvar / 2) * eps


def kl_divergence(posterior: Gaussian, prior: Gaussian) -> Float[Array, "*b"]:
    """KL(posterior || prior) in nats, summed over the latent."""
    difference = posterior.logvar - prior.logvar
    squared = jnp.square(posterior.mu - prior.mu) * jnp.exp(-prior.logvar)
    return 0.5 * (jnp.exp(difference) + squared - 1 - difference).sum(-1)


def scale_slices(scales: Mapping[str, int]) -> dict[str, slice]:
    """Where a flat latent holds each scale; `scales` has their sizes, in order."""
    ends = np.cumsum([0, *scales.values()])
    return {name: slice(*ends[i : i + 2]) for i, name in enumerate(scales)}


def kl_by_scale(posterior: Gaussian, prior: Gaussian, scales: Mapping[str, int]) -> dict[str, Float[Array, "*b"]]:
    """`kl_divergence` of each part of the latent; `scales` has their sizes, in order."""
    part = lambda gaussian, of_scale: Gaussian(gaussian.mu[..., of_scale], gaussian.logvar[..., of_scale])
    slices = scale_slices(scales).items()
    return {name: kl_divergence(part(posterior, of_scale), part(prior, of_scale)) for name, of_scale in slices}
