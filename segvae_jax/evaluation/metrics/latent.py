"""The latent of a VAE: how much of it the posterior uses."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from segvae_jax.model.gaussian import Gaussian, kl_divergence
from segvae_jax.sampling import Latents

ACTIVE = 0.01  # variance from which a unit counts


def kl_of_steps(latents: Latents) -> Float[np.ndarray, "N K"]:
    """KL(posterior || prior) in nats of every step of every map; NaN where the map lacks the step's class."""
    gaussian = lambda mu, logvar: Gaussian(jnp.asarray(mu), jnp.asarray(logvar))
    posterior = gaussian(latents.mu_posterior, latents.logvar_posterior)
    kl = kl_divergence(posterior, gaussian(latents.mu_prior, latents.logvar_prior))
    return np.where(latents.present, np.asarray(kl, np.float64), np.nan)


def active_units(means: Float[np.ndarray, "N K Z"], present: Bool[np.ndarray, "N K"]) -> Float[np.ndarray, "K"]:
    """Units of each step whose mean varies over the maps that have its class: variance above 0.01.

    Of the posterior's means the active units of Burda et al. 2016 ("Importance weighted autoencoders");
    of their distances from the prior's means, the units that tell more than the prior knew. NaN
    where fewer than two maps have the class.
    """
    held = [means[present[:, step], step].astype(np.float64) for step in range(means.shape[1])]
    return np.array([(x.var(axis=0, ddof=1) > ACTIVE).sum() if len(x) > 1 else np.nan for x in held], np.float64)
