"""The latent of a VAE: how much of it the posterior uses."""

import numpy as np
from jaxtyping import Bool, Float

ACTIVE = 0.01  # variance above which a unit counts as active


def kl_divergence(
    mu: Float[np.ndarray, "*b Z"],
    logvar: Float[np.ndarray, "*b Z"],
    prior_mu: Float[np.ndarray, "*b Z"],
    prior_logvar: Float[np.ndarray, "*b Z"],
) -> Float[np.ndarray, "*b"]:
    """KL(posterior || prior) of diagonal Gaussians in nats, summed over the latent, in float64."""
    difference = np.subtract(logvar, prior_logvar, dtype=np.float64)
    squared = np.square(np.subtract(mu, prior_mu, dtype=np.float64)) * np.exp(-prior_logvar.astype(np.float64))
    return 0.5 * (np.exp(difference) + squared - 1 - difference).sum(axis=-1)


def active_units(means: Float[np.ndarray, "N K Z"], present: Bool[np.ndarray, "N K"]) -> Float[np.ndarray, "K"]:
    """For each step, the number of units whose mean has a variance above 0.01 over the maps that have its class.

    For the means of the posterior, these are the active units of Burda et al. 2016 ("Importance weighted
    autoencoders"). For the differences between the means of posterior and prior, they are the units that tell more
    than the prior knows. NaN if fewer than two maps have the class.
    """
    of_step = [means[present[:, step], step].astype(np.float64) for step in range(means.shape[1])]
    return np.array([(x.var(axis=0, ddof=1) > ACTIVE).sum() if len(x) > 1 else np.nan for x in of_step], np.float64)
