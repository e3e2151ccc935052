import numpy as np
from scipy.stats import multivariate_normal

from segvae_jax.evaluation.metrics.latent import active_units, kl_divergence

PRESENT = np.array([[True, True], [True, False], [True, False]])


def test_kl_against_samples():
    rng = np.random.default_rng(0)
    mu, logvar, prior_mu, prior_logvar = rng.normal(scale=0.5, size=(4, 3, 2, 2)).astype(np.float32)
    kl = kl_divergence(mu, logvar, prior_mu, prior_logvar)
    assert kl.shape == (3, 2) and kl.dtype == np.float64
    law = lambda mu, logvar: multivariate_normal(mu[0, 1], np.diag(np.exp(logvar[0, 1])))
    q, p = law(mu, logvar), law(prior_mu, prior_logvar)
    samples = q.rvs(50_000, random_state=0)
    np.testing.assert_allclose(kl[0, 1], (q.logpdf(samples) - p.logpdf(samples)).mean(), rtol=0.05)
    np.testing.assert_array_equal(kl_divergence(mu, logvar, mu, logvar), 0)


def test_a_unit_is_active_if_its_mean_varies_where_the_class_is():
    means = np.zeros((3, 2, 3), np.float32)
    means[:, 0, 0] = [0, 0.25, 0]  # variance 0.021
    means[:, 0, 1] = [0, 0.15, 0]  # 0.0075
    means[1:, 1] = 9
    np.testing.assert_array_equal(active_units(means, PRESENT), [1, np.nan])
