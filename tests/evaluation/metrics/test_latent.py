import numpy as np
from scipy.stats import multivariate_normal

from segvae_jax.evaluation.metrics.latent import active_units, kl_of_steps
from segvae_jax.sampling import Latents

PRESENT = np.array([[True, True], [True, False], [True, False]])


def _latents(seed):
    rng = np.random.default_rng(seed)
    return Latents(*rng.normal(scale=0.5, size=(4, 3, 2, 2)).astype(np.float32), present=PRESENT)


def test_kl_against_samples():
    latents = _latents(0)
    kl = kl_of_steps(latents)
    np.testing.assert_array_equal(np.isnan(kl), ~PRESENT)
    law = lambda mu, logvar: multivariate_normal(mu[0, 1], np.diag(np.exp(logvar[0, 1])))
    q = law(latents.mu_posterior, latents.logvar_posterior)
    p = law(latents.mu_prior, latents.logvar_prior)
    samples = q.rvs(50_000, random_state=0)
    np.testing.assert_allclose(kl[0, 1], (q.logpdf(samples) - p.logpdf(samples)).mean(), rtol=0.05)


def test_a_unit_is_active_if_its_mean_varies_where_the_class_is():
    means = np.zeros((3, 2, 3), np.float32)
    means[:, 0, 0] = [0, 0.25, 0]  # variance 0.021
    means[:, 0, 1] = [0, 0.15, 0]  # 0.0075
    means[1:, 1] = 9
    np.testing.assert_array_equal(active_units(means, PRESENT), [1, np.nan])
