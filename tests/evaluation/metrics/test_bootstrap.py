import numpy as np
from scipy.stats import norm

from segvae_jax.evaluation.metrics.bootstrap import bootstrap_distance, bootstrap_mean
from segvae_jax.evaluation.metrics.frechet import frechet_distance


def test_the_interval_of_a_mean_is_that_of_the_normal_law():
    values = np.random.default_rng(0).normal(3.0, 2.0, size=400)
    estimate = bootstrap_mean(values, seed=0)
    half = norm.ppf(0.975) * values.std() / np.sqrt(400)
    np.testing.assert_allclose(estimate["value"], values.mean())
    np.testing.assert_allclose(estimate["low"], values.mean() - half, atol=0.15 * half)
    np.testing.assert_allclose(estimate["high"], values.mean() + half, atol=0.15 * half)


def test_the_interval_of_a_distance_holds_the_figure_and_follows_its_scatter():
    rng = np.random.default_rng(1)
    pairs = [rng.normal(size=(2, 40, 4)) for _ in range(60)]
    figures = [frechet_distance(*pair) for pair in pairs]
    estimate = bootstrap_distance(frechet_distance, *pairs[0], seed=0)
    assert estimate["value"] == figures[0]
    assert 0 < estimate["low"] < estimate["value"] < estimate["high"]
    scatter = np.quantile(figures, 0.975) / np.quantile(figures, 0.025)
    assert 0.5 < estimate["high"] / estimate["low"] / scatter < 2


def test_one_seed_one_interval():
    rows = np.random.default_rng(2).normal(size=(2, 9, 3))
    first, again, other = (bootstrap_distance(frechet_distance, *rows, seed=s, resamples=20) for s in (0, 0, 1))
    assert first == again != other
    assert bootstrap_mean(rows[0, :, 0], seed=0) == bootstrap_mean(rows[0, :, 0], seed=0)


def test_constant_figures_have_a_point_for_an_interval():
    assert bootstrap_mean(np.ones(5), seed=0) == {"value": 1, "low": 1, "high": 1}
    nothing = np.zeros((5, 2))
    assert bootstrap_distance(frechet_distance, nothing, nothing, seed=0) == {"value": 0, "low": 0, "high": 0}


def test_resampled_rows_without_a_figure_do_not_count():
    """The distance of rows of which none is positive is unknown."""
    distance = lambda a, b: abs(a[a > 0].mean() - b.mean()) if (a > 0).any() else np.nan
    few, rows = np.array([0.0, 0.0, 2.0]), np.random.default_rng(3).normal(size=9)
    estimate = bootstrap_distance(distance, few, rows, seed=0)
    assert 0 < estimate["low"] < estimate["value"] < estimate["high"]
    unknown = bootstrap_distance(distance, 0 * few, rows, seed=0)
    assert all(np.isnan(value) for value in unknown.values())
