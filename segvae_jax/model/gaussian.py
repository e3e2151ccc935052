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


def kl_by_scale(posterior: Gaussian, prior: Gaussian, scales: Mapping[str, int]) -> dict[str, Float[Array, "*b"]]:
    """`kl_divergence` of each part of the latent; `scales` has their sizes, in order."""
    ends = np.cumsum([0, *scales.values()])
    part = lambda gaussian, i: Gaussian(*(field[..., ends[i] : ends[i + 1]] for field in vars(gaussian).values()))
    return {name: kl_divergence(part(posterior, i), part(prior, i)) for i, name in enumerate(scales)}
